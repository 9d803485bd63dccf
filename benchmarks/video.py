"""Flicker of automatic colors in video, with and without what `colorzoo video` does against it; its speed.

Frames of 640 x 360 of the clips below ``--data`` (``--pictures N``: the first N of each). Both measures of
flicker hold the picture's own lightness, which no coloring changes; the gray frames say how much that is, and
rows name what colors add to it.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._harness import Options, Row, SkippedError, share_of, where
from colorzoo.color import rgb_to_lab
from colorzoo.data.frames import find_clips
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import join
from colorzoo.inference.resample import shrink_luma, working_size
from colorzoo.metrics import MeanPSNR
from colorzoo.metrics.video import color_consistency, warping_error
from colorzoo.video.file import VideoFile, fill
from colorzoo.video.library import load_av
from colorzoo.video.painter import Painter
from colorzoo.video.parts import PartsFolder
from colorzoo.video.plan import choose_encoding
from colorzoo.video.run import color_video
from colorzoo.video.steady import Steadier

MODEL = "zhang2017_local_small"
WIDTH, HEIGHT = 640, 360
STEADY = 0.9  # the default of the command line
MOST_FLICKER = 0.7
TIMED = 24  # frames


@dataclass(frozen=True)
class Measured:
    """One way to color a clip: CDC, warping error, PSNR in dB."""

    cdc: float
    warping: float
    psnr: float


def run(options: Options) -> list[Row]:
    """Return flicker with the temporal part as a share of that without, PSNR, and frames a second."""
    if options.data is None:
        raise SkippedError("give --data, a folder of clips")
    colorizer = Colorizer(options.model or MODEL, weights=options.weights or "default", device="cpu")
    rows = []
    for clip in find_clips(options.data):
        true = _frames(clip.read(0, min(clip.length, options.pictures or clip.length)))
        place = f"{colorizer.name}, {clip.name}, {len(true)} frames of {WIDTH}x{HEIGHT}, {where()}"
        rows += _flicker_rows(colorizer, true, f"{clip.name}: ", place)
        rows.append(_speed_row(colorizer, true, place))
    return rows


def _frames(read: list[Tensor]) -> Tensor:
    """Return ``(T, 3, 360, 640)`` uint8."""
    sized = (F.interpolate(f[None].float(), (HEIGHT, WIDTH), mode="bicubic", antialias=True) for f in read)
    return torch.cat([frame.round().clamp(0, 255).byte() for frame in sized])


@torch.inference_mode()
def _flicker_rows(colorizer: Colorizer, true: Tensor, clip: str, place: str) -> list[Row]:
    luma = [rgb_to_lab(frame[None] / 255)[:, :1] for frame in true]
    seen = [shrink_luma(one, working_size(HEIGHT, WIDTH)) for one in luma]
    painter = Painter(colorizer)
    alone = [painter.predict(one, 0) for one in seen]
    gray = _measured(true, luma, [torch.zeros_like(ab) for ab in alone])
    before = _measured(true, luma, alone)
    after = _measured(true, luma, [*_steady(seen, alone)])
    flicker = (
        ("color consistency (CDC)", "CDC", after.cdc, before.cdc, gray.cdc),
        ("warping error", "warping error", after.warping, before.warping, gray.warping),
    )
    shares = []
    for title, short, now, then, least in flicker:
        beyond = f"{clip}{short} beyond that of the gray frames"
        shares.append(share_of(f"{clip}{title}", now, then, MOST_FLICKER, place))
        shares.append(share_of(beyond, now - least, then - least, MOST_FLICKER, place))
    return [
        *shares,
        Row(
            f"{clip}PSNR in dB, and what is won",
            after.psnr,
            before.psnr,
            after.psnr - before.psnr,
            0.0,
            "higher",
            place,
        ),
    ]


def _steady(seen: list[Tensor], alone: list[Tensor]) -> Iterator[Tensor]:
    steadier = Steadier(STEADY)
    for luma, ab in zip(seen, alone, strict=True):
        yield from steadier.add(luma, ab)
    yield from steadier.flush()


def _measured(true: Tensor, luma: list[Tensor], colors: list[Tensor]) -> Measured:
    made = [join(one[0, 0], ab[0]) for one, ab in zip(luma, colors, strict=True)]
    frames = torch.stack([torch.from_numpy(rgb).permute(2, 0, 1) for rgb in made])
    psnr = MeanPSNR()
    for frame, target in zip(frames, true, strict=True):
        psnr.update(frame[None], target[None] / 255)
    pairs = zip(itertools.pairwise(frames), itertools.pairwise(true), strict=True)
    errors = [warping_error(torch.stack(two)[None], torch.stack(of)[None] / 255).item() for two, of in pairs]
    return Measured(color_consistency(frames[None]).item(), float(np.mean(errors)), float(psnr.compute()))


def _speed_row(colorizer: Colorizer, true: Tensor, place: str) -> Row:
    """Time the command line's work from file to file, in processor seconds."""
    with tempfile.TemporaryDirectory() as name:
        source, out = Path(name) / "in.mp4", Path(name) / "out.mp4"
        _write_gray(source, true[:TIMED])
        video = VideoFile(source, choose_encoding(out, None, None))
        begun = time.process_time()
        done = color_video(video, Painter(colorizer), PartsFolder(out, ""), out, steady=STEADY)
        speed = done.frames / (time.process_time() - begun)
    return Row(
        "frames a second of a processor core, from file to file", speed, 0.0, speed, 0.0, "higher", place
    )


def _write_gray(path: Path, frames: Tensor) -> None:
    av = load_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            luma = (16 + rgb.float().mean(dim=0) * 219 / 255).round().byte().numpy()
            gray = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
            fill(frame, [luma, gray, gray], 8)
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
