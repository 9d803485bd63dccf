"""References on the command line: ``colorzoo colorize --reference`` and ``colorzoo stylize``."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.testing import sample_image
from tiny_model import Refused


def save(path: Path, size: tuple[int, int] = (40, 48), seed: int = 0) -> str:
    rgb = (sample_image(size, seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)
    return str(path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Image.open(save(tmp_path / "x.png")).convert("L").save("old.png")
    save(tmp_path / "warm.png", seed=1)
    save(tmp_path / "cold.png", (32, 64), seed=2)
    return tmp_path


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_colorize_mixes_references_and_scales_them_by_alpha(folder: Path) -> None:
    two = ["--reference", "warm.png", "--reference", "cold.png"]
    made = {
        "first of two": [*two, "--reference-weights", "1,0"],
        "first": two[:2],
        "second": two[2:],
        "both": [*two, "--reference-weights", "20,1"],  # the first one matches little
        "weak": [*two[:2], "--alpha", "0.2"],
        "none": [],
    }
    found = {}
    for name, words in made.items():
        assert main(["colorize", "old.png", *words, "-o", f"{name}.png"]) == 0
        found[name] = pixels(f"{name}.png")

    def apart(one: str, other: str) -> float:
        return float(np.abs(found[one] - found[other]).mean())

    assert np.abs(found["first of two"] - found["first"]).max() <= 1
    assert max(apart("both", "first"), apart("both", "second")) < 0.7 * apart("first", "second")
    assert apart("weak", "none") < 0.5 * apart("first", "none")


def test_stylize_prints_the_notes_on_the_content(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.open("warm.png").convert("CMYK").save("print.jpg")
    assert main(["stylize", "print.jpg", "cold.png", "-o", "out.png"]) == 0
    assert "converted from CMYK" in capsys.readouterr().out


def test_stylize_transfers_colors_within_labels(folder: Path) -> None:
    content, style = pixels("warm.png"), pixels("cold.png")
    style[:, :32, 2], style[:, 32:, 0] = 20, 20  # yellow on the left, cyan on the right
    Image.fromarray(style.astype(np.uint8)).save("two.png")
    words = ["stylize", "warm.png", "two.png", "--transform", "wct"]
    assert main([*words, "-o", "plain.png"]) == 0
    for name, (height, width), swapped in (("l", (40, 48), True), ("m", (32, 64), False)):
        labels = np.zeros((height, width), np.uint8)
        labels[:, width // 2 :] = 1
        Image.fromarray(1 - labels if swapped else labels).save(f"{name}.png")
    assert main([*words, "--labels", "l.png", "m.png", "-o", "labeled.png"]) == 0
    plain, labeled = pixels("plain.png"), pixels("labeled.png")
    assert plain.shape == labeled.shape == content.shape
    means = [each.mean(axis=(0, 1)) for each in (plain, content, style)]
    assert np.abs(means[0] - means[2]).max() < 25 < 0.6 * np.abs(means[1] - means[2]).max()
    for part, other, channel in ((np.s_[:, :20], np.s_[:, 32:], 0), (np.s_[:, 28:], np.s_[:, :32], 2)):
        lacking, wanted = labeled[part].mean(axis=(0, 1)), style[other].mean(axis=(0, 1))
        assert lacking[channel] < plain[part][..., channel].mean() - 15
        assert np.abs(lacking - wanted).mean() < 0.6 * np.abs(plain[part].mean(axis=(0, 1)) - wanted).mean()


def test_options_of_stylize_change_its_result(folder: Path, capsys) -> None:
    words = ["stylize", "warm.png", "cold.png", "--size", "64"]
    made = {}
    for more in ("", "--alpha 0", "--transform adain", "--transform wct", "--size 32"):
        assert main([*words, *more.split(), "--overwrite"]) == 0
        assert capsys.readouterr().out.startswith("warm.styled.png")
        made[more] = pixels("warm.styled.png")
    kept, plain = (np.abs(made[name] - pixels("warm.png")).mean() for name in ("--alpha 0", ""))
    assert kept < plain
    assert np.array_equal(made[""], made.pop("--transform adain"))
    assert len({each.tobytes() for each in made.values()}) == 4


def test_errors_of_invalid_references_are_one_line(folder: Path, refused: Refused) -> None:
    for words, message in {
        "colorize old.png --reference old.png": "no color",
        "colorize old.png --reference warm.png --reference-weights 1,2": "weights",
        "stylize warm.png old.png": "no color",
        "stylize old.png warm.png": "old.png",
        "stylize warm.png cold.png --model welsh2002": "stylization",
        "stylize warm.png cold.png --labels old.png old.png": "64 x 32",
    }.items():
        assert message in refused(*words.split())
