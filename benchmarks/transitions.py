"""Shot boundaries: recall and false detections for cuts, dissolves and fades that this script makes.

The shots are clips of ``--data``, forward and backward, and pans over their frames. Half of the films
flicker, and a quarter of the shots has a flash.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks._common import Options, Row, SkippedError, where
from colorzoo.apps.video.frames import VideoFrame
from colorzoo.apps.video.shots import read_shots
from colorzoo.data.decode import decode_rgb
from colorzoo.pixels.find import visible_entries

Frames = NDArray[np.float32]
Transition = tuple[str, int, int]
WIDTH, HEIGHT, RATE = 128, 72, 24
KINDS = {"cut": 200, "dissolve": 60, "fade": 60}
GOALS = {"cut": 0.98, "dissolve": 0.9, "fade": 0.9}
GOAL_FALSE = 0.3  # detections for each minute of film that are not transitions
FILMS = 16
DISSOLVE, FADE, BLACK, SHOT = (8, 41), (6, 31), (0, 20), (44, 100)  # lengths in frames
FLICKER, GRAIN, FLASH = 0.15, 3.0, 80.0
TOLERANCE = {"cut": 1, "dissolve": 2, "fade": 2}  # frames


@dataclass(frozen=True)
class GrayFrame(VideoFrame):
    """Frame of a film that `make_films` made."""

    image: NDArray[np.uint8]

    def gray(self) -> NDArray[np.uint8]:
        """Return the frame."""
        return self.image


def run(options: Options) -> list[Row]:
    """Return the recall for each kind of transition, and false detections for each minute."""
    if options.data is None:
        raise SkippedError("give a folder of clips with --data")
    folders = [folder for folder in visible_entries(options.data) if folder.is_dir()]
    files = [[path for path in visible_entries(folder) if path.is_file()] for folder in folders]
    clips = [
        np.stack([decode_rgb(Path(path).read_bytes()).float().mean(0).numpy() for path in paths])
        for paths in files
        if paths
    ]
    hits: dict[str, list[bool]] = {kind: [] for kind in KINDS}
    false = count = 0
    for frames, truth in make_films(clips):
        found = read_shots(GrayFrame(number, image) for number, image in enumerate(frames))[1:]
        left = [span.frames.start + span.mixed // 2 for span in found]
        for kind, first, end in truth:
            slack = TOLERANCE[kind]
            hit = next((each for each in left if first - slack <= each <= end + slack), None)
            hits[kind].append(hit is not None)
            if hit is not None:
                left.remove(hit)
        false, count = false + len(left), count + len(frames)
    place = f"{FILMS} films, {count} frames, {where()}"
    rows = []
    for kind, found_kind in hits.items():
        recall = float(np.mean(found_kind))
        claim = f"recall of {len(found_kind)} transitions: {kind}"
        rows.append(Row(claim, recall, GOALS[kind], recall, GOALS[kind], "higher", place))
    rate = false / (count / RATE / 60)
    return [*rows, Row("false shots for each minute", rate, GOAL_FALSE, rate, GOAL_FALSE, "lower", place)]


def make_shot(rng: np.random.Generator, clip: Frames, length: int) -> Frames:
    """Return a crop of a clip, or a pan over one of its frames, ``(T, H, W)``."""
    height, width = clip.shape[1:]
    share = rng.uniform(0.45, 0.95)
    w = min(width, height * WIDTH / HEIGHT) * share
    h = w * HEIGHT / WIDTH
    is_pan = len(clip) == 1 or rng.random() < 0.3
    start = rng.integers(len(clip))
    numbers = (np.arange(length) + start) % max(1, 2 * len(clip) - 2)  # forward and backward
    numbers = np.minimum(numbers, np.abs(2 * len(clip) - 2 - numbers))
    x0, x1 = rng.uniform(0, width - w, 2)
    y0, y1 = rng.uniform(0, height - h, 2)
    if is_pan:
        numbers[:] = start
    else:
        x1, y1 = x0, y0
    flip = rng.random() < 0.5
    out = np.empty((length, HEIGHT, WIDTH), np.float32)
    for i, n in enumerate(numbers):
        s = i / max(1, length - 1)
        x, y = x0 + (x1 - x0) * s, y0 + (y1 - y0) * s
        m = np.array([[w / WIDTH, 0, x], [0, h / HEIGHT, y]], np.float32)
        flags = cv2.INTER_AREA | cv2.WARP_INVERSE_MAP
        img = cv2.warpAffine(clip[n], m, (WIDTH, HEIGHT), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        out[i] = img[:, ::-1] if flip else img
    return out


def make_films(
    clips: Sequence[Frames],
    seed: int = 0,
    kinds: Mapping[str, int] = KINDS,
    films: int = FILMS,
    disturb: Callable[[Frames], Frames] = lambda shot: shot,
) -> Iterator[tuple[NDArray[np.uint8], list[Transition]]]:
    """Yield the frames ``(T, H, W)`` and the transitions (kind, first frame, end) of each film.

    Args:
        clips: Frames ``(T, H, W)`` of each clip; one frame for a photo.
        seed: Seed of all choices.
        kinds: Number of transitions of each kind.
        films: Number of films.
        disturb: Function that changes each shot ``(T, H, W)``.
    """
    rng = np.random.default_rng(seed)
    todo = rng.permutation([k for k, c in kinds.items() for _ in range(c)])
    for number, part in enumerate(np.array_split(todo, films)):
        chosen = [int(rng.integers(len(clips)))]
        for _ in part:
            c = int(rng.integers(len(clips) - 1))
            chosen.append(c + (c >= chosen[-1]))
        frames, truth, flashes = np.zeros((0, HEIGHT, WIDTH), np.float32), list[Transition](), list[int]()
        for i, c in enumerate(chosen):
            length = int(rng.integers(*SHOT))
            kind = str(part[i - 1]) if i else "start"
            if kind == "dissolve":
                n = min(int(rng.integers(*DISSOLVE)), len(frames) - 1)
                shot = disturb(make_shot(rng, clips[c], length + 2 * n))
                tail = len(frames) - n
                mix = (np.arange(1, n + 1) / (n + 1)).astype(np.float32)[:, None, None]
                mixed = frames[tail:] * (1 - mix) + shot[:n] * mix
                truth.append((kind, tail, len(frames)))
                frames = np.concatenate([frames[:tail], mixed, shot[n:]])
            else:
                shot = disturb(make_shot(rng, clips[c], length))
                if kind == "cut":
                    truth.append((kind, len(frames), len(frames)))
                elif kind == "fade":
                    a, b = rng.integers(*FADE, 2)
                    black = np.full((int(rng.integers(*BLACK)), HEIGHT, WIDTH), 16, np.float32)
                    frames[-a:] = (frames[-a:] - 16) * np.linspace(1, 0, a + 1)[1:, None, None] + 16
                    shot[:b] = (shot[:b] - 16) * np.linspace(0, 1, b + 1)[:-1, None, None] + 16
                    truth.append((kind, len(frames) - a, len(frames) + len(black) + b))
                    frames = np.concatenate([frames, black])
                frames = np.concatenate([frames, shot])
            if rng.random() < 0.25:
                flashes.append(len(frames) - length // 2)
        if number % 2:
            frames *= 1 + FLICKER * rng.uniform(-1, 1, (len(frames), 1, 1))
        for at in flashes:
            frames[at : at + int(rng.integers(1, 4))] += FLASH
        frames += rng.normal(0, GRAIN, frames.shape)
        yield frames.clip(0, 255).astype(np.uint8), truth
