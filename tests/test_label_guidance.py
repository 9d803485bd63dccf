"""Label guidance from the data set to the command line, with a small model of a third-party package."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.data import FolderDataModule
from colorzoo.errors import DataError, GuidanceError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.guidance import Guidance, Recipe
from colorzoo.image_io import read_image
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.registry import model_card, refresh
from colorzoo.testing import contract_checks
from colorzoo.testing.samples import write_sample_images
from colorzoo.testing.trainer import quiet_trainer
from labeled_model import CLASSES, NAME, Labeled, LabeledTask
from tiny_model import Refused

SLOW = {"two_processes_equal_one", "onnx"}
COLORS = [(200, 60, 60), (60, 160, 60), (60, 60, 200)]


@pytest.fixture(autouse=True)
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Install a package with the model."""
    info = tmp_path / "site" / "labeled-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: labeled\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[colorzoo.models]\nlabeled = labeled_model:CARDS\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    refresh()
    yield
    monkeypatch.undo()
    refresh()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder with one color for each class."""
    for split in ("train", "val"):
        for label, color in enumerate(COLORS):
            folder = tmp_path / "photos" / split / f"class{label}"
            folder.mkdir(parents=True)
            for number in range(2):
                noise = np.random.default_rng(number).integers(-20, 20, (32, 32, 1))
                pixels = (np.array(color) + noise).clip(0, 255).astype(np.uint8)
                pixels[:8] = pixels[:8].mean(2, keepdims=True)  # images of a single ab are skipped as gray
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "photos"


def trained(photos: Path, folder: Path, steps: int = 150) -> tuple[LabeledTask, list[float]]:
    """Return a trained task, and its validation PSNR with and without labels."""
    torch.manual_seed(0)
    task = LabeledTask(optimizer=partial(torch.optim.Adam, lr=0.1))
    size = {"batch_size": 6, "crop": 32, "resize": 32, "val_size": 32, "num_workers": 0}
    with_labels, without = (FolderDataModule(str(photos), labels=labels, **size) for labels in (True, False))
    trainer = quiet_trainer(folder, max_steps=steps, max_epochs=-1)
    trainer.fit(task, with_labels)
    trainer.save_checkpoint(folder / "labeled.ckpt")
    found = [trainer.validate(task, data, verbose=False)[0] for data in (with_labels, without)]
    return task, [values["val/psnr_automatic"] for values in found]


def test_edit_of_the_label_runs_the_model_again() -> None:
    torch.manual_seed(0)
    colorizer = colorzoo.Colorizer(Labeled(), device="cpu", precision="float32", allow_untrained=True)
    task = colorizer.resolve(read_image(np.arange(1024, dtype=np.uint8).reshape(32, 32)), Recipe())
    first, second, none = (
        colorize_edit(replace(task, recipe=Recipe(label=label))).ab for label in (0, 1, None)
    )
    assert not torch.equal(first, second)
    assert not torch.equal(second, none)


def test_label_of_the_data_set_selects_the_colors(photos: Path, tmp_path: Path) -> None:
    """Training, validation, Python and the command line use the label; the recipe stores it."""
    task, psnr = trained(photos, tmp_path)
    assert psnr[0] > psnr[1] + 2
    gray = Image.open(photos / "val/class0/0.png").convert("L")
    gray.save(tmp_path / "gray.png")
    results = []
    for label, color in enumerate(COLORS):
        result = colorzoo.Colorizer(task)(gray, {"label": label})
        hue = np.asarray(result, float).mean((0, 1))
        assert hue.argmax() == np.argmax(color)
        out, recipe = tmp_path / f"{label}.png", tmp_path / f"{label}.json"
        words = [
            "colorize",
            str(tmp_path / "gray.png"),
            "--model",
            NAME,
            "--weights",
            str(tmp_path / "labeled.ckpt"),
        ]
        assert main([*words, "--label", str(label), "-o", str(out)]) == 0
        recipe.write_text(json.dumps({"label": label}))
        again = tmp_path / f"again{label}.png"
        assert main([*words, "--recipe", str(recipe), "-o", str(again)]) == 0
        assert np.array_equal(Image.open(out), Image.open(again))
        assert np.abs(np.asarray(Image.open(out), int) - np.asarray(result, int)).max() <= 2  # bfloat16
        results.append(np.asarray(result))
    unknown = np.asarray(colorzoo.Colorizer(task)(gray))
    assert all(not np.array_equal(unknown, result) for result in results)


@pytest.mark.parametrize("coloring", ["colorizer", "network"])
def test_evaluate_passes_the_labels_of_the_data_set(coloring: str, photos: Path, tmp_path: Path) -> None:
    """A model that adds the color of the class is better with the true classes than with others."""
    model = Labeled()
    model.trained = True
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
        rgb = torch.tensor(COLORS)[..., None, None] / 255
        model.network.colors.weight[1:] = colorzoo.rgb_to_lab(rgb)[:, 1:, 0, 0] / 20
    text = f"""
        {{name: labels, version: 1, title: Labels, source: tests, coloring: {coloring}, metrics: [psnr],
        resize: {{mode: none}}}}"""
    means = []
    for shift in (0, 1):
        labels = [
            f"class{each}/{n}.png,{(each + shift) % CLASSES}" for each in range(CLASSES) for n in (0, 1)
        ]
        (photos / "val" / "labels.csv").write_text("\n".join(["image,label", *labels]))
        evaluate(
            {"labeled": model},
            photos / "val",
            parse_protocol(text, "labels"),
            output=tmp_path / f"report{shift}",
            resamples=10,
        )
        (row,) = json.loads((tmp_path / f"report{shift}" / "results.json").read_text())["results"]
        (score,) = row["scores"].values()
        means.append(score["value"])
    assert means[0] > means[1] + 5


def test_label_is_part_of_recipes_and_checked() -> None:
    recipe = Recipe.from_json({"label": 0})
    assert (recipe.kinds(), recipe.to_dict()["label"], recipe.unknown()) == (("label",), 0, ())
    for wrong in (-1, 1.5, "cat"):
        with pytest.raises(GuidanceError, match=r"recipe\.label must be a whole number of at least 0"):
            Recipe.from_json({"label": wrong})
    for label in (torch.zeros(1), torch.zeros(1, 1, dtype=torch.int64)):
        with pytest.raises(GuidanceError, match=r"Guidance\.label must be int64 \(B,\)"):
            Guidance(label=label)
    model = colorzoo.create_model(NAME, None).model
    lightness = torch.full((2, 1, 16, 16), 50.0)
    with pytest.raises(GuidanceError, match=r"guidance\.label \(3,\) must have the batch size"):
        model(lightness, Guidance(label=torch.tensor([0, 1, 2])))
    for wrong in (CLASSES, -2):
        with pytest.raises(GuidanceError, match=rf"from 0 to {CLASSES - 1} .* got {wrong}"):
            model(lightness, Guidance(label=torch.tensor([0, wrong])))
    unknown = model(lightness, Guidance(label=torch.tensor([-1, 0]))).ab
    assert torch.allclose(unknown[:1], model(lightness[:1]).ab)


def test_wrong_labels_are_one_line(
    tmp_path: Path, refused: Refused, capsys: pytest.CaptureFixture[str]
) -> None:
    image = str(write_sample_images(tmp_path, 1)[0])
    words = ["colorize", image, "-o", str(tmp_path / "out.png"), "--model"]
    assert "--label" in refused(*words, NAME, "--allow-untrained", "--label", "-1")
    assert "from 0 to 2" in refused(*words, NAME, "--allow-untrained", "--label", "7")
    assert main([*words, "zhang2017_local_small", "--label", "1"]) == 0
    assert "does not use image labels" in "".join(capsys.readouterr())


@pytest.mark.parametrize(("classes", "message"), [(0, "no labels"), (CLASSES + 1, "data has 4")])
def test_fit_refuses_data_without_matching_labels(tmp_path: Path, classes: int, message: str) -> None:
    write_sample_images(tmp_path / "images", 8, classes=classes)
    data = FolderDataModule(tmp_path / "images", labels=classes > 0, batch_size=2, crop=32, num_workers=0)
    with pytest.raises(DataError, match=message) as caught:
        quiet_trainer(tmp_path, max_steps=1).fit(LabeledTask(), data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "check",
    [
        pytest.param(check, marks=[pytest.mark.nightly] * (str(check) in SLOW), id=str(check))
        for check in contract_checks()
    ],
)
def test_model_with_label_guidance_passes_the_contract_checks(check: object) -> None:
    assert callable(check)
    check(model_card(NAME))
