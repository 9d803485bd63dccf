"""Models are saved as folders and loaded from folders and from a stand-in for the Hugging Face Hub."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch

import colorzoo
from colorzoo.errors import UnknownModelError, WeightsError
from colorzoo.factory import create_coloring_model
from colorzoo.testing import sample_input
from colorzoo.weights import read_metadata, read_weights, save_weights
from colorzoo.weights.provenance import Provenance

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Hub(SimpleHTTPRequestHandler):
    """Serves ``OWNER/NAME/resolve/main/FILE`` from the folder ``OWNER/NAME``, as the Hub does."""

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.replace("/resolve/main/", "/"))

    def end_headers(self) -> None:
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("ETag", '"stand-in"')
        super().end_headers()

    def send_error(self, code: int, *args: Any, **kwargs: Any) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder of a local stand-in for the Hub."""
    root = tmp_path / "hub"
    root.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Hub, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address, constants = f"http://127.0.0.1:{server.server_port}", huggingface_hub.constants
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COLORZOO_OFFLINE", raising=False)
    yield root
    server.shutdown()
    server.server_close()


def answer(model: torch.nn.Module) -> torch.Tensor:
    with torch.inference_mode():
        return model.eval()(sample_input("gray", (40, 56))).ab


@pytest.mark.parametrize("name", ["chen2023_small", "zhang2019_small"])
def test_a_model_whose_card_has_settings_of_training_is_shared(tmp_path: Path, name: str) -> None:
    made, card = colorzoo.create_model(name), colorzoo.model_card(name)
    assert "discriminator_width" in card.hparams
    shared = colorzoo.from_pretrained(made.save_pretrained(tmp_path))
    assert (type(shared), shared.hparams) == (type(made), made.hparams)


@pytest.mark.parametrize("hparams", [{}, {"width": 0.125}])
def test_a_folder_gives_the_same_colors(tmp_path: Path, hparams: dict[str, Any]) -> None:
    model = colorzoo.create_model("zhang2016_small", None if hparams else "default", **hparams)
    folder = model.save_pretrained(tmp_path / "mine")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "model.safetensors"]
    assert torch.equal(answer(colorzoo.from_pretrained(folder)), answer(model))
    metadata = read_metadata(folder / "model.safetensors")
    for name in ("hparams", "provenance"):
        assert metadata[name] == json.dumps(json.loads(metadata[name]), sort_keys=True)
    assert read_weights(folder / "model.safetensors").provenance == model.provenance.to_dict()


def test_the_page_of_a_folder_says_what_is_known(tmp_path: Path) -> None:
    model = create_coloring_model("zhang2016_small")

    def page(name: str) -> str:
        return (model.save_pretrained(tmp_path / name) / "README.md").read_text()

    card = colorzoo.model_card("zhang2016_small")
    about = (
        f"# zhang2016_small: {card.title}\n\n{card.summary} [Paper]({card.paper}), 2016. Guidance: none.\n\n"
    )
    usage = '```python\nimport colorzoo\n\nmodel = colorzoo.create_model("hf-hub:OWNER/NAME")'
    usage += "  # colorzoo.from_pretrained takes a folder\n```\n\n"
    head = "---\nlibrary_name: colorzoo\npipeline_tag: image-to-image\ntags:\n- colorization\n"
    trained = f"Trained on: {card.weights['default'].trained_on}\nLicense of the weights: Apache-2.0.\n"
    assert page("shipped") == f"{head}license: apache-2.0\n---\n{about}{usage}{trained}"
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.provenance = Provenance(
        start={"model": "zhang2016_small"}, data={"pictures": 1234, "sha256": "ab" * 32}, steps=5000
    )
    trained = (
        "Base model: zhang2016_small.\nTrained on 1,234 pictures (SHA-256 of their names abababababababab), "
    )
    rest = "Add here how good the weights are, and their license.\n"
    assert page("mine") == f"{head}---\n{about}{usage}{trained}5,000 steps.\n{rest}"
    assert Provenance.of(None) == Provenance("", None, None, (), None, None, (), 0, 0)
    assert Provenance.of({"steps": 3, "config": ["a"], "new": 1}) == Provenance(steps=3, config=("a",))
    model.provenance = Provenance(start={"file": "a.pth"})
    assert page("of_file").endswith(f"```\n\nBase model: a.pth.\n{rest}")
    model.provenance = Provenance()
    assert f"Add here how the weights were trained, and on which data.\n{rest}" in page("unknown")


def test_a_plain_model_is_saved_too_and_nothing_is_replaced_unasked(tmp_path: Path) -> None:
    model = create_coloring_model("zhang2017_local_small")
    model.save_pretrained(tmp_path)
    with pytest.raises(WeightsError, match="exists already; overwrite=True"):
        model.save_pretrained(tmp_path)
    model.save_pretrained(tmp_path, overwrite=True)


def test_the_hub_is_asked_once_and_serves_offline(hub: Path) -> None:
    model = colorzoo.create_model("zhang2016_small")
    model.save_pretrained(hub / "someone" / "colors")
    found = colorzoo.create_model("hf-hub:someone/colors")
    assert torch.equal(answer(found), answer(model))
    (hub / "someone" / "colors" / "model.safetensors").unlink()
    again = create_coloring_model("hf-hub:someone/colors", offline=True)
    assert torch.equal(answer(again), answer(model))


@pytest.mark.parametrize(
    ("source", "offline", "message"),
    [
        ("hf-hub:someone/nothing", False, "hf-hub:someone/nothing cannot be fetched"),
        ("hf-hub:someone/nothing", True, "it was not fetched before"),
        ("hf-hub:a/b/c", False, "hf-hub:a/b/c cannot be fetched"),
        ("nowhere", False, "is missing; expected a folder of save_pretrained"),
    ],
)
def test_what_cannot_be_had_is_one_line(hub: Path, source: str, offline: bool, message: str) -> None:
    with pytest.raises(WeightsError, match=message) as caught:
        colorzoo.from_pretrained(source, offline=offline)
    assert "\n" not in str(caught.value)


def test_a_file_of_a_package_that_is_not_installed_names_its_model(tmp_path: Path) -> None:
    save_weights(tmp_path / "model.safetensors", {"a": torch.zeros(2)}, {"model": "smith2031"})
    with pytest.raises(UnknownModelError, match="smith2031"):
        colorzoo.from_pretrained(tmp_path)
    save_weights(tmp_path / "model.safetensors", {"a": torch.zeros(2)}, {"other": "x"})
    with pytest.raises(WeightsError, match="does not name its model"):
        colorzoo.from_pretrained(tmp_path)


def test_a_model_of_the_hub_takes_no_other_weights() -> None:
    with pytest.raises(WeightsError, match="brings its own weights"):
        colorzoo.create_model("hf-hub:someone/colors", None)
