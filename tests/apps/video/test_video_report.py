"""Reports that list the shots of a video."""

from __future__ import annotations

import csv
import io
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from colorzoo.apps.cli.main import main
from colorzoo.apps.video.encoding import choose_encoding
from colorzoo.apps.video.file import VideoFile
from colorzoo.apps.video.folder import FrameFolder
from colorzoo.apps.video.report import shot_entries
from colorzoo.apps.video.run import PartsFolder, Shot, color_video
from colorzoo.batch.report import COLUMNS, SHOT_COLUMNS
from colorzoo.files import digest_of
from colorzoo.guidance.border import BorderSetting
from colorzoo.image_io.provenance import ImageProvenance
from tiny_model import write_tiny_weights
from tiny_video import StubColorer, scene, write_video

SHOTS = [scene(n, seed) for seed in (0, 7, 9) for n in range(4)]
ORIGIN = ImageProvenance("ab" * 32, "cd" * 32, "zhang2016")


def color(
    source: VideoFile | FrameFolder, out: Path, colorer: StubColorer, border: BorderSetting = "none"
) -> list[Shot]:
    parts = PartsFolder(out, "a")
    return color_video(source, colorer, parts, out, steady=0, size=32, border=border)[0]


def open_video(source: Path, out: Path) -> VideoFile:
    return VideoFile(source, choose_encoding(out, None, None))


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def thumbnail(url: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(b64decode(url.partition(",")[2]))).convert("RGB")).astype(float)


def test_shot_entries_show_the_middle_frame_of_each_shot(tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    source = open_video(write_video(tmp_path / "in.mp4", SHOTS), out)
    entries = shot_entries(source, out, color(source, out, StubColorer(15)), ORIGIN)
    assert [(entry.first_frame, entry.last_frame, entry.shown_frame) for entry in entries] == [
        *((0, 3, 2), (4, 7, 6), (8, 11, 10))
    ]
    last = entries[-1]
    assert (last.first_time, last.last_time) == ("0:00:00.320", "0:00:00.440")
    assert (last.source, last.result) == (str(tmp_path / "in.mp4"), str(out))
    assert (last.model, last.source_sha256, last.result_sha256) == ("zhang2016", "ab" * 32, digest_of(out))
    assert last.chroma == pytest.approx(21, abs=3)  # a = b = 15 gives 21; some colors are outside sRGB
    shown = thumbnail(last.gray)
    assert np.ptp(shown, axis=2).max() <= 2
    apart = [np.abs(shown[..., 0] - (SHOTS[n].astype(float) - 16) * 255 / 219).mean() for n in range(12)]
    assert int(np.argmin(apart)) == 10
    assert np.ptp(thumbnail(last.color), axis=2).mean() > 20


def test_video_command_writes_html_and_csv_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = write_tiny_weights(tmp_path / "tiny.safetensors")
    source = write_video(tmp_path / "in.mp4", SHOTS)
    words = ["video", source, tmp_path / "out.mp4", "--weights", weights, "--size", "32", "--device", "cpu"]
    words += ["--report", tmp_path / "r.html", "--report", tmp_path / "r.csv"]
    assert main([*map(str, words)]) == 0
    assert f"colorzoo: report: {tmp_path / 'r.csv'}" in capsys.readouterr().err
    table = rows(tmp_path / "r.csv")
    assert tuple(table[0]) == (*COLUMNS, *SHOT_COLUMNS)
    assert {row["first_frame"] for row in table} == {str(first) for first in range(0, 12, 4)}
    assert all(float(row["chroma"]) > 1 for row in table)
    assert (tmp_path / "r.html").read_text().count('"source"') == 3
