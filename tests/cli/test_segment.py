"""`colorzoo segment`, and the class options of `colorzoo colorize`."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.cli.main import main
from colorzoo.testing.samples import sample_image

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str | Path) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        return code, *capsys.readouterr()

    return call


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return picture(tmp_path / "photo.png", seed=1)


@pytest.fixture
def reference(tmp_path: Path) -> Path:
    return picture(tmp_path / "look.png", seed=2)


def picture(path: Path, seed: int, size: tuple[int, int] = (64, 80)) -> Path:
    rgb = (sample_image(size, seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)
    return path


def color(run: Run, photo: Path, reference: Path, *words: str | Path) -> tuple[int, str, str]:
    given = ("--model", "chen2023_small", "--reference", reference, "--size", "64", "--overwrite")
    return run("colorize", photo, *given, *words)


def test_segment_draws_a_legend_and_writes_the_numbers(run: Run, photo: Path, tmp_path: Path) -> None:
    code, out, err = run("segment", photo, "--labels", tmp_path / "numbers.png", "--size", "64")
    assert (code, err) == (0, "")
    drawn = Image.open(tmp_path / "photo.classes.png")
    assert drawn.width > 80
    labels = np.array(Image.open(tmp_path / "numbers.png"))
    assert labels.shape == (64, 80)
    *shares, path = out.splitlines()
    assert path == str(tmp_path / "photo.classes.png")
    lines = [line.split() for line in shares]
    assert {int(line[1]) for line in lines} == set(np.unique(labels).tolist())
    assert sum(float(line[2].rstrip("%")) for line in lines) == pytest.approx(100, abs=0.5)
    code, _, err = run("segment", photo)
    assert code == 2
    assert "exists already" in err


def test_bad_input_is_one_line(run: Run, photo: Path, tmp_path: Path) -> None:
    for words, message in (
        ((photo, "-o", tmp_path / "x.jpg"), "must end in .png"),
        ((photo, "--model", "zhang2016_small"), "finds no classes"),
        ((tmp_path / "none.png",), "none.png"),
        ((photo, "-o", photo / "x.png"), "cannot be written"),
    ):
        code, _, err = run("segment", *words)
        assert code == 2
        assert message in err
        assert err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["photo.png"]


def test_the_written_numbers_serve_as_label_images(
    run: Run, photo: Path, reference: Path, tmp_path: Path
) -> None:
    for source, name in ((photo, "a.png"), (reference, "b.png")):
        run("segment", source, "--labels", tmp_path / name, "--size", "64")
    results, recipe = [], tmp_path / "recipes" / "r.json"
    recipe.parent.mkdir()
    recipe.write_text('{"classes": {"file": "../a.png", "reference_file": "../b.png"}}')  # beside the recipe
    maps = ("--classes", tmp_path / "a.png", "--reference-classes", tmp_path / "b.png")
    for words in ((), maps, ("--recipe", recipe), ("--recipe", recipe, *maps[:2])):
        assert color(run, photo, reference, *words)[0] == 0
        results.append(np.array(Image.open(tmp_path / "photo.color.png")).astype(int))
    assert max(np.abs(results[0] - result).max() for result in results) <= 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--class", "0=99"], "class 99; classes are from 0 to 21"),
        (["--class", "sky=3"], "not OLD=NEW"),
        (["--classes", "TALL", "--reference-classes", "TALL"], "not the shape of its picture"),
        (["--classes", "nowhere.png"], "cannot be read"),
        (["--classes", "WIDE"], "--reference-classes"),
    ],
)
def test_bad_classes_are_one_line(
    run: Run, photo: Path, reference: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    for name, size in (("TALL", (80, 20)), ("WIDE", (64, 80))):
        Image.new("L", size[::-1]).save(tmp_path / f"{name}.png")
    given = [str(tmp_path / f"{word}.png") if word.isupper() else word for word in words]
    code, _, err = color(run, photo, reference, *given)
    assert code == 2
    assert message in err
    assert err.count("\n") == 1
