"""The whole way: frames in, shots found, colored, held steady, written part by part, joined."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from colorzoo.inference.full_size import join
from colorzoo.inference.resample import shrink_luma, working_size
from colorzoo.video.frame import Frame, Source
from colorzoo.video.painter import Painter
from colorzoo.video.parts import PartsFolder, Shot
from colorzoo.video.shots import ShotFinder
from colorzoo.video.steady import Steadier

_WAITING = 2**28  # bytes of frames that wait for the colors of those ahead


@dataclass(frozen=True)
class Result:
    """What was done.

    Attributes:
        frames: How many were written.
        shots: The shots, in order.
        resumed: Frames that an earlier run had finished.
    """

    frames: int
    shots: tuple[Shot, ...]
    resumed: int


class OpenShot:
    """A shot that is being colored.

    Args:
        source: Where frames come from.
        painter: Gives colors to single frames.
        parts: Where the shot is written.
        first: Number of its first frame.
        steady: See `Steadier`.
        size: Shorter side at which the network sees a frame.
    """

    def __init__(
        self, source: Source, painter: Painter, parts: PartsFolder, first: int, steady: float, size: int
    ) -> None:
        self._painter, self._parts, self._size = painter, parts, size
        self._waiting: deque[Frame] = deque()
        self._steady, self._steadier = steady, Steadier(steady)
        self._writer = source.part(parts.part(first, source.extension))
        self._first, self._count = first, 0
        painter.begin()

    def add(self, frame: Frame) -> None:
        """Color a frame; it is written when those ahead of it are known."""
        luma = frame.picture.luma()
        if self._count == 0:
            ahead, block = look_ahead(luma.numel())
            self._steadier = Steadier(self._steady, ahead, block)
        height, width = luma.shape[-2:]
        seen = shrink_luma(luma, working_size(height, width, self._size))
        held = self._painter.is_key(frame, seen)
        self._waiting.append(frame)
        self._count += 1
        self._write(self._steadier.add(seen, self._painter.color(frame, seen), held=held))

    def finish(self) -> Shot:
        """Write the rest, and note that the shot is finished."""
        self._write(self._steadier.flush())
        self._writer.close()
        shot = Shot(self._first, self._count)
        self._parts.finish(shot)
        return shot

    def _write(self, steady: list[Tensor]) -> None:
        for ab in steady:
            frame = self._waiting.popleft()
            self._writer.write(frame, join(frame.picture.luma()[0, 0], ab[0]))


class DoneShot:
    """A shot that an earlier run finished: its frames pass by.

    Args:
        shot: Which.
    """

    def __init__(self, shot: Shot) -> None:
        self.shot = shot

    def add(self, frame: Frame) -> None:
        """Do nothing."""

    def finish(self) -> Shot:
        """Return the shot."""
        return self.shot


@torch.inference_mode()
def color_video(
    source: Source,
    painter: Painter,
    parts: PartsFolder,
    out: Path,
    *,
    steady: float = 0.9,
    size: int = 256,
    tick: Callable[[], None] = lambda: None,
) -> Result:
    """Color a moving picture.

    Args:
        source: A file or a folder.
        painter: Gives colors to single frames.
        parts: Shots finished by an earlier run are not colored again.
        out: The result; it appears whole or not at all.
        steady: 0 colors each frame by itself, 1 holds colors as long as their places are seen.
        size: Shorter side at which the network sees a frame.
        tick: Called after each frame.

    Raises:
        ColorzooError: The model answers no numbers, or the disk refuses.
    """
    finder = ShotFinder()
    current: OpenShot | DoneShot | None = None
    shots: list[Shot] = []
    resumed, shape = 0, (0, 0)
    for frame in source.frames():
        begins = frame.state == "whole" and _begins(finder, frame, shape)
        if frame.state == "whole":
            shape = frame.picture.gray().shape
        if begins or current is None:
            shots += [] if current is None else [current.finish()]
            done = parts.finished(frame.number)
            current = DoneShot(done) if done else OpenShot(source, painter, parts, frame.number, steady, size)
        resumed += isinstance(current, DoneShot)
        current.add(frame)
        tick()
    shots += [] if current is None else [current.finish()]
    whole = parts.path / f"whole{out.suffix}"
    source.join([parts.part(shot.first, source.extension) for shot in shots], whole)
    parts.publish(whole, out)
    return Result(sum(shot.count for shot in shots), tuple(shots), resumed)


def _begins(finder: ShotFinder, frame: Frame, shape: tuple[int, ...]) -> bool:
    gray = frame.picture.gray()
    cut = finder.begins(gray)
    return cut or gray.shape != shape


def look_ahead(pixels: int) -> tuple[int, int]:
    """Return how many frames to look ahead and how many leave at once, as memory allows for their size."""
    waiting = max(6, min(36, _WAITING // (3 * pixels)))
    return waiting // 3, waiting - waiting // 3
