"""Digests other than a SHA-256 that authors state: MD5, SHA-1 and first digits, as torchvision's."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from colorzoo.card import Weights
from colorzoo.cli.main import main
from colorzoo.errors import WeightsError
from colorzoo.training.create import create_model
from colorzoo.weights import weights_path
from colorzoo.weights.convert import convert_weights
from colorzoo.weights.download import fetch
from colorzoo.weights.file_record import inspect_file
from colorzoo.weights.files import sha256_of
from colorzoo.weights.resolve import resolve_weights

NAME = "zhang2017_local"
FORMS = ["md5", "sha1", "sha256"]


def digest_of(content: bytes, form: str, digits: int | None = None) -> str:
    return f"{form}:{hashlib.new(form, content).hexdigest()[:digits]}"


def test_the_hash_of_a_folder_is_that_of_the_hashes_of_its_files(tmp_path: Path) -> None:
    for name, content in (("b", b"second"), ("a", b"first")):
        (tmp_path / name).write_bytes(content)
    hashes = [hashlib.sha256(content).hexdigest() for content in (b"first", b"second")]
    assert sha256_of(tmp_path) == hashlib.sha256("".join(hashes).encode()).hexdigest()


@pytest.mark.parametrize(("form", "digits"), [("md5", None), ("sha1", None), ("sha256", 8)])
def test_a_file_with_the_digest_is_fetched_used_and_recorded(
    narrow_zoo, server, authors_file: Path, capsys, form: str, digits: int | None
) -> None:
    server.content = authors_file.read_bytes()
    stated = digest_of(server.content, form, digits)
    card = narrow_zoo(sha256=None, digest=stated, urls=(server.url("good"),))
    path = fetch(card.weights["published"], weights_path(card, "published"))
    assert stated.partition(":")[2][:8] in path.name
    assert inspect_file(card.weights["published"], path).status == "unchecked"
    assert create_model(NAME, "published", offline=True).trained
    assert inspect_file(card.weights["published"], path).status == "recorded"
    assert main(["weights", "verify", NAME]) == 0
    assert f"recorded on first use (its authors state {stated})" in capsys.readouterr().out


@pytest.mark.parametrize("form", FORMS)
def test_another_file_is_refused(narrow_zoo, server, authors_file: Path, form: str) -> None:
    server.content = authors_file.read_bytes()
    stated = digest_of(b"another file", form, 8)
    card = narrow_zoo(sha256=None, digest=stated, urls=(server.url("good"),))
    path = weights_path(card, "published")
    with pytest.raises(WeightsError, match=f"expected {form} {stated.partition(':')[2]}, found"):
        fetch(card.weights["published"], path)
    assert not path.exists()
    assert path.with_name(f"{path.name}.quarantine").is_file()
    path.write_bytes(server.content)
    assert inspect_file(card.weights["published"], path).status == "refused"


def test_a_file_of_the_user_is_known_by_its_digest(narrow_zoo, authors_file: Path, tmp_path: Path) -> None:
    """It gets the settings and license of the card, in loading and in converting."""
    given = {"hparams": {"mask_center": 0.25}, "license": "BSD"}
    for content, known in ((authors_file.read_bytes(), True), (b"another file", False)):
        card = narrow_zoo(sha256=None, digest=digest_of(content, "md5"), **given)
        found = resolve_weights(card, authors_file)
        assert found is not None
        assert (dict(found.hparams), found.published) == ((given["hparams"], True) if known else ({}, False))
        metadata = convert_weights(authors_file, card, tmp_path / "net.safetensors").metadata
        assert ('"mask_center": 0.25' in metadata["hparams"], metadata["license"] == "BSD") == (known, known)


def test_a_file_of_an_unstated_hash_gets_the_settings_of_the_card(
    narrow_zoo, authors_file: Path, tmp_path: Path
) -> None:
    """Converting takes them as loading does."""
    card = narrow_zoo(sha256=None, hparams={"mask_center": 0.25})
    found = resolve_weights(card, authors_file)
    assert found is not None
    assert dict(found.hparams) == {"mask_center": 0.25}
    converted = convert_weights(authors_file, card, tmp_path / "net.safetensors")
    assert '"mask_center": 0.25' in converted.metadata["hparams"]


@pytest.mark.parametrize("stated", ["9b330a0b", "md5:xyz", "crc32:9b330a0b", "sha256:9b33", "MD5:9B330A0B"])
def test_a_digest_of_another_form_is_refused(stated: str) -> None:
    with pytest.raises(ValueError, match="a digest is md5:, sha1: or sha256:"):
        Weights(None, 1, "MIT", digest=stated)


def test_a_card_states_one_hash() -> None:
    with pytest.raises(ValueError, match="needs no other digest"):
        Weights("0" * 64, 1, "MIT", digest="md5:9b330a0b")
