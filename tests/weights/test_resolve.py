"""From a tag or a path to a weight file."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from colorzoo.card import Weights
from colorzoo.errors import WeightsError
from colorzoo.weights import apply_weights, load_state_dict_file, resolve_weights, save_weights, weights_path
from colorzoo.weights import catalog as catalog_module


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(catalog_module, "embedded_folder", lambda: folder)
    return folder


def test_none_and_embedded_default_touch_no_network(card, entry, embedded: Path, payload):
    model = card(default=entry(file="lee.safetensors", hparams={"width": 2}), published=entry("http://x/y"))
    assert resolve_weights(model, None) is None
    with pytest.raises(WeightsError, match=r"lee\.safetensors .*reinstall"):
        resolve_weights(model, "default")
    (embedded / "lee.safetensors").write_bytes(payload)
    resolved = resolve_weights(model, "default")
    assert resolved is not None
    assert (resolved.path, resolved.hparams) == (embedded / "lee.safetensors", {"width": 2})
    assert (resolved.sha256, resolved.published) == (model.weights["default"].sha256, False)
    assert resolved.unverified_sha256 == resolved.sha256  # hashed as it is loaded


def test_default_fetches_published_then_serves_it_offline(card, entry, server):
    model = card(published=entry(server.url("good"), published=True))
    for options in ({}, {"offline": True}):
        resolved = resolve_weights(model, "default", **options)
        assert resolved is not None
        assert resolved.published
        assert resolved.path == weights_path(model, "published")
    assert server.count("good") == 1


def test_unavailable_default_weights_warn_once(card, entry):
    url = "https://example.org/net.pth"
    model = card(published=entry(url, published=True))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert resolve_weights(model, "default", offline=True) is None
    assert [item.category for item in caught] == [UserWarning]
    message = str(caught[0].message)
    manual = f"by hand from {url} to {weights_path(model, 'published')}"
    for part in ("lee2099 is untrained", "0.3 MB", manual):
        assert part in message
    with pytest.warns(UserWarning, match="lee2099 is untrained.* its card names no weights"):
        assert resolve_weights(card(), "default") is None


def test_unavailable_published_weights_are_an_error(card, entry):
    with pytest.raises(WeightsError, match=r"offline; download it by hand"):
        resolve_weights(card(published=entry("https://example.org/a.pth")), "published", offline=True)
    with pytest.raises(WeightsError, match="lee2099 has no weights 'published'; it has 'default'"):
        resolve_weights(card(default=entry(file="a")), "published")


def test_a_file_of_the_users_own_includes_its_arguments(card, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    save_weights(path, nn.Linear(2, 2).state_dict(), {"hparams": '{"width": 3}'})
    for given in (path, str(path)):
        resolved = resolve_weights(card(), given)
        assert resolved is not None
        assert (resolved.path, resolved.entry, resolved.hparams) == (path, None, {"width": 3})
        assert (resolved.sha256, resolved.published) == (None, False)


def test_file_fetched_by_hand_is_recognized(card, entry, payload, tmp_path: Path):
    (tmp_path / "any.pth").write_bytes(payload)
    model = card(published=entry("http://x/y", published=True, hparams={"mask": 0.5}))
    resolved = resolve_weights(model, tmp_path / "any.pth")
    assert resolved is not None
    assert resolved.published
    assert resolved.hparams == {"mask": 0.5}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("pulbished", "no such file, and no tag of lee2099: it has 'published'"),
        (Path("published"), "no such file"),
        ("https://example.org/a.pth", "download it and pass the file's path"),
    ],
)
def test_other_values_are_an_error(card, entry, given: str | Path, said: str):
    with pytest.raises(WeightsError, match=re.escape(said)):
        resolve_weights(card(published=entry("http://x/y")), given)


def test_importing_the_package_and_its_verb_imports_no_torch():
    program = "import sys, colorzoo.weights, colorzoo.cli.weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


class _Toy(nn.Linear):
    def load_published_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        self.load_state_dict({key.removeprefix("theirs."): value for key, value in state_dict.items()})


def test_a_file_without_settings_is_the_authors_if_they_state_no_hash(tmp_path: Path, card) -> None:
    published = Weights(
        None, 100, "MIT", urls=("https://x.org/net.pth",), published=True, hparams={"width": 2}
    )
    theirs = tmp_path / "theirs.pth"
    torch.save({"model": {f"theirs.{k}": v for k, v in nn.Linear(2, 2).state_dict().items()}}, theirs)
    found = resolve_weights(card(published=published), theirs)
    assert found is not None
    assert (found.published, found.sha256, found.hparams) == (True, None, {"width": 2})
    toy = _Toy(2, 2)
    apply_weights(toy, load_state_dict_file(theirs), name="theirs", published=found.published)
    assert torch.equal(toy.weight, load_state_dict_file(theirs)["theirs.weight"])
