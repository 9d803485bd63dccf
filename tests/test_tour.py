"""The sections of docs/tour.md run and produce the documented results."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from skimage import data

from colorzoo.apps.cli.main import main

DOCS = Path(__file__).parent.parent / "docs"
TOUR = (DOCS / "tour.md").read_text(encoding="utf-8")


def run_section(heading: str) -> None:
    """Run the blocks below a heading of the tour."""
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", TOUR, re.DOTALL | re.MULTILINE)
    assert section, heading
    for language, text in re.findall(r"```(bash|python)\n(.*?)```", section[1], re.DOTALL):
        if language == "python":
            exec(compile(text, "tour.md", "exec"), {})
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            assert program == "colorzoo", line
            assert main(words) == 0, line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the folder of the tour with its images, shared by the tests of this module."""
    root = tmp_path_factory.mktemp("tour")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        run_section("Images")
        yield root


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"), dtype=float)


def test_tour_points_correct_automatic_colors(folder: Path) -> None:
    run_section("Colorize an image")
    run_section("Correct colors with points")
    truth = data.astronaut().astype(float)
    automatic, points = pixels(folder / "old.color.jpg"), pixels(folder / "points.jpg")
    suit, stripes, field = np.s_[220:430, 50:240], np.s_[150:200, 40:80], np.s_[10:70, 0:50]
    for part, most in ((suit, 0.85), (stripes, 0.85), (field, 0.9)):
        errors = [np.abs(each[part] - truth[part]).mean() for each in (automatic, points)]
        assert errors[1] < most * errors[0]
    wall = np.s_[20:140, 300:370]
    assert np.abs(points[wall] - automatic[wall]).mean() < 2
    for name, made in (("automatic", automatic), ("points", points)):
        assert np.abs(made - pixels(DOCS / "images" / f"astronaut_{name}.jpg")).mean() < 2, name


def test_tour_reference_lowers_the_error(folder: Path) -> None:
    run_section("Use a reference")
    truth = data.astronaut().astype(float)  # the reference is its mirror image
    found = [pixels(path) for path in (folder / "by_example.jpg", DOCS / "images/astronaut_automatic.jpg")]
    by_example, automatic = (np.abs(each - truth).mean() for each in found)
    assert by_example < 0.9 * automatic


def test_tour_python_block_colorizes_with_points(folder: Path) -> None:
    run_section("In Python")
    automatic, found = pixels(DOCS / "images/astronaut_automatic.jpg"), pixels(folder / "new.png")
    assert np.abs(found - automatic)[20:140, 300:370].mean() < 2  # a wall, far from the point
    more_red = [(each[..., 0] - each[..., 2])[325:336, 225:236].mean() for each in (automatic, found)]
    assert more_red[1] > 40 + more_red[0]  # the point is orange


def test_tour_sketch_gets_colors_and_keeps_lines(folder: Path) -> None:
    run_section("Colorize a drawing")
    painted, sketch = pixels(folder / "painted.png"), pixels(folder / "sketch.png").mean(axis=2)
    assert np.ptp(painted, axis=2).mean() > 2
    assert painted[sketch < 64].mean() < painted[sketch > 192].mean() - 40  # the lines stay
    filled = pixels(folder / "filled.png")
    regions = {(170, 425): "#4f9a45", (65, 65): "#f7d447", (130, 230): "#b0402c", (350, 256): "#86b060"}
    for place, color in regions.items():
        assert np.abs(filled[place] - ImageColor.getrgb(color)).max() <= 1, color


@pytest.mark.nightly  # trains at full width
def test_tour_training_and_evaluation_write_results(folder: Path) -> None:
    run_section("Train on a folder")
    assert (folder / "mine.jpg").is_file()
    run_section("Compare models")
    assert "mine" in (folder / "report" / "report.html").read_text(encoding="utf-8")
