"""Report and problems of ``colorzoo doctor``, without network access."""

import hashlib
import json
import socket
from importlib import metadata
from pathlib import Path

import pytest

from colorzoo.apps.cli import doctor
from colorzoo.apps.cli.main import main
from colorzoo.card import Weights
from colorzoo.weights.catalog import WeightFile


def test_doctor_json_report_opens_no_connection(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("doctor opened a connection"))
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path))
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (1 if report["problems"] else 0)
    assert report["torch"] == metadata.version("torch")
    assert report["device"].split()[0] in ("cpu", "cuda", "mps")
    assert report["cache"] == str(tmp_path)
    assert report["weights of colorzoo2026 (default)"].startswith("embedded, ")


def test_diagnose_returns_one_line_per_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Problems of embedded weights are found by their hashes."""
    for name in ("good", "bad", "late"):
        (tmp_path / name).write_bytes(name.encode())
    sha256 = hashlib.sha256(b"good").hexdigest()
    rows = [
        WeightFile(name, "default", Weights(sha256, 4, "MIT", file=name), tmp_path / name)
        for name in ("good", "bad", "gone")
    ]
    rows += [
        WeightFile("late", "new", Weights(sha256, 4, "MIT"), tmp_path / name) for name in ("late", "none")
    ]
    monkeypatch.setattr(doctor, "list_weights", lambda: rows)
    monkeypatch.setattr(doctor, "skipped_packages", lambda: ["zoo2 is skipped"])
    facts, problems = doctor.diagnose()
    states = {name: facts[f"weights of {name}"].split(",")[0] for name in ("good (default)", "late (new)")}
    assert states == {"good (default)": "embedded", "late (new)": f"expected SHA-256 {sha256}"}
    named = ("bad", "gone", "colorzoo weights fetch late --tag new", "zoo2")
    assert len(problems) == len(named)
    assert all(name in problem for name, problem in zip(named, problems, strict=True))
