"""How often the files of one picture are opened."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo.cli.main import main
from tiny_model import NAME, write_tiny_weights

_OPENED: Counter[str] = Counter()
_WATCHED: list[Path] = []


def _count(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _WATCHED and str(arguments[0]).startswith(str(_WATCHED[0])):
        _OPENED[Path(str(arguments[0])).name] += 1


@pytest.fixture(scope="module", autouse=True)
def hook() -> None:
    sys.addaudithook(_count)  # which cannot be removed


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Counter[str]]:
    rows = np.arange(48 * 64, dtype=np.uint8).reshape(48, 64)
    for name in ("a.jpg", "b.jpg"):
        Image.fromarray(rows).save(tmp_path / name)
    points = [{"x": 20, "y": 10, "color": "#3060a0"}]
    recipe = {"image": {"sha256": "0" * 64}, "points": points}  # asks for the hash of the picture
    (tmp_path / "hints.json").write_text(json.dumps(recipe))
    write_tiny_weights(tmp_path / "tiny.safetensors")
    _OPENED.clear()
    _WATCHED[:] = [tmp_path]
    yield _OPENED
    _WATCHED.clear()


def by_command(folder: Path) -> None:
    words = ["--model", NAME, "--weights", str(folder / "tiny.safetensors")]
    recipe = ["--recipe", str(folder / "hints.json"), "-o", str(folder / "a.png")]
    assert main(["colorize", str(folder / "a.jpg"), *words, *recipe]) == 0


def by_python(folder: Path) -> None:
    weights = folder / "tiny.safetensors"
    with pytest.warns(UserWarning, match="another picture"):
        colorzoo.colorize_file(
            folder / "a.jpg", folder / "a.png", NAME, folder / "hints.json", weights=weights
        )


@pytest.mark.parametrize(("color", "most"), [(by_command, 3), (by_python, 2)])
def test_a_photo_is_read_once_and_hashed_once(
    opened: Counter[str], tmp_path: Path, color: Callable[[Path], None], most: int
) -> None:
    """The command line looks at the head of a single photo before it imports torch."""
    color(tmp_path)
    assert (opened["a.jpg"], opened["hints.json"]) == (most, 1)
