"""Every unusual input is colorized with the expected properties or rejected with the expected message."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.image_io.provenance import read_provenance
from colorzoo.image_io.read import read_image
from odd_inputs import ODD_INPUTS, OddInput, write_odd_inputs
from tiny_model import write_tiny_weights


@dataclass(frozen=True)
class Outcome:
    """Exit code, results by file name, source folder and Python warnings of a run over all unusual inputs."""

    code: int
    rows: dict[str, dict[str, Any]]
    source: Path
    untouched: bool
    warned: list[str]


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.iterdir()) if path.is_file()]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("odd")
    weights = write_tiny_weights(folder / "tiny.safetensors")
    write_odd_inputs(folder / "in")
    before = contents(folder / "in")
    names = [str(folder / "in" / odd.name) for odd in ODD_INPUTS]
    words = ["colorize", *names, "-o", str(folder / "out"), "--json", "--weights", str(weights)]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), warnings.catch_warnings(record=True) as warned:
        code = main([*words, "--device", "cpu"])
    rows = {Path(row["source"]).name: row for row in json.loads(printed.getvalue())}
    return Outcome(
        code, rows, folder / "in", contents(folder / "in") == before, [str(each.message) for each in warned]
    )


def test_colorize_reports_every_input(outcome: Outcome) -> None:
    assert outcome.code == 1
    assert outcome.untouched
    assert outcome.warned == []
    assert outcome.rows.keys() == {odd.name for odd in ODD_INPUTS}


@pytest.mark.filterwarnings("ignore")
def test_results_have_the_expected_properties(outcome: Outcome) -> None:
    failures = []
    for odd in ODD_INPUTS:
        try:
            check(outcome, odd)
        except AssertionError as error:
            failures.append(f"{odd.name}: {error}")
    assert not failures, "\n".join(failures)


def check(outcome: Outcome, odd: OddInput) -> None:
    row = outcome.rows[odd.name]
    notes = "; ".join(row["notes"])
    assert "\n" not in notes.replace(odd.name, "")
    if odd.needs and find_spec(odd.needs) is None:
        assert row["status"] == "failed"
        assert "colorzoo[formats]" in notes
        return
    if odd.refused is not None:
        assert row["status"] == "failed", notes
        assert odd.refused in notes
        assert not row["output"] or not Path(row["output"]).exists()
        return
    assert row["status"] == "colored", notes
    if odd.note is not None:
        assert odd.note in notes if odd.note else notes == "", notes
    result = Path(row["output"])
    raster = read_image(result)
    assert raster.size == odd.size
    assert raster.bit_depth == odd.depth
    assert (raster.alpha is not None) == odd.alpha
    source = read_image(outcome.source / odd.name)
    before, after = (one.rgb.mean() for one in (source, raster))
    assert abs(before - after) < 0.1  # no negative, no solarized image, no squares
    if source.size[0] > 8 < source.size[1]:
        assert np.corrcoef(source.rgb.mean(axis=2).ravel(), raster.rgb.mean(axis=2).ravel())[0, 1] > 0.9 or (
            source.rgb.std() < 0.01
        )
    with Image.open(result) as image:
        assert getattr(image, "n_frames", 1) == odd.frames
    found = read_provenance(result)
    assert found is not None
    assert found.source == hashlib.sha256((outcome.source / odd.name).read_bytes()).hexdigest()
