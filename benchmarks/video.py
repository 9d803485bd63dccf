"""Flicker of automatic colors in video with and without ``--steady``, and the speed of ``colorzoo video``.

Clips below ``--data``, resized to 640 x 360; ``--pictures N`` takes the first N frames of each. The flicker
of the lightness, which no coloring changes, is measured on gray frames and subtracted.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, share_of, where
from colorzoo.cli.main import main
from colorzoo.color import rgb_to_lab
from colorzoo.data.frames import find_clips
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import join, shrink_lightness, working_size
from colorzoo.metrics import MeanPSNR
from colorzoo.metrics.video import chroma_flicker, color_consistency, warping_error
from colorzoo.video.colorer import FrameColorer
from colorzoo.video.encoding import load_av
from colorzoo.video.file import fill
from colorzoo.video.steady import ColorStabilizer

MODEL = "colorzoo2026"
WIDTH, HEIGHT = 640, 360
STEADY = 0.97  # the default of the command line
GOAL_FLICKER = 0.7
GOAL_CHROMA = 0.1
TIMED = 24  # frames


@dataclass(frozen=True)
class Scores:
    """CDC, warping error, chroma flicker in CIE units and PSNR in dB of a colored clip."""

    cdc: float
    warping: float
    chroma: float
    psnr: float


def run(options: Options) -> list[Row]:
    """Return flicker with ``--steady`` over that without, PSNR, and frames per second, for each clip."""
    if options.data is None:
        raise SkippedError("give a folder of clips with --data")
    name = options.model or MODEL
    colorizer = Colorizer(name, weights=options.weights or "default", device="cpu")
    rows = []
    for clip in find_clips(options.data):
        read = clip.read(0, min(clip.length, options.pictures or clip.length))
        sized = (
            F.interpolate(f[None].float(), (HEIGHT, WIDTH), mode="bicubic", antialias=True) for f in read
        )
        frames = torch.cat([frame.round().clamp(0, 255).byte() for frame in sized])
        place = f"{name}, {clip.name}, {len(frames)} frames of {WIDTH} x {HEIGHT}, {where()}"
        rows += flicker_rows(colorizer, frames, clip.name, place)
        speed = frames_per_second(frames[:TIMED], name)
        claim = f"{clip.name}: frames per second of one core, from file to file"
        rows.append(Row(claim, speed, 0.0, speed, 0.0, "higher", place))
    return rows


@torch.inference_mode()
def flicker_rows(colorizer: Colorizer, true: Tensor, clip: str, place: str) -> list[Row]:
    """Compare flicker and PSNR of steadied colors with those of single frames."""
    lightness = [rgb_to_lab(frame[None] / 255)[:, :1] for frame in true]
    seen = [shrink_lightness(one, working_size(HEIGHT, WIDTH, colorizer.size)) for one in lightness]
    colorer = FrameColorer(colorizer)
    single = [colorer.predict(one, 0) for one in seen]
    stabilizer = ColorStabilizer(STEADY)
    steadied = [ab for one, each in zip(seen, single, strict=True) for ab in stabilizer.add(one, each)]
    steadied += stabilizer.flush()
    gray = measure(true, lightness, [torch.zeros_like(ab) for ab in single])
    before, after = measure(true, lightness, single), measure(true, lightness, steadied)
    rows = []
    for title, least, then, now in (
        ("CDC", gray.cdc, before.cdc, after.cdc),
        ("warping error", gray.warping, before.warping, after.warping),
    ):
        claim = f"{clip}: {title} beyond that of the gray frames (with it: {now / then:.2f})"
        rows.append(share_of(claim, now - least, then - least, GOAL_FLICKER, place))
    claim = f"{clip}: chroma flicker in CIE units"
    rows.append(share_of(claim, after.chroma, before.chroma, GOAL_CHROMA, place))
    gain = after.psnr - before.psnr
    return [*rows, Row(f"{clip}: PSNR in dB, and gain", after.psnr, before.psnr, gain, 0.0, "higher", place)]


def measure(true: Tensor, lightness: list[Tensor], colors: list[Tensor]) -> Scores:
    """Join each lightness with its ab and measure the clip."""
    made = [join(one[0, 0], ab[0]) for one, ab in zip(lightness, colors, strict=True)]
    frames = torch.stack([torch.from_numpy(rgb).permute(2, 0, 1) for rgb in made])
    psnr = MeanPSNR()
    for frame, target in zip(frames, true, strict=True):
        psnr.update(frame[None], target[None] / 255)
    clips = frames[None], true[None] / 255
    return Scores(
        color_consistency(frames[None]).item(),
        warping_error(*clips).item(),
        chroma_flicker(*clips).item(),
        float(psnr.compute()),
    )


def frames_per_second(frames: Tensor, model: str) -> float:
    """Return the frames per processor second of ``colorzoo video``."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.mp4", Path(name) / "out.mp4"
        write_gray(source, frames)
        messages = io.StringIO()
        begun = time.process_time()
        with contextlib.redirect_stdout(messages), contextlib.redirect_stderr(messages):
            code = main(["video", str(source), str(target), "--model", model, "--device", "cpu"])
        if code:
            raise SkippedError(f"coloring failed: {messages.getvalue()}")
        return len(frames) / (time.process_time() - begun)


def write_gray(path: Path, frames: Tensor) -> None:
    """Write the lightness of frames ``(T, 3, H, W)`` uint8 as H.264."""
    av = load_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            lightness = (16 + rgb.float().mean(dim=0) * 219 / 255).round().byte().numpy()
            gray = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
            fill(frame, [lightness, gray, gray], 8)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
