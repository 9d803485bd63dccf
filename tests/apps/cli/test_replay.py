"""The provenance record of a result reproduces its pixels."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from tiny_model import NAME, gray_image

Info = Callable[[str], dict[str, Any]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    gray = gray_image(40, 48)
    Image.fromarray(gray).save("barn.png")
    Image.fromarray(np.dstack([gray, gray[::-1], 255 - gray])).save("warm.png")
    Image.fromarray(np.dstack([255 - gray, gray, gray[::-1]])).save("cold.png")
    return tmp_path


@pytest.fixture
def info(capsys: pytest.CaptureFixture[str]) -> Info:
    def read(name: str) -> dict[str, Any]:
        capsys.readouterr()
        assert main(["info", name, "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        return row["origin"]

    return read


def replay(origin: dict[str, Any], weights: list[str]) -> np.ndarray:
    """Colorize the source of a provenance record with its options."""
    by_hash = {hashlib.sha256(path.read_bytes()).hexdigest(): path for path in Path().glob("*.png")}
    source = by_hash[origin["source"]]
    for file in json.loads(origin["files"] or "[]"):
        assert by_hash[file["sha256"]].name == file["name"]
    Path("record.json").write_text(origin["recipe"])
    words = [
        word
        for name, value in json.loads(origin["options"]).items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    given = ["colorize", str(source), "--recipe", "record.json", *words, *weights]
    assert main([*given, "-o", "again.png", "--overwrite"]) == 0
    return np.asarray(Image.open("again.png"))


def random_options(rng: random.Random) -> list[str]:
    """Return random command-line options and, in half of the cases, a recipe that they override."""
    words = []
    if rng.random() < 0.5:
        document: dict[str, Any] = {"version": 1, "strength": rng.choice([0.3, 0.7, 1.0, 1.4])}
        if rng.random() < 0.7:
            document["points"] = [{"x": rng.randrange(48), "y": rng.randrange(40), "color": "#3060a0"}]
        Path("given.json").write_text(json.dumps(document))
        words += ["--recipe", "given.json"]
    for _ in range(rng.randrange(3)):
        place = f"{rng.randrange(48)},{rng.randrange(40)},{rng.choice([0, 2, 6])}"
        words += ["--point", f"{place}={rng.choice(['red', 'teal', '#d0a020'])}"]
    if rng.random() < 0.3:
        words += ["--reach", rng.choice(["everywhere", "automatic", "0.5"])]
    if rng.random() < 0.5:
        words += ["--strength", str(rng.choice([0, 0.5, 1.2, 1.5]))]
    if rng.random() < 0.5:
        words += ["--size", str(rng.choice([32, 48, 64]))]
    return words


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.nightly) for n in range(1, 5))])
def test_random_options_are_reproduced_by_replay(folder: Path, weights: Path, info: Info, seed: int) -> None:
    own = ["--model", NAME, "--weights", str(weights), "--device", "cpu"]
    words = random_options(random.Random(seed))
    assert main(["colorize", "barn.png", "-o", "result.png", *words, *own]) == 0
    again = replay(info("result.png"), own[2:])
    np.testing.assert_array_equal(again, np.asarray(Image.open("result.png")))


REFERENCES = ["--reference", "warm.png", "--reference", "cold.png", "--reference-weights", "3,1"]


@pytest.mark.parametrize(
    "words", [[*REFERENCES, "--alpha", "0.4"], pytest.param(REFERENCES[:2], marks=pytest.mark.nightly)]
)
def test_references_are_reproduced_by_replay(folder: Path, info: Info, words: list[str]) -> None:
    model = ["--model", "xu2020_small", "--size", "64"]
    assert main(["colorize", "barn.png", "-o", "result.png", *words, *model]) == 0
    origin = info("result.png")
    named = [word for word in words if word.endswith(".png")]
    assert [file["name"] for file in json.loads(origin["files"])] == named
    np.testing.assert_array_equal(replay(origin, []), np.asarray(Image.open("result.png")))
