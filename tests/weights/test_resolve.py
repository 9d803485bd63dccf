"""Resolution of weights: cache, download, hash verification and Hub models."""

from __future__ import annotations

import os
import re
import shutil
import socket
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import huggingface_hub
import pytest
import torch
from torch import nn

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.card import ModelCard, Weights
from colorzoo.errors import UntrainedWarning, WeightsError
from colorzoo.files import sha256_of
from colorzoo.training.create import create_model
from colorzoo.weights import catalog as catalog_module
from colorzoo.weights import save_weights
from colorzoo.weights.catalog import (
    WeightFile,
    fetch,
    list_weights,
    recorded_sha256,
    resolve_weights,
    weight_file,
)

Entry = Callable[..., Weights]
NAME = "zhang2017_local"


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "net.pth"


def put(card: ModelCard, content: bytes) -> Path:
    path = weight_file(card, "published").path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def get(weights: Weights, target: Path, **options: bool) -> Path:
    fetch(WeightFile("lee2099", "published", weights, target), **options)
    return target


@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077])
def test_downloaded_files_have_the_mode_of_the_umask(mask: int, server, entry: Entry, target) -> None:
    before = os.umask(mask)
    try:
        get(replace(entry(server.url("good")), sha256=None), target)
    finally:
        os.umask(before)
    assert {path.name for path in target.parent.iterdir()} > {target.name}  # with the recorded hash
    assert {path.stat().st_mode & 0o777 for path in target.parent.iterdir()} == {0o666 & ~mask}


def test_fetch_downloads_once_and_leaves_no_temporary_files(server, entry: Entry, payload, target) -> None:
    for _ in range(2):
        get(entry(server.url("good")), target)
    assert target.read_bytes() == payload
    assert [*target.parent.iterdir()] == [target]
    assert server.count("good") == 1


def test_fetch_error_names_hash_urls_and_target_in_one_line(server, entry: Entry, target) -> None:
    weights = entry(server.url("wrong"), server.url("absent"), server.url("cut"))
    with pytest.raises(WeightsError) as caught:
        get(weights, target)
    message = str(caught.value)
    for part in (str(weights.sha256), "404", *weights.urls, str(target)):
        assert part in message
    assert "\n" not in message
    assert not [*target.parent.iterdir()]


def test_fetch_offline_opens_no_socket_and_names_file_and_url(
    entry: Entry, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "socket", lambda *_, **__: pytest.fail("a socket was opened"))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        get(entry("https://example.org/net.pth"), target)
    for part in ("net.pth (0.3 MB)", f"from https://example.org/net.pth to {target}"):
        assert part in str(caught.value)
    assert not target.parent.exists()


def test_resolve_weights_prefers_cached_published_over_embedded_weights(
    card, entry: Entry, tmp_path: Path, payload: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_module, "EMBEDDED_FOLDER", tmp_path)
    model = card(default=entry(file="lee.safetensors", hparams={"width": 2}), published=entry("http://x/y"))
    assert resolve_weights(model, None) is None
    with pytest.raises(WeightsError, match=r"lee\.safetensors .*missing. Reinstall"):
        resolve_weights(model, "default")
    (tmp_path / "lee.safetensors").write_bytes(payload)
    resolved = resolve_weights(model, "default")
    assert resolved is not None
    assert (resolved.path, resolved.hparams) == (tmp_path / "lee.safetensors", {"width": 2})
    assert resolved.sha256 == model.weights["default"].sha256
    path = put(model, payload)
    assert resolve_weights(model, "default").path == path
    assert resolve_weights(model, tmp_path / "lee.safetensors").path == resolved.path


def test_resolve_weights_default_uses_the_downloaded_file_offline(card, entry: Entry, server) -> None:
    model = card(published=entry(server.url("good"), published=True))
    for options in ({}, {"offline": True}):
        resolved = resolve_weights(model, "default", **options)
        assert resolved is not None
        assert resolved.entry == model.weights["published"]
        assert resolved.path == weight_file(model, "published").path
    assert server.requests == ["good"]


