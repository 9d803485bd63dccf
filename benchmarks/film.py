"""Film: PSNR that true key frames add to the automatic colors of clips, and error of a corrected object.

Each folder of color frames below ``--data`` is a clip. The true colors of the first frame, or of the first
and the last frame, are the keys. PSNR is measured at the other frames.

The folder ``masks`` contains masks of the main object of some clips. A color point at the most central pixel
of the object in the first frame, with its true color, is the correction. Errors are mean distances in CIE
units in the last of 49 frames.

Peak memory is measured with made films of small frames, in shots of 100 frames, with four keys and a point.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, SkippedError, where
from benchmarks._film_trust import (
    HEIGHT,
    WIDTH,
    cut_object,
    frame_of,
    is_colorful,
    paste,
    read_objects,
    read_photos,
)
from colorzoo.apps.video.colorer import FrameColorer
from colorzoo.apps.video.container import import_av
from colorzoo.apps.video.frames import VideoFrame
from colorzoo.apps.video.run import correction_of
from colorzoo.apps.video.shots import ShotSpan
from colorzoo.apps.video.steady import SteadyColors
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.guidance import Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import shrink_lightness, working_size
from colorzoo.metrics.psnr import psnr
from colorzoo.pixels.find import visible_entries

RETURNING_CLIPS, GOAL_RETURNING = 10, 2.4  # made clips, and CIE units
CORRECTED = 49  # frames of a clip with a correction
GOAL_CORRECTED, GOAL_OUTSIDE = 8.0, 1.0  # CIE units
STEADY, WINDOW = 0.97, 72  # as on the command line
GOAL_GAINS = {1: 7.0, 2: 10.0}  # dB, by number of keys
WORSE = 0.1  # dB
LENGTHS, GOAL_MEMORY = (2_000, 20_000), 32.0  # frames of the made films, and MB
GOAL_WORSE = 0.02


@torch.inference_mode()
def run(options: Options) -> list[Row]:
    """Return the gain of each clip, the mean gain, and the fraction of frames that a key makes worse."""
    if options.data is None:
        raise SkippedError("give a folder of clips with --data")
    colorizer = Colorizer(options.model or "colorzoo2026", device="cpu")
    clips = [each for each in visible_entries(options.data) if each.is_dir() and each.name != "masks"]
    rows, changes = [], {count: list[np.ndarray]() for count in GOAL_GAINS}
    for clip in clips:
        frames = read_clip(clip)[: options.images]
        automatic = frame_psnr(color_clip(colorizer, frames, []), frames)
        for count in GOAL_GAINS:
            keys = [0, len(frames) - 1][:count]
            keyed = frame_psnr(color_clip(colorizer, frames, keys), frames)
            others = np.setdiff1d(np.arange(len(frames)), keys)
            before, after = automatic[others].mean(), keyed[others].mean()
            place = f"{colorizer.name}, {clip.name}, {len(frames)} frames, {where()}"
            claim = f"{clip.name}: PSNR in dB with {count} true keys, automatic PSNR, and gain"
            rows.append(Row(claim, after, before, after - before, 0.0, "higher", place))
            changes[count].append((keyed - automatic)[others])
    place = f"{colorizer.name}, {len(clips)} clips, {where()}"
    for count, goal in GOAL_GAINS.items():
        gains = np.array([each.mean() for each in changes[count]])
        worse = float(np.mean([(each < -WORSE).mean() for each in changes[count]]))
        error = gains.std(ddof=1) / len(gains) ** 0.5 if len(gains) > 1 else float("nan")
        claim = f"gain in dB by {count} true keys, mean of clips (standard error {error:.1f})"
        rows.append(Row(claim, gains.mean(), 0.0, gains.mean(), goal, "higher", place))
        claim = f"fraction of frames that {count} true keys make worse by more than {WORSE} dB"
        rows.append(Row(claim, worse, 0.0, worse, GOAL_WORSE, "lower", place))
    rows += correction_rows(colorizer, [each for each in clips if has_masks(each)])
    if (options.data.parent / "coco_sample").is_dir():
        rows += returning_rows(colorizer, options.data.parent, place)
    return [*rows, memory_row(colorizer.name)]


def memory_row(model: str) -> Row:
    """Return the peak memory of ``colorzoo video`` for a long film, and its growth over a short film."""
    peaks = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for length in LENGTHS:
            film, out = folder / f"{length}.mp4", folder / f"{length}.colored.mp4"
            keys = make_long_film(film, length)
            # VmHWM is used, because the maximum of `resource` includes the memory of the parent process
            code = (
                "import sys; from colorzoo.apps.cli.main import main; status = main(sys.argv[1:]); "
                "print(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]); sys.exit(status)"
            )
            command = [sys.executable, "-c", code, "video", str(film), str(out), "--model", model]
            words = [word for number, key in keys.items() for word in ("--key", f"{number}={key}")]
            options = ["--size", "64", "--device", "cpu"]
            printed = subprocess.run([*command, *words, *options], check=True, stdout=subprocess.PIPE)
            peaks.append(int(printed.stdout.split()[-1]) / 1024)  # in MB
    claim = f"peak memory in MB for {LENGTHS[1]:,} and {LENGTHS[0]:,} small frames with keys, and growth"
    return Row(claim, peaks[1], peaks[0], peaks[1] - peaks[0], GOAL_MEMORY, "lower", f"{model}, {where()}")


def make_long_film(path: Path, length: int) -> dict[int, Path]:
    """Write a gray film of 96 x 64 in shots of 100 frames; return its keys, by frame number."""
    chance, keys = np.random.default_rng(0), dict[int, Path]()
    grids = chance.integers(0, 255, (40, 12, 18), np.uint8)
    scenes = [cv2.resize(grid, (192, 128), interpolation=cv2.INTER_CUBIC) for grid in grids]
    av = import_av()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for number in range(length):
            step = number % 90
            image = scenes[number // 100 % len(scenes)][step // 3 : step // 3 + 64, step : step + 96]
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), "gray")
            container.mux(stream.encode(frame.reformat(format="yuv420p")))
            if number in (0, 150, 450, 950):
                keys[number] = path.with_name(f"{path.stem}-{number}.png")
                bgr = np.stack([image // 2, image, 128 + image // 2], axis=2)
                cv2.imwrite(str(keys[number]), bgr)
            if number == 251:
                keys[number] = path.with_name(f"{path.stem}-{number}.json")
                points = [{"x": 40, "y": 30, "color": "#3030c0"}]
                keys[number].write_text(json.dumps({"version": 2, "points": points}))
        container.mux(stream.encode())
    return keys


def returning_rows(colorizer: Colorizer, data: Path, place: str) -> list[Row]:
    """Return the change of the color of an object that leaves and returns, with and without a key.

    The objects of ``coco_sample`` move over photographs. The key is the true colors of a frame without the
    object. The change is the mean distance in CIE units between the colors of the object in two frames.
    """
    chance, changes = random.Random(11), list[list[float]]()
    photos = [each for each in read_photos(data, range(6, 8), 30) if is_colorful(each)]
    objects = [each for each in read_objects(data, "val") if each[1]["area"] > 6000]
    while len(changes) < RETURNING_CLIPS:
        photo = chance.choice(photos)
        scale = 320 / min(photo.size)
        photo = photo.resize((int(photo.width * scale), int(photo.height * scale)))
        found = cut_object(data, *chance.choice(objects))
        y, left, top = chance.uniform(0.4, 0.7), chance.random() * 0.7, chance.random()
        frames, corners = list[Tensor](), list[tuple[int, int]]()
        for number in range(48):
            image = frame_of(photo, min(1.0, left + 0.005 * number), top, 1.15)
            x = 0.35 - 0.045 * number if number < 24 else 0.5 + 0.03 * (47 - number)
            paste(image, found, x, y, 1.0)
            corners.append((int(x * WIDTH - found.width / 2), int(y * HEIGHT - found.height / 2)))
            frames.append(rgb_to_lab(torch.from_numpy(np.array(image)).permute(2, 0, 1)[None] / 255))
        row = []
        for keys in ((), (24,)):
            colors = color_clip(colorizer, frames, keys)
            objects_seen = []
            for number in (4, 44):  # the object as a canvas that is larger than the frame
                ab = F.interpolate(colors[number], (HEIGHT, WIDTH), mode="bilinear")[0]
                (column, line), canvas = corners[number], torch.full((2, 3 * HEIGHT, 3 * WIDTH), torch.nan)
                canvas[:, HEIGHT : 2 * HEIGHT, WIDTH : 2 * WIDTH] = ab
                line, column = line + HEIGHT, column + WIDTH
                objects_seen.append(canvas[:, line : line + found.height, column : column + found.width])
            is_object = torch.from_numpy(np.array(found.getchannel("A"))) > 127
            distance = (objects_seen[0] - objects_seen[1]).norm(dim=0)[is_object]
            row.append(float(distance.nanmean()))
        changes.append(row)
    automatic, keyed = np.mean(changes, axis=0)
    claim = "change of color of a returning object, with a key without the object, and automatic"
    return [Row(claim, keyed, automatic, keyed, GOAL_RETURNING, "lower", place)]


def has_masks(clip: Path) -> bool:
    """Return whether there are masks of the main object of a clip."""
    return (clip.parent / "masks" / clip.name).is_dir()


def correction_rows(colorizer: Colorizer, clips: Sequence[Path]) -> list[Row]:
    """Return the errors of corrected objects, and the color changes outside the objects."""
    rows, found = [], list[tuple[float, float, float]]()
    for clip in clips:
        paths = visible_entries(clip.parent / "masks" / clip.name)[:CORRECTED]
        masks = [decode_rgb(path.read_bytes())[0] > 127 for path in paths]
        frames = read_clip(clip)[: len(masks)]
        automatic = color_clip(colorizer, frames, [])[-1]
        correction = point_correction(colorizer, frames[0], masks[0])
        corrected = color_clip(colorizer, frames, [], {0: correction})[-1]
        last, mask = frames[-1], masks[-1]
        before, after = (
            F.interpolate(ab, last.shape[-2:], mode="bilinear")[0] for ab in (automatic, corrected)
        )
        true = last[0, 1:]
        errors = [float((each - true).norm(dim=0)[mask].mean()) for each in (before, after)]
        outside = float((after - before).norm(dim=0)[~mask].mean())
        found.append((errors[0], errors[1], outside))
        place = f"{colorizer.name}, {clip.name}, {len(frames)} frames, {where()}"
        claim = (
            f"{clip.name}: error on the object with one point in frame 0, automatic error, and change outside"
        )
        rows.append(Row(claim, errors[1], errors[0], outside, GOAL_OUTSIDE, "lower", place))
    if found:
        before, after, outside = np.mean(found, axis=0)
        place = f"{colorizer.name}, {len(clips)} clips, {where()}"
        claim = "error on corrected objects after 48 frames, and automatic error, mean of clips"
        rows.append(Row(claim, after, before, after, min(GOAL_CORRECTED, before / 2), "lower", place))
        claim = "change outside corrected objects after 48 frames, mean of clips"
        rows.append(Row(claim, outside, 0.0, outside, GOAL_OUTSIDE, "lower", place))
    return rows


def point_correction(colorizer: Colorizer, lab: Tensor, mask: Tensor) -> RasterImage:
    """Colorize a frame with one point at the most central pixel of an object, with its true color."""
    distance = cv2.distanceTransform(np.pad(mask.byte().numpy(), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = (int(each) for each in np.unravel_index(distance.argmax(), distance.shape))
    a, b = (float(each) for each in lab[0, 1:, y - 2 : y + 3, x - 2 : x + 3].mean((1, 2)))
    gray = lab_to_rgb(torch.cat([lab[:, :1], torch.zeros_like(lab[:, 1:])], dim=1))[0, 0].clamp(0, 1)
    point = {"x": x, "y": y, "color": "#808080", "ab": [a, b]}
    image = RasterImage((gray * 255).round().byte().numpy())
    return correction_of(image, Recipe.from_json({"version": 2, "points": [point]}), colorizer)


def read_clip(folder: Path) -> list[Tensor]:
    """Read the frames of a clip as Lab ``(1, 3, H, W)``."""
    images = [decode_rgb(path.read_bytes()) for path in visible_entries(folder)]
    return [rgb_to_lab(image[None].float() / 255) for image in images]


def color_clip(
    colorizer: Colorizer,
    frames: Sequence[Tensor],
    keys: Sequence[int],
    corrections: Mapping[int, RasterImage] | None = None,
) -> list[Tensor]:
    """Colorize a shot as ``colorzoo video`` does; return ab ``(1, 2, h, w)`` of each frame.

    Args:
        colorizer: Colorizer with the loaded model.
        frames: True Lab ``(1, 3, H, W)``; only the lightness is used, except at the key frames.
        keys: Numbers of the key frames, which have true colors.
        corrections: Corrected frames, by frame number.
    """
    height, width = frames[0].shape[-2:]
    size = working_size(height, width, colorizer.size)
    images = {key: lab_to_rgb(frames[key])[0].clamp(0, 1).permute(1, 2, 0).numpy() for key in keys}
    key_images = {key: RasterImage(image) for key, image in images.items()}
    colorer = FrameColorer(colorizer, key_images, corrections=corrections)
    shot = ShotSpan(range(len(frames)))
    tested = frames[shot.tested][:, :1]
    colorer.start_shot(None, colorer.keys_of(shot, tested), shot)
    colors = SteadyColors(min(STEADY, colorer.max_steady), WINDOW, every=colorer.every)
    found = []
    for number, lab in enumerate(frames):
        frame, small = VideoFrame(number), shrink_lightness(lab[:, :1], size)
        found += colors.add(
            small,
            partial(colorer.color, frame, small),
            fixed=colorer.is_key(frame, small),
            correct=partial(colorer.correct, frame, small) if colorer.corrects() else None,
            corrected=colorer.is_corrected(frame),
        )
    return found + colors.flush()


def frame_psnr(colors: Sequence[Tensor], frames: Sequence[Tensor]) -> np.ndarray:
    """Return the PSNR in dB of each colorized frame."""
    values = []
    for ab, lab in zip(colors, frames, strict=True):
        enlarged = F.interpolate(ab, lab.shape[-2:], mode="bilinear")
        colored = lab_to_rgb(torch.cat([lab[:, :1], enlarged], dim=1)).clamp(0, 1)
        values.append(float(psnr(colored, lab_to_rgb(lab).clamp(0, 1))))
    return np.array(values)
