from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import nn

from colorzoo.errors import WeightsError
from colorzoo.weights import apply_weights, load_state_dict_file, resolve_weights, save_weights, weights_path
from colorzoo.weights import catalog as catalog_module


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3)
        self.norm = nn.BatchNorm2d(2)

    def load_published_state_dict(self, state_dict: dict[str, torch.Tensor]) -> None:
        assert not any(value.dtype == torch.float16 for value in state_dict.values())
        self.load_state_dict({key.removeprefix("authors."): value for key, value in state_dict.items()})


@pytest.fixture
def embedded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "embedded"
    folder.mkdir()
    monkeypatch.setattr(catalog_module, "embedded_folder", lambda: folder)
    return folder


@pytest.mark.parametrize("published", [True, False])
def test_half_precision_file_is_widened_into_the_model(tmp_path: Path, published: bool):
    source, target = Net(), Net()
    prefix = "authors." if published else ""
    state = {prefix + key: value for key, value in source.state_dict().items()}
    save_weights(tmp_path / "a.safetensors", state, {})
    apply_weights(target, load_state_dict_file(tmp_path / "a.safetensors"), name="a", published=published)
    assert target.conv.weight.dtype == torch.float32
    torch.testing.assert_close(target.state_dict(), source.state_dict(), atol=1e-3, rtol=0)


def test_misfit_says_counts_keys_and_shapes_and_changes_nothing():
    model = Net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {key: value + 1 for key, value in before.items() if "running" not in key}
    state |= {"conv.weight": torch.ones(5, 1, 3, 3), **{f"extra{index}": torch.ones(1) for index in range(4)}}
    with pytest.raises(WeightsError) as caught:
        apply_weights(model, state, name="lee2099 'default'", published=False)
    assert str(caught.value) == (
        "lee2099 'default' does not fit Net: 2 missing (norm.running_mean, norm.running_var); "
        "4 unexpected (extra0, extra1, extra2, ...); "
        "1 of another shape (conv.weight: expected (2, 1, 3, 3), found (5, 1, 3, 3))"
    )
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_published_misfit_is_one_line():
    with pytest.raises(WeightsError, match=r"x does not fit Net: .*Missing key") as caught:
        apply_weights(Net(), {"authors.other": torch.ones(1)}, name="x", published=True)
    assert "\n" not in str(caught.value)


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


def test_default_fetches_published_then_serves_it_offline(card, entry, server):
    model = card(published=entry(server.url("good"), published=True))
    for offline in (False, True):
        resolved = resolve_weights(model, "default", offline=offline)
        assert resolved is not None
        assert resolved.published
        assert resolved.path == weights_path(model, "published")
    assert server.count("good") == 1


def test_default_that_cannot_be_had_warns_once(card, entry):
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
    with pytest.warns(UserWarning, match="lee2099 is untrained.* its card names none"):
        assert resolve_weights(card(), "default") is None


def test_published_that_cannot_be_had_is_an_error(card, entry):
    with pytest.raises(WeightsError, match=r"offline; download it by hand"):
        resolve_weights(card(published=entry("https://example.org/a.pth")), "published", offline=True)
    with pytest.raises(WeightsError, match="lee2099 has no weights 'published'; it has 'default'"):
        resolve_weights(card(default=entry(file="a")), "published")


def test_own_file_brings_its_arguments(card, tmp_path: Path):
    path = tmp_path / "mine.safetensors"
    save_weights(path, Net().state_dict(), {"hparams": '{"width": 3}'})
    for given in (path, str(path)):
        resolved = resolve_weights(card(), given)
        assert resolved is not None
        assert (resolved.path, resolved.weights, resolved.hparams) == (path, None, {"width": 3})
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
def test_what_is_no_file_is_an_error(card, entry, given: str | Path, said: str):
    with pytest.raises(WeightsError, match=re.escape(said)):
        resolve_weights(card(published=entry("http://x/y")), given)


def test_importing_the_package_and_its_verb_imports_no_torch():
    program = "import sys, colorzoo.weights, colorzoo.cli.weights; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