def test_resolve_weights_warns_once_if_default_weights_are_unavailable(card, entry: Entry) -> None:
    url = "https://example.org/net.pth"
    model = card(published=entry(url, published=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert resolve_weights(model, "default", offline=True) is None
    assert [item.category for item in caught] == [UntrainedWarning]
    for part in (
        "lee2099",
        "offline=True",
        "0.3 MB",
        f"from {url} to {weight_file(model, 'published').path}",
    ):
        assert part in str(caught[0].message)


def test_resolve_weights_reads_hparams_of_a_user_file(card, tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    save_weights(path, nn.Linear(2, 2).state_dict(), {"hparams": '{"width": 3}'})
    for given in (path, str(path)):
        resolved = resolve_weights(card(), given)
        assert resolved is not None
        assert (resolved.path, resolved.entry, resolved.hparams) == (path, None, {"width": 3})
        assert resolved.sha256 is None


def test_resolve_weights_raises_short_errors_for_invalid_values(card, entry: Entry) -> None:
    for given, reason in [
        ("pulbished", "lee2099 (known tags are 'published')"),
        (Path("published"), "existing file"),
        ("x" * 5000, "existing file"),
        ("a\0b", "existing file"),
        ("~nobody-here/a.pth", "existing file"),
    ]:
        with pytest.raises(WeightsError, match=re.escape(reason)) as caught:
            resolve_weights(card(published=entry("http://x/y")), given)
        assert len(str(caught.value)) < 500


def test_each_listed_address_has_a_hash_or_a_reason_for_its_absence() -> None:
    entries = [file.weights for file in list_weights() if file.weights.urls]
    assert entries
    for weights in entries:
        assert bool(weights.sha256) != bool(weights.no_hash), weights.urls
        assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256 or "0" * 64), weights.urls


def test_resolve_weights_treats_raw_file_as_published_if_card_has_no_hash(tmp_path: Path, card) -> None:
    published = Weights(None, 100, "MIT", urls=("https://x.org/a.pth",), published=True, hparams={"width": 2})
    theirs = tmp_path / "theirs.pth"
    torch.save({"model": {f"theirs.{k}": v for k, v in nn.Linear(2, 2).state_dict().items()}}, theirs)
    found = resolve_weights(card(published=published), theirs)
    assert found is not None
    assert (found.entry, found.sha256, found.hparams) == (published, None, {"width": 2})
    # another version of the hashed file must not be treated as the file without a hash
    hashed = replace(published, sha256="0" * 64)
    found = resolve_weights(card(published=hashed, paper=published), theirs)
    assert found is not None
    assert (found.entry, found.published) == (None, False)


def test_fetch_records_the_hash_of_unhashed_weights(narrow_zoo, server, authors_file: Path, capsys) -> None:
    server.content = authors_file.read_bytes()
    card = narrow_zoo(sha256=None, urls=(server.url("page"), server.url("good")))
    path = weight_file(card, "published").path
    assert main(["weights", "fetch", NAME]) == 0
    recorded = sha256_of(path)
    assert recorded_sha256(path) == recorded
    # a copy is recognized by the recorded hash, even if the card lists another file first
    entry = card.weights["published"]
    several = replace(card, weights={"other": replace(entry, hparams={"width": 2}), "published": entry})
    found = resolve_weights(several, shutil.copy(path, path.with_name("copy.pth")))
    assert found is not None
    assert found.entry == entry
    assert create_model(NAME, offline=True).trained
    torch.save({key: value + 1 for key, value in torch.load(path).items()}, path)
    with pytest.raises(WeightsError, match=f"{recorded}"):
        create_model(NAME, "published")
    assert main(["weights", "fetch", NAME]) == 2
    assert main(["weights", "verify", NAME]) == 1
    path.with_name(f"{path.name}.sha256").unlink()
    assert create_model(NAME, "published", offline=True).trained


def test_create_model_loads_hugging_face_hub_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = weight_file(colorzoo.model_card("zhang2016_small"), "default").path
    calls = []

    def download(*words: str, **options: object) -> str:
        calls.append((words, options))
        return str(shipped)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    model = colorzoo.create_model("hf-hub:someone/colors@v2", offline=True)
    assert type(model) is type(colorzoo.create_model("zhang2016_small"))
    assert calls == [(("someone/colors", "model.safetensors"), {"revision": "v2", "local_files_only": True})]
    with pytest.raises(WeightsError, match="weights"):
        colorzoo.create_model("hf-hub:someone/colors", None)


def test_create_model_raises_one_line_error_for_unavailable_hub_repository() -> None:
    with pytest.raises(WeightsError, match="hf-hub:a/b cannot be downloaded") as caught:
        colorzoo.create_model("hf-hub:a/b", offline=True)
    assert "\n" not in str(caught.value)
