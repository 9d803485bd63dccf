"""``colorzoo evaluate``: options, exit codes and output."""

from pathlib import Path

import pytest

from colorzoo.cli.main import main
from colorzoo.testing.samples import write_sample_pictures


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_sample_pictures(tmp_path / "photos", 3)
    return tmp_path / "photos"


def words(photos: Path, *more: str) -> list[str]:
    return [
        "evaluate",
        "--data",
        str(photos),
        "-o",
        str(photos.parent / "report"),
        "--metrics",
        "psnr,cf",
        *more,
    ]


def test_a_run_prints_a_table_and_the_path_of_the_report(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(photos, "--models", "truth,gray", "--compare", "gray", "truth")) == 0
    printed = capsys.readouterr().out
    assert "PSNR [dB]" in printed
    assert "gray minus truth, Colorfulness" in printed
    assert printed.splitlines()[-1].endswith("report.html")
    assert (photos.parent / "report" / "results.json").is_file()


def test_compare_alone_names_the_models(photos: Path) -> None:
    assert main(words(photos, "--compare", "gray", "truth", "--limit", "2")) == 0


def test_a_skipped_picture_is_exit_code_1(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    next(photos.rglob("*1.png")).write_bytes(b"broken")
    assert main(words(photos, "--models", "truth")) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "skipped" in line]
    assert "sample1.png" in line


def test_protocols_and_metrics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "--list"]) == 0
    printed = capsys.readouterr().out
    assert "zhang2017-hints" in printed
    assert "lpips" in printed


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "--models"),
        (["--models", "gray", "--interactions", "0,x"], "whole numbers"),
        (["--models", "gray", "--interactions", "5"], "automatic"),
        (["--models", "gray", "--protocol", "nobody2020"], "unknown protocol"),
        (["--models", "gray", "--metrics", "beauty"], "unknown metric"),
        (["--models", "nobody"], "unknown model"),
        (["--models", "gray", "--weights", "gray"], "NAME=FILE"),
        (["--models", "gray", "--limit", "0"], "--limit"),
        (["--models", "gray", "--device", "abacus"], "abacus"),
    ],
)
def test_invalid_options_are_one_line_and_exit_code_2(
    more: list[str], message: str, photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words(photos, *more)) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    (line,) = printed.err.splitlines()
    assert message in line
