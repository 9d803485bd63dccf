"""Option ``--border`` of ``colorzoo colorize``, and the argument ``border`` in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.image_io.provenance import read_provenance
from inference.test_border import INSIDE, bordered


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    Image.fromarray((bordered(4) * 2.55).astype(np.uint8)).save(path)
    return path


def chroma(path: Path) -> np.ndarray:
    return np.ptp(np.asarray(Image.open(path).convert("RGB")).astype(int), axis=2)


def test_scan_border_stays_gray_unless_border_is_none(scan: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found, whole, part = (scan.with_name(name) for name in ("found.png", "whole.png", "part.png"))
    assert main(["colorize", str(scan), "-o", str(found), "--model", "colorzoo2026"]) == 0
    assert "inside the scan border was colored" in capsys.readouterr().out
    assert main(["colorize", str(scan), "-o", str(whole), "--model", "colorzoo2026", "--border", "none"]) == 0
    assert "scan border" not in capsys.readouterr().out
    rectangle = str(INSIDE)
    assert (
        main(["colorize", str(scan), "-o", str(part), "--model", "colorzoo2026", "--border", rectangle]) == 0
    )
    edge = np.ones(chroma(scan).shape, bool)
    edge[INSIDE.y : INSIDE.y + INSIDE.height, INSIDE.x : INSIDE.x + INSIDE.width] = False
    assert chroma(found)[edge].max() == chroma(part)[edge].max() == 0
    assert chroma(whole)[edge].max() > 0
    assert chroma(found).max() > 0
    records = [read_provenance(path) for path in (found, whole, part)]
    assert [bool(record and record.border) for record in records] == [True, False, True]
    assert records[2] is not None
    assert (records[2].border, records[2].name) == (rectangle, "scan.png")
    assert float(records[2].uncertainty) > 0
    with pytest.warns(UserWarning, match="inside the scan border"):
        colorzoo.colorize(scan, "colorzoo2026", border=tuple(INSIDE[:4]))
