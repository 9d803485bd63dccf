"""Video: processor time of ``colorzoo video``, and drift and flicker of its colors within a shot.

Folders of frames below ``--data`` are encoded as gray video of 426 x 240; ``--images N`` uses the first N
frames of each clip. The reference colorizes each frame independently (``--steady 0``). The flicker of the
lightness, which colorization does not change, is measured on gray frames and subtracted.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
import time
from fractions import Fraction
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, share_of, where
from colorzoo.apps.cli.main import main
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.container import import_av
from colorzoo.apps.video.planes import samples
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.color import rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import compose_image, shrink_lightness, working_size
from colorzoo.metrics import MeanPSNR, chroma_flicker, color_consistency, warping_error
from colorzoo.pixels.find import visible_entries

MODEL = "colorzoo2026"
WIDTH, HEIGHT = 426, 240
STEADY = 0.97  # the default of the command line
GOAL_FLICKER = 0.7
GOAL_CHROMA = 0.1
GOAL_TIME = 12  # times decoding
GOAL_DRIFT = 1.5  # CIE units
ROUNDS = 4  # repetitions of all clips in the timed video, because real videos are longer
SPACING = 8  # pixels between the things that are followed
RETURNS = 0.5  # pixels within which a thing is found again on the way back
ENDS = 5  # frames at each end of a way, whose colors are averaged


def run(options: Options) -> list[Row]:
    """Return flicker relative to independent frames, PSNR, and frames per second, for each clip."""
    if options.data is None:
        raise SkippedError("give a folder of clips with --data")
    name = options.model or MODEL
    colorizer = Colorizer(name, weights=options.weights or "default", device="cpu")
    rows, clips = [], []
    for clip in filter(Path.is_dir, visible_entries(options.data)):
        read = [decode_rgb(path.read_bytes()) for path in visible_entries(clip)[: options.images]]
        sized = (
            F.interpolate(f[None].float(), (HEIGHT, WIDTH), mode="bicubic", antialias=True) for f in read
        )
        frames = torch.cat([frame.round().clamp(0, 255).byte() for frame in sized])
        place = f"{name}, {clip.name}, {len(frames)} frames of {WIDTH} x {HEIGHT}, {where()}"
        rows += shot_rows(colorizer, frames, clip.name, place)
        clips.append(frames)
    count = sum(map(len, clips))
    place = f"{name}, {count} frames of {WIDTH} x {HEIGHT} {ROUNDS} times, each frame alone once, {where()}"
    ours, alone = times_of_decoding(clips * ROUNDS, name), times_of_decoding(clips, name, "--steady", "0")
    claim = "processor time of a video from file to file, relative to decoding it"
    return [*rows, Row(claim, ours, alone, ours, GOAL_TIME, "lower", place)]


@torch.inference_mode()
def shot_rows(colorizer: Colorizer, true: Tensor, clip: str, place: str) -> list[Row]:
    """Compare drift, flicker and PSNR of stabilized colors with independent frames."""
    lightness = [rgb_to_lab(frame[None] / 255)[:, :1] for frame in true]
    seen = [shrink_lightness(one, working_size(HEIGHT, WIDTH, colorizer.size)) for one in lightness]
    colorer = FrameColorer(colorizer)
    single = [colorer.predict(one, 0) for one in seen]
    colors = SteadyColors(STEADY, len(true))
    steadied = [
        ab
        for one, each in zip(seen, single, strict=True)
        for ab in colors.add(one, partial(torch.clone, each))
    ]
    steadied += colors.flush()
    gray = measure(true, lightness, [torch.zeros_like(ab) for ab in single])
    before, after = measure(true, lightness, single), measure(true, lightness, steadied)
    rows = []
    for title in ("CDC", "warping error"):
        least, then, now = (scores[title] for scores in (gray, before, after))
        claim = f"{clip}: {title} beyond that of the gray frames (with it: {now / then:.2f})"
        rows.append(share_of(claim, now - least, then - least, GOAL_FLICKER, place))
    claim = f"{clip}: chroma flicker in CIE units"
    rows.append(share_of(claim, after["chroma flicker"], before["chroma flicker"], GOAL_CHROMA, place))
    ways = followed(lightness)
    moved, alone = drift(steadied, ways), drift(single, ways)
    claim = f"{clip}: CIE units by which {ways.shape[1]} things change their color within half of the shot"
    rows.append(Row(claim, moved, alone, moved, GOAL_DRIFT, "lower", place))
    ours, theirs = after["PSNR"], before["PSNR"]
    claim = f"{clip}: PSNR in dB, and gain"
    return [*rows, Row(claim, ours, theirs, ours - theirs, 0.0, "higher", place)]


def measure(true: Tensor, lightness: list[Tensor], colors: list[Tensor]) -> dict[str, float]:
    """Combine each lightness with its ab; return CDC, warping error, chroma flicker and PSNR of the clip."""
    made = [compose_image(one[0, 0], ab[0]) for one, ab in zip(lightness, colors, strict=True)]
    frames = torch.stack([torch.from_numpy(rgb).permute(2, 0, 1) for rgb in made])
    psnr = MeanPSNR()
    for frame, target in zip(frames, true, strict=True):
        psnr.update(frame[None], target[None] / 255)
    clips = frames[None], true[None] / 255
    return {
        "CDC": color_consistency(frames[None]).item(),
        "warping error": warping_error(*clips).item(),
        "chroma flicker": chroma_flicker(*clips).item(),  # CIE units
        "PSNR": float(psnr.compute()),  # dB
    }


def followed(lightness: list[Tensor]) -> NDArray[np.float32]:
    """Track points of a grid (Lucas and Kanade), starting at four frames, through half of a shot each.

    Returns: ``(T, N, 3)``: columns, rows and frame numbers of the points that are found again when tracking
    backward.
    """
    grays = [(one[0, 0] * 2.55).round().byte().numpy() for one in lightness]
    length = max(2, len(grays) // 2)
    rows, columns = np.mgrid[SPACING : HEIGHT - SPACING : SPACING, SPACING : WIDTH - SPACING : SPACING]
    ways = []
    for start in np.linspace(0, len(grays) - length, 4).astype(int):
        points = np.stack([columns, rows], axis=-1).reshape(-1, 1, 2).astype(np.float32)
        way, kept = [points], np.ones(len(points), bool)
        for first, second in zip(grays[start:], grays[start + 1 : start + length], strict=False):
            there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, way[-1], None)
            back, again, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None)
            kept &= (found[:, 0] & again[:, 0]).astype(bool)
            kept &= np.linalg.norm((back - way[-1])[:, 0], axis=1) < RETURNS
            way.append(there)
        places = np.stack(way)[:, kept, 0]
        numbers = np.arange(start, start + len(way))[:, None, None]
        ways.append(np.concatenate([places, np.broadcast_to(numbers, (*places.shape[:2], 1))], axis=2))
    return np.concatenate(ways, axis=1).astype(np.float32)


def drift(colors: list[Tensor], ways: NDArray[np.float32]) -> float:
    """Return the mean color distance between both ends of the tracks, in CIE units."""
    seen = []
    for step in ways:
        ab = np.zeros((ways.shape[1], 2), np.float32)
        for number in np.unique(step[:, 2]):
            chosen = step[:, 2] == number
            plane = np.moveaxis(colors[int(number)][0].numpy(), 0, -1)
            whole = cv2.resize(np.ascontiguousarray(plane), (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)
            ab[chosen] = cv2.remap(whole, step[chosen][None, :, :2], None, cv2.INTER_LINEAR)[0]
        seen.append(ab)
    way = np.stack(seen)
    return float(np.linalg.norm(way[:ENDS].mean(axis=0) - way[-ENDS:].mean(axis=0), axis=1).mean())


def times_of_decoding(clips: list[Tensor], model: str, *options: str) -> float:
    """Return the processor time of ``colorzoo video`` relative to decoding the same video."""
    with tempfile.TemporaryDirectory() as name:
        source, target = Path(name) / "in.mp4", Path(name) / "out.mp4"
        write_gray(source, torch.cat(clips))
        messages = io.StringIO()
        begun = time.process_time()
        decode(source)
        decoded = time.process_time()
        with contextlib.redirect_stdout(messages), contextlib.redirect_stderr(messages):
            code = main(["video", str(source), str(target), "--model", model, "--device", "cpu", *options])
        if code:
            raise SkippedError(f"coloring failed: {messages.getvalue()}")
        return (time.process_time() - decoded) / (decoded - begun)


def decode(path: Path) -> None:
    """Decode the frames of a video with one thread."""
    with import_av().open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1
        for _ in container.decode(video=0):
            pass


def write_gray(path: Path, frames: Tensor) -> None:
    """Write the lightness of frames ``(T, 3, H, W)`` uint8 as H.264."""
    av = import_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24), options={"crf": "12"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, rgb in enumerate(frames):
            frame = av.VideoFrame(WIDTH, HEIGHT, "yuv420p")
            lightness = (16 + rgb.float().mean(dim=0) * 219 / 255).round().byte().numpy()
            gray = np.full((HEIGHT // 2, WIDTH // 2), 128, np.uint8)
            for plane, content in zip(frame.planes, [lightness, gray, gray], strict=True):
                samples(plane, 8)[:] = content
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
