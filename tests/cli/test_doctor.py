"""``colorzoo doctor``: its report and problems, without a network."""

import hashlib
import json
import socket
import sys
from pathlib import Path

import pytest

from colorzoo.card import Weights
from colorzoo.cli import doctor
from colorzoo.cli.doctor import core_packages, cpu_bf16, diagnose, embedded_weights, extras, find_device
from colorzoo.cli.main import main
from colorzoo.weights import WeightFile

REQUIREMENTS = [
    "torch>=2.6",
    "jsonargparse[signatures]>=4.40",
    "no-such-package-a>=1; extra == 'export'",
    "numpy>=1; extra == 'export'",
    'colorzoo[export]; extra == "all"',
    "numpy; extra == 'ready'",
]


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
    assert report["packages"]["torch"][0].isdigit()
    assert report["device"].split()[0] in ("cpu", "cuda", "mps")
    assert report["cache"] == str(tmp_path)


def test_the_readable_report_names_problems(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "core_packages", lambda _: ["numpy", "no-such-package"])
    monkeypatch.setattr(doctor, "declared_requirements", lambda: REQUIREMENTS)
    assert main(["doctor"]) == 1
    out = capsys.readouterr().out
    assert "problem: no-such-package is not installed; run `python -m pip install no-such-package`" in out
    assert 'lacks no-such-package-a; python -m pip install "colorzoo[export]"' in out


def test_extras_are_read_from_the_metadata() -> None:
    assert core_packages(REQUIREMENTS) == ["torch", "jsonargparse"]
    missing = {extra.name: extra.missing for extra in extras(REQUIREMENTS)}
    assert missing == {"all": ("no-such-package-a",), "export": ("no-such-package-a",), "ready": ()}


def test_without_metadata_the_main_packages_are_shown() -> None:
    assert "torch" in core_packages(None)
    assert extras(None) == []


@pytest.mark.parametrize(
    ("flags", "found"),
    [("flags : sse avx512_bf16", True), ("Features : fp bf16", True), ("flags : avx2", False)],
)
def test_bf16_is_read_from_the_cpu(tmp_path: Path, flags: str, found: bool) -> None:
    (tmp_path / "cpuinfo").write_text(f"processor : 0\n{flags}\n")
    assert cpu_bf16(tmp_path / "cpuinfo") is found
    assert cpu_bf16(tmp_path / "absent") is None


def test_embedded_weights_are_hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "good").write_bytes(b"good")
    (tmp_path / "bad").write_bytes(b"changed")
    sha256 = hashlib.sha256(b"good").hexdigest()
    rows = [
        WeightFile(name, "default", Weights(sha256, 4, "MIT", file=name), tmp_path / name)
        for name in ("good", "bad", "gone")
    ]
    monkeypatch.setattr(doctor, "list_weights", lambda: rows)
    assert {row.model: row.state for row in embedded_weights()} == {
        "good": "ok",
        "bad": "damaged",
        "gone": "missing",
    }
    problems = [line for line in diagnose().problems if line.startswith("the embedded weights of")]
    assert len(problems) == 2


def test_a_torch_that_cannot_be_imported_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    device, problems = find_device()
    assert device == "none"
    assert problems[0].startswith("torch cannot be imported: ")
