"""Label images, class tables and painted polygons, and errors for invalid ones."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.abilities import SegmentationModel
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Recipe
from colorzoo.inference.choice import choose_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.steps.classes import class_map, read_labels
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.registry import model_card

LIGHTNESS = torch.zeros(1, 1, 40, 60)
REFERENCE = torch.zeros(1, 3, 20, 20)


class Halves(ColoringModel, SegmentationModel):
    """Segments the left half as class 0 and the right half as class 1."""

    class_count = 3

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())

    def segment(self, lightness: Tensor) -> Tensor:
        columns = torch.arange(lightness.shape[-1]) * 2 // lightness.shape[-1]
        return columns.expand(1, 1, *lightness.shape[-2:]).clone()


def class_map_of(reference: Tensor | None = REFERENCE, **classes: Any) -> Any:
    recipe = Recipe.from_json({"image": {"width": 600, "height": 400}, "classes": classes})
    return class_map(Halves(), recipe, LIGHTNESS, reference)


def labels(path: Path, size: tuple[int, int] = (60, 40), mode: str = "L") -> str:
    image = Image.new(mode, size, 0 if mode != "RGB" else (0, 0, 0))
    if mode == "L":
        image.paste(200, (0, 0, 4, 4))
    image.save(path)
    return str(path)


def test_class_map_table_remaps_only_target_classes() -> None:
    found = class_map_of(map={"0": 2, "1": 0})
    assert found.target[0, 0, 0].tolist() == [2] * 30 + [0] * 30  # simultaneous, not sequential
    assert found.exemplar[0, 0, 0].tolist() == [0] * 10 + [1] * 10


def test_class_map_draws_polygons_in_image_pixels() -> None:
    square = [[100, 100], [200, 100], [200, 200], [100, 200]]
    found = class_map_of(painted=[{"class": 2, "path": square}])
    expected = torch.zeros(40, 60, dtype=torch.bool)
    expected[10:20, 10:20] = True
    assert torch.equal(found.target[0, 0] == 2, expected)


def test_class_map_label_images_replace_predicted_classes(tmp_path: Path) -> None:
    files = {
        "file": labels(tmp_path / "a.png", (120, 80)),
        "reference_file": labels(tmp_path / "b.png", (20, 20)),
    }
    found = class_map_of(**files, map={"200": 7})
    assert found.target.shape == (1, 1, 40, 60)  # of the network input
    assert int(found.target[0, 0, 0, 0]) == 7
    assert int(found.exemplar[0, 0, 0, 0]) == 200


def test_class_map_errors_name_the_invalid_class_or_file() -> None:
    for classes, message in [
        ({"map": {"0": 3}}, "from 0 to 2, got 3"),
        ({"map": {"9": 0}}, "from 0 to 2, got 9"),
        ({"map": {"sky": 0}}, "'sky'"),
        ({"painted": [{"class": 5, "path": [[0, 0], [9, 0], [9, 9]]}]}, "from 0 to 2, got 5"),
        ({"painted": [{"class": 1, "path": [[0, 0]]}]}, "at least three corners"),
        ({"file": "nowhere.png"}, "'nowhere.png' cannot be read"),
    ]:
        with pytest.raises(GuidanceError, match=message):
            class_map_of(**classes)


def test_class_map_uses_label_images_for_models_without_segment(tmp_path: Path) -> None:
    files = {"file": labels(tmp_path / "a.png"), "reference_file": labels(tmp_path / "b.png", (20, 20))}
    recipe = Recipe.from_json(
        {"image": {"width": 600, "height": 400}, "classes": {**files, "map": {"200": 7}}}
    )
    found = class_map(ColoringModel(torch.nn.Identity()), recipe, LIGHTNESS, REFERENCE)
    assert int(found.target[0, 0, 0, 0]) == 7


class GrayWithoutClasses(ColoringModel):
    """Predicts gray; accepts classes, but requires label images."""

    accepts = ("classes",)

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        assert guidance is not None
        assert guidance.classes is None
        return AbPrediction(ab=torch.zeros_like(lightness).expand(-1, 2, -1, -1).clone())


def test_classes_without_label_images_are_ignored_by_models_without_segment() -> None:
    colorizer = Colorizer(GrayWithoutClasses(), device="cpu")
    recipe = Recipe.from_json({"classes": {"map": {"200": 7}}})
    (note,) = colorizer.colorize(np.zeros((40, 60), np.uint8), recipe).notes
    assert "does not use classes without label images" in note


def test_class_map_with_label_images_requires_one_reference(tmp_path: Path) -> None:
    files = {"file": labels(tmp_path / "a.png"), "reference_file": labels(tmp_path / "b.png", (20, 20))}
    with pytest.raises(GuidanceError, match="exactly one reference"):
        class_map_of(torch.zeros(1, 3, 1, 1), **files)


def test_label_images_with_wrong_size_or_mode_or_without_reference_labels_raise(tmp_path: Path) -> None:
    with pytest.raises(GuidanceError, match="got 30 x 40 pixels"):
        read_labels(labels(tmp_path / "tall.png", (30, 40)), LIGHTNESS)
    with pytest.raises(GuidanceError, match=r"one channel .*mode RGB"):
        read_labels(labels(tmp_path / "rgb.png", mode="RGB"), LIGHTNESS)
    (tmp_path / "text.png").write_text("not an image")
    with pytest.raises(GuidanceError, match="not an image"):
        read_labels(tmp_path / "text.png", LIGHTNESS)
    with pytest.raises(GuidanceError, match="reference-classes"):
        class_map_of(file=labels(tmp_path / "a.png"))
    assert class_map_of(None, file=labels(tmp_path / "a.png")).exemplar is None


def test_choose_model_selects_a_model_that_accepts_classes() -> None:
    def chosen(**classes: Any) -> str:
        recipe = Recipe.from_json({"classes": classes})
        return choose_model(recipe, references=["a.jpg"])

    assert chosen(map={"1": 2}) == "chen2023_small"
    assert chosen(file="a.png", map={"1": 2}) == "chen2023_small"
    assert chosen(file="a.png", reference_file="b.png") == "colorzoo2026"
    assert "exemplar" in model_card(choose_model(references=["a.jpg"])).guidance
