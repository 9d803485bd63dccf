"""Selection of the model by name, weight file, guidance and image."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo import Colorizer, colorize
from colorzoo.apps.cli.main import main
from colorzoo.apps.studio.models import ModelPool
from colorzoo.guidance import Recipe
from colorzoo.inference.choice import choose_model
from colorzoo.registry import DEFAULT_MODELS, list_models, model_card
from colorzoo.weights import save_weights

POINT = {"points": [{"x": 1, "y": 2, "color": "#c04020"}]}
STROKE = {"scribbles": [{"path": [[1, 2], [8, 9]]}]}
BOX = {"boxes": [{"x": 1, "y": 2, "width": 6, "height": 7}]}
LABELS = {"classes": {"file": "a.png"}}
PAIR = {"classes": {"file": "a.png", "reference_file": "b.png"}}


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "old.png"
    y, x = np.mgrid[0:40, 0:48]
    Image.fromarray((127 + 60 * np.sin(x / 9) + 60 * np.cos(y / 7)).astype("uint8")).save(path)
    return path


def test_default_models_accept_their_guidance_and_have_embedded_weights() -> None:
    for use, name in DEFAULT_MODELS.items():
        card = model_card(name)
        assert name in list_models(with_weights=True), "an offline machine requires them"
        assert use in card.uses
        assert use in card.guidance or use in ("automatic", "sketch", "objects", "stylize")
    assert {"boxes", "scribbles"} <= {*model_card(DEFAULT_MODELS["objects"]).guidance}
    assert model_card(DEFAULT_MODELS["sketch"]).input == "sketch"


@pytest.mark.parametrize(
    ("recipe", "references", "expected"),
    [
        ({}, 0, "colorzoo2026"),
        ({"label": 1}, 0, "colorzoo2026"),  # only plug-ins accept labels
        (POINT, 0, "colorzoo2026"),
        ({}, 1, "colorzoo2026"),
        (STROKE, 0, "kim2021_small"),
        (BOX, 0, "su2020_small"),
        (POINT | BOX, 0, "su2020_small"),
        (POINT | STROKE, 0, "kim2021_small"),
        (BOX | STROKE, 0, "kim2021_su2020_small"),
        (POINT, 1, "colorzoo2026"),
        (STROKE, 2, "colorzoo2026"),  # several references
        (POINT | LABELS, 1, "chen2023_small"),  # the model predicts the classes of the reference
        (POINT | PAIR, 1, "colorzoo2026"),  # two label images contain all classes
        ({"regions": [{"index": 1, "color": "#c04020"}]}, 0, "cho2023_small"),
    ],
)
def test_default_model_accepts_most_kinds_of_guidance(
    recipe: dict[str, object], references: int, expected: str
) -> None:
    assert choose_model(Recipe.from_json(recipe), references=["a.png"] * references) == expected


def test_recipes_keep_their_model(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "zhang2017_local_small"
    expected = np.asarray(Colorizer(name, device="cpu")(image))
    assert np.array_equal(np.asarray(colorize(image, guidance={"model": name}, device="cpu")), expected)
    recipe = image.with_name("recipe.json")
    recipe.write_text(json.dumps({"model": name}))
    assert main(["colorize", str(image), "--recipe", str(recipe), "--json", "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["model"] == name


def test_results_name_the_default_model(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = image.with_name("old.color.png")
    default = DEFAULT_MODELS["automatic"]
    for words, line in (((), f"{result} ({default})\n"), (("--model", default), f"{result}\n")):
        assert main(["colorize", str(image), "--overwrite", "--device", "cpu", *words]) == 0
        assert capsys.readouterr().out == line


def test_a_folder_named_default_does_not_select_a_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"model": "zhang2017_local"}
    save_weights(tmp_path / "default" / "model.safetensors", {"layer": torch.ones(1)}, content)
    monkeypatch.chdir(tmp_path)
    assert choose_model() == DEFAULT_MODELS["automatic"]


def test_commands_and_studio_choose_the_same_default_model(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = tmp_path / "frames"
    frames.mkdir()
    (frames / "0.png").write_bytes(image.read_bytes())
    expected = DEFAULT_MODELS["automatic"]
    assert ModelPool(Colorizer).default == expected
    assert main(["video", str(frames), str(tmp_path / "colored"), "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["model"] == expected
    words = ("--point", "5,5=#c04020", "--json", "--device", "cpu")
    assert main(["colorize", str(image), *words]) == 0
    assert json.loads(capsys.readouterr().out)[0]["model"] == expected
