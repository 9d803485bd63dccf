"""Discovery of the modules in ``benchmarks/``, and PSNR at equal colorfulness."""

import csv
import importlib
import io
import math
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from colorzoo import AbPrediction, ColoringModel, Guidance, rgb_to_lab
from colorzoo.guidance import decode_text
from colorzoo.zoo.weng2022code.model import OBJECTS
from colorzoo.zoo.weng2022code.task import HUES

ROOT = Path(__file__).parents[1]


class FixedColors(ColoringModel):
    """Predicts given colors."""

    def __init__(self, ab: Tensor) -> None:
        super().__init__(torch.nn.Identity())
        self.ab = ab

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        return AbPrediction(ab=self.ab)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT))
    return importlib.import_module("benchmarks._common")


def test_find_benchmarks_lists_every_module_with_a_run_function(harness) -> None:
    module = importlib.import_module("benchmarks.__main__")
    package = importlib.import_module("benchmarks")
    names = module.find_benchmarks(package)
    expected = {path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem[0] != "_"}
    assert set(names) == expected
    assert "inference" in names
    assert all(callable(importlib.import_module(f"benchmarks.{name}").run) for name in names)


def test_gains_are_interpolated_at_equal_colorfulness(harness) -> None:
    module = importlib.import_module("benchmarks.equal_colorfulness")
    factors = torch.tensor(module.FACTORS)
    truths = torch.tensor([10.0, 30.0, 0.0])
    results = 0.5 * truths[:, None] * factors  # factor 1.2 reaches 60 % of the colorfulness
    gains = torch.stack([4 - factors, 2 - factors, torch.full_like(factors, torch.nan)])
    found = module.gains_at((0.3, 0.6, 0.65), gains, results, truths)
    assert found == pytest.approx([3 - 0.6, 3 - 1.2, 3 - 1.3], abs=1e-5)


def test_true_colors_gain_more_than_wrong_colors_at_equal_colorfulness(harness) -> None:
    module = importlib.import_module("benchmarks.equal_colorfulness")
    rgb = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    image = (255 * F.interpolate(rgb[None], size=64, mode="bicubic").clamp(0.2, 0.8)[0]).to(torch.uint8)
    true_ab = rgb_to_lab(image[None].float() / 255)[:, 1:]
    gains = []
    for ab in (true_ab, true_ab.flip(1)):
        model = FixedColors(0.45 * ab)  # no factor reproduces the image, whose gain would be infinite
        gains.append(module.gains_at((0.6, 0.8), *module.measure(model, [image])))
    assert gains[0][1] > gains[0][0] > 0  # true colors: a larger factor gains more
    assert gains[0][0] > gains[1][0]


