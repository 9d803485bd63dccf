"""``colorzoo doctor``: its report and problems, without a network."""

import hashlib
import json
import platform
import socket
from importlib import metadata
from pathlib import Path

import pytest

from colorzoo.card import Weights
from colorzoo.cli import doctor
from colorzoo.cli.doctor import diagnose
from colorzoo.cli.main import main
from colorzoo.weights import WeightFile


def test_json_report_without_a_network(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("doctor opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("COLORZOO_HOME", str(tmp_path))
    code = main(["doctor", "--json"])
    report = json.loads(capsys.readouterr().out)
    assert code == (1 if report["problems"] else 0)
    assert report["packages"]["torch"] == metadata.version("torch")
    assert (report["python"], report["system"].split()[-1]) == (platform.python_version(), platform.machine())
    assert report["device"].split()[0] in ("cpu", "cuda", "mps")
    assert report["cache"] == str(tmp_path)
    assert all(row["state"] == "ok" for row in report["embedded"])
    assert {row["model"] for row in report["embedded"]} >= {"colorzoo2026", "cho2023_small"}


def test_each_problem_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded weights are hashed."""
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
    monkeypatch.setattr(doctor, "declared_requirements", lambda: ["numpy", "no-such-package>=1"])
    monkeypatch.setattr(doctor, "skipped_packages", lambda: ["zoo2 is skipped"])
    found = diagnose()
    assert {row["model"]: row["state"] for row in found.embedded} == {
        "good": "ok",
        "bad": "damaged",
        "gone": "missing",
    }
    late = tmp_path / "late"
    reason = f"expected sha256 {sha256}, found {hashlib.sha256(b'late').hexdigest()}"
    assert found.fetched == [
        {"model": "late", "tag": "new", "path": str(late), "state": "changed", "reason": reason}
    ]
    named = ("no-such-package", "bad", "gone", f"colorzoo weights fetch {late.name} --tag new", "zoo2")
    assert len(found.problems) == len(named)
    assert all(name in problem for name, problem in zip(named, found.problems, strict=True))
