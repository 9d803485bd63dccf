"""Class options of `colorzoo colorize`."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo import colorize
from colorzoo.apps.cli.main import main
from colorzoo.batch.settings import ColorSettings
from colorzoo.testing import sample_image


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return image(tmp_path / "source.png", seed=1)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return image(tmp_path / "look.png", seed=2)


def image(path: Path, seed: int) -> Path:
    rgb = (sample_image((64, 80), seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)
    return path


def color(source: Path, reference: Path, *words: str | Path) -> int:
    given = ("--model", "chen2023_small", "--reference", reference, "--size", "64", "--overwrite")
    return main([*map(str, ("colorize", source, *given, *words))])


def test_label_images_of_options_and_recipes_are_equivalent(
    source: Path, reference: Path, tmp_path: Path
) -> None:
    labels = np.arange(80) // 27 * np.ones((64, 1), int)
    for name, shown in (("a.png", labels), ("b.png", labels[:, ::-1])):
        Image.fromarray(shown.astype(np.uint8)).save(tmp_path / name)
    results, recipe = [], tmp_path / "recipes" / "r.json"
    recipe.parent.mkdir()
    recipe.write_text(
        '{"classes": {"file": "../a.png", "reference_file": "../b.png"}}'
    )  # relative to the recipe
    maps = ("--classes", tmp_path / "a.png", "--reference-classes", tmp_path / "b.png")
    for words in ((), maps, ("--recipe", recipe), ("--recipe", recipe, *maps[:2])):
        assert color(source, reference, *words) == 0
        results.append(np.array(Image.open(tmp_path / "source.color.png")).astype(int))
    by_python = colorize(
        source, "chen2023_small", recipe, reference=reference, settings=ColorSettings(size=64)
    )
    results.append(np.array(by_python).astype(int))
    assert np.abs(results[0] - results[1]).max() > 1
    assert max(np.abs(results[1] - result).max() for result in results[2:]) <= 1


def test_errors_of_invalid_class_options_are_one_line(
    source: Path, reference: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("TALL", (80, 20)), ("WIDE", (64, 80))):
        Image.new("L", size[::-1]).save(tmp_path / f"{name}.png")
    for words, message in {
        "--class 0=99": "99",
        "--class sky=3": "OLD=NEW",
        "--classes TALL --reference-classes TALL": "TALL.png",
        "--classes nowhere.png": "nowhere.png",
        "--classes WIDE": "--reference-classes",
    }.items():
        options = [str(tmp_path / f"{word}.png") if word.isupper() else word for word in words.split()]
        code, err = color(source, reference, *options), capsys.readouterr().err
        assert (code, err.count("\n")) == (2, 1)
        assert message in err