def test_rows_of_faces_measure_skin_clothes_and_saturation(harness, tmp_path) -> None:
    faces = importlib.import_module("benchmarks._faces")
    held_out = importlib.import_module("benchmarks._held_out").is_held_out_group
    names = [f"group {number}" for number in range(40)]
    skins = {name: "#f2d3b1" if number % 2 else "#8d5a3a" for number, name in enumerate(names)}

    # a head over a blue shirt for each group
    with (
        tarfile.open(tmp_path / "characters.tar", "w") as tar,
        (tmp_path / "characters.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        table.writerow(("key", "group", "lines", "tags"))
        for key, name in enumerate(names):
            table.writerow((key, name, 1, f"face=yes skin={skins[name]} bust"))
            for suffix, mode, fills in (
                (".webp", "RGB", (skins[name], "#2040c0")),
                (".lines.webp", "L", None),
            ):
                image = Image.new(mode, (96, 96), "white")
                draw = ImageDraw.Draw(image)
                head, shirt = fills or ("white", "white")
                draw.rectangle((8, 60, 88, 95), shirt, "black", 2)
                draw.ellipse((28, 8, 68, 58), head, "black", 2)
                data = io.BytesIO()
                image.save(data, "WEBP", lossless=True)
                info = tarfile.TarInfo(f"{key}{suffix}")
                info.size = len(data.getvalue())
                tar.addfile(info, io.BytesIO(data.getvalue()))

    characters = faces.read_characters(tmp_path)
    assert {each.group for each in characters} == {name for name in names if held_out(name)}
    assert 2 < len(characters) < 12

    def values(color: tuple[float, float, float] | None) -> list[float]:
        truths = iter(characters)

        def colored(lines: np.ndarray) -> np.ndarray:
            truth = next(truths).truth
            return truth if color is None else np.full_like(truth, color)

        return [row.ours for row in faces.face_rows(characters, colored)]

    assert values(None) == pytest.approx([1, 1, 1])
    skin, clothes, saturation = values((0.95, 0.83, 0.69))
    assert (skin, clothes) == (1, 0)
    assert 0 < saturation < 1
    assert values((0.5, 0.5, 0.5)) == pytest.approx([0, 0, 0], abs=1e-3)
    assert values((1, 1, 1))[0] == 0  # white paper is not a skin tone


class NamedColor(ColoringModel):
    """Colors the left half of each image as named, with a turned hue, and changes the right half."""

    accepts = frozenset({"text"})

    def __init__(self, turn: float, chroma: float) -> None:
        super().__init__(torch.nn.Identity())
        self.turn, self.chroma = turn, chroma

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        ab = torch.zeros(1, 2, *lightness.shape[2:])
        if guidance is not None:
            color = decode_text(guidance.get("text"))[0].split()[0]
            hue = math.radians(HUES[color] + self.turn)
            ab += 3.0
            color_ab = self.chroma * torch.tensor([math.cos(hue), math.sin(hue)])
            ab[..., : lightness.shape[3] // 2] = color_ab[:, None, None]
        return AbPrediction(ab=ab)


@pytest.mark.parametrize(
    ("turn", "chroma", "expected"), [(25.0, 20.0, True), (-35.0, 40.0, False), (5.0, 10.0, False)]
)
def test_objects_are_named_by_hue_and_chroma(harness, turn, chroma, expected) -> None:
    module = importlib.import_module("benchmarks.text")
    classes = np.zeros((48, 64), np.uint8)
    classes[:, :32] = module.class_numbers()["car"]
    images = [(Image.new("RGB", (64, 48), (120, 120, 120)), classes)] * 12
    found = module.name_objects(NamedColor(turn, chroma), images, 12)
    assert [named for named, _ in found] == [expected] * 12
    assert all(change == pytest.approx(3 * 2**0.5, abs=0.05) for _, change in found)


def test_categories_of_the_words_are_distinct(harness) -> None:
    module = importlib.import_module("benchmarks.text")
    numbers = module.class_numbers()
    assert set(module.CATEGORIES) <= set(OBJECTS)
    assert numbers["wine glass"] == numbers["bottle"]
    assert set(numbers.values()) == set(range(1, len(OBJECTS) + 1))


def test_hint_auc_writes_one_folder_of_images_for_each_hint_ratio(harness, tmp_path) -> None:
    hint_auc = importlib.import_module("benchmarks.hint_auc.__main__")
    lines = np.full((64, 96), 255, np.uint8)
    lines[:, 46:50] = 0
    colors, masks = np.zeros((2, 64, 96, 3), np.uint8), np.zeros((2, 64, 96), np.uint8)
    colors[1, 30:34, 20:24], masks[1, 30:34, 20:24] = (32, 96, 192), 255
    masks[1, 50:52, 46:50] = 255  # a black dot on the line is not used
    (tmp_path / "hints").mkdir()
    np.savez(tmp_path / "hints/a.npz", lines=lines, ratios=[0.0, 1.0], colors=colors, masks=masks)
    assert hint_auc.main(["colorzoo2026_drawing", str(tmp_path), str(tmp_path / "out")]) == 0
    images = [Image.open(tmp_path / "out" / ratio / "a.png") for ratio in ("0.00", "1.00")]
    automatic, hinted = (np.asarray(image) for image in images)
    assert np.abs(hinted[10:50, 5:40].astype(int) - (32, 96, 192)).max() <= 2
    assert np.abs(automatic[10:50, 5:40].astype(int) - (32, 96, 192)).max() > 20
    assert hinted[10:50, 60:].max(2).min() > 60
