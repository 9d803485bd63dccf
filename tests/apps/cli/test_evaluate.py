"""``colorzoo evaluate``: options, exit codes and output."""

import io
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.evaluation import Outcome
from colorzoo.testing.samples import write_sample_images
from tiny_model import NAME, Refused, write_tiny_weights


@pytest.fixture
def images(tmp_path: Path) -> Path:
    write_sample_images(tmp_path / "images", 3)
    return tmp_path / "images"


def words(images: Path, *more: str) -> list[str]:
    places = ["--data", str(images), "-o", str(images.parent / "report")]
    return ["evaluate", *places, "--metrics", "psnr,colorfulness", *more]


def test_evaluate_prints_a_table_and_the_report_path(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = images.parent / "report"
    assert main(words(images, "--models", "truth,gray", "--compare", "gray", "truth")) == 0
    head, truth, gray, first, second, page = capsys.readouterr().out.splitlines()
    assert head.split("  ")[:3] == ["method", "interactions", "PSNR [dB] ↑"]
    assert [line.split()[:2] for line in (truth, gray)] == [["truth", "0"], ["gray", "0"]]
    assert first.startswith("gray minus truth, PSNR at 0: ")
    assert second.startswith("gray minus truth, Colorfulness at 0: -")
    assert page == str(report / "report.html")
    assert (report / "results.json").is_file()


@pytest.mark.skipif(sys.platform != "linux", reason="other file systems require names in Unicode")
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252", "ascii"])
def test_commands_escape_names_that_the_output_cannot_encode(
    images: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    name = os.fsdecode(b"M\xfcnchen \xe2\x86\x91.png")  # Latin-1, followed by an arrow in UTF-8
    path = next(images.rglob("*1.png"))
    path.rename(path.with_name(name))
    path.with_name(os.fsdecode(b"\xfc \x1b[2J broken.png")).write_bytes(b"broken")
    streams = [io.TextIOWrapper(io.BytesIO(), encoding=encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])
    assert main(words(images, "--models", "truth,gray")) == 1
    assert main(["data", "verify", str(images)]) == 1
    printed = [stream.buffer.getvalue().decode(encoding) for stream in streams]  # type: ignore[attr-defined]
    assert "M\\udcfcnchen" in printed[0]
    assert "\\udcfc \\x1b[2J broken.png" in printed[0]
    assert "\\udcfc \\x1b[2J broken.png" in printed[1]
    report = images.parent / "report"
    names = [image["name"] for image in json.loads((report / "manifest.json").read_text())["images"]]
    assert any(found.endswith(name) for found in names)
    assert "M\\udcfcnchen ↑.png" in (report / "per_image.csv").read_text(encoding="utf-8")


def test_evaluate_tables_say_how_many_images_a_mean_omits(
    images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two of three results equal the truth, so the mean PSNR is the value of one image."""
    shutil.copytree(images, tmp_path / "theirs")
    changed = next((tmp_path / "theirs").rglob("*1.png"))
    Image.open(changed).rotate(180).save(changed)
    assert main(words(images, "--models", f"theirs={tmp_path / 'theirs'},truth")) == 0
    _, theirs, truth, _ = capsys.readouterr().out.splitlines()
    assert "(2 exact)" in theirs
    assert "exact" not in truth
    report = images.parent / "report"
    for name in ("results.md", "results.tex", "report.html"):
        text = (report / name).read_text(encoding="utf-8")
        assert "(2 exact)" in text or "<small>2 exact</small>" in text, name  # one value has no interval
    assert "does not include exact images" in (report / "results.md").read_text(encoding="utf-8")


def test_evaluate_passes_its_options_to_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, Any]] = []

    def recorded(models: Any, data: Any, protocol: Any, **options: Any) -> Outcome:
        calls.append({"models": models, "data": data, "protocol": protocol, **options})
        return Outcome(None)

    monkeypatch.setattr("colorzoo.evaluation.evaluate", recorded)
    given = "--data d -o o --compare a b --compare a c --baseline d --interactions 10,3"
    given += " --protocol zhang2017-hints --metrics cf,psnr"
    assert main(["evaluate", *given.split(), "--limit", "1"]) == 0
    (call,) = calls
    expected = {"models": ["a", "b", "c"], "limit": 1, "interactions": (3, 10)}
    expected |= {"compare": [("a", "b"), ("a", "c")], "baseline": "d"}
    expected |= {
        "metrics": ["cf", "psnr"],
        "protocol": "zhang2017-hints",
        "data": Path("d"),
        "output": Path("o"),
    }
    assert {name: call[name] for name in expected} == expected


def test_evaluate_compares_weight_files_of_one_model(
    images: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A checkpoint without the model name requires the model in ``--models``; the cache separates files."""
    files = [
        write_tiny_weights(images.parent / name, seed=seed) for seed, name in enumerate(("a.pth", "b.pth"))
    ]
    first, second = (f"{NAME}={file}" for file in files)
    assert main(words(images, "--models", f"{first},{second}", "--compare", first, f"{NAME}=b.pth")) == 0
    _, *rows, difference, _, _ = capsys.readouterr().out.splitlines()
    assert [row.split()[0] for row in rows] == [f"{NAME}=a.pth", f"{NAME}=b.pth"]
    assert rows[0].split()[2] != rows[1].split()[2]
    assert difference.startswith(f"{NAME}=a.pth minus {NAME}=b.pth, PSNR at 0: ")
    shutil.copy(files[1], files[0])
    assert main(words(images, "--models", f"{first},{second}")) == 0
    _, *same, _ = capsys.readouterr().out.splitlines()
    assert same[0].split()[2:] == same[1].split()[2:] == rows[1].split()[2:]


def test_skipped_image_sets_exit_code_1(images: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(images.rglob("*1.png")).write_bytes(b"broken")
    assert main(words(images, "--models", "truth")) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert "sample1.png" in line


def test_list_option_prints_protocols_and_metrics(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list"]) == 0
    printed = capsys.readouterr().out
    rows = [line.split(maxsplit=2) for line in printed.partition("\n\n")[0].splitlines()]
    assert rows[0] == ["protocol", "version", "title"]
    assert "automatic" in [row[0] for row in rows]
    assert {"colorfulness", "lpips", "psnr"} <= {*re.split("[:, ]+", printed.splitlines()[-1])}


def test_invalid_options_are_one_line_and_exit_code_2(images: Path, refused: Refused) -> None:
    assert "--models" in refused(*words(images))
    for option, value in (
        ("--interactions", "0,x"),
        ("--protocol", "nobody2020"),
        ("--metrics", "beauty"),
        ("--threads", "0"),
        ("--device", "abacus"),
    ):
        message = refused(*words(images, "--models", "gray", option, value))
        assert option in message or value in message
    assert "automatic" in refused(*words(images, "--models", "gray", "--interactions", "5"))
    assert "nobody" in refused(*words(images, "--models", "nobody"))
