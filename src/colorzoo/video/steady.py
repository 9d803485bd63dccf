"""Colors held steady within a shot: ab averaged along the motion of the picture, where it can be followed.

Each frame's ab is drawn towards that of the frame before, fetched along the optical flow of the lightness.
The same is done backwards from some frames ahead, and the two are averaged. Nothing is taken from places that
were hidden: flow there and back must meet, and the lightness found must be the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.metrics.flow import warp

_MOST = 0.98  # of the neighbor's color that is ever taken: a shot may change its light
_APART = 1.0  # pixels by which flow there and back may miss
_LIGHTNESS = 8.0  # by which a place may change on the way


@dataclass(frozen=True)
class Step:
    """The way from each pixel of a frame to its neighbor in time.

    Attributes:
        flow: ``(1, 2, h, w)`` in pixels.
        trust: ``(1, 1, h, w)`` in [0, 1].
    """

    flow: Tensor
    trust: Tensor

    def pull(self, ab: Tensor, neighbor: Tensor, strength: float) -> Tensor:
        """Return ab ``(1, 2, h, w)`` drawn towards what the neighbor has at the same places."""
        return ab + strength * self.trust * (warp(neighbor, self.flow) - ab)


class Steadier:
    """Steady colors of one shot; frames come in order and leave a little later.

    Args:
        strength: 0 leaves colors as they are, 1 holds them as long as their places are seen.
        ahead: Frames to look ahead.
        block: Frames that leave at once: the way back from ahead is walked once a block.
    """

    def __init__(self, strength: float, ahead: int = 12, block: int = 24) -> None:
        self._strength = min(strength, _MOST)
        self._ahead, self._block = (ahead, block) if strength > 0 else (0, 1)
        self._last: tuple[Tensor, Tensor] | None = None  # luma, and ab as drawn forwards
        self._luma: list[Tensor] = []
        self._raw: list[Tensor] = []
        self._forward: list[Tensor] = []
        self._back: list[Step | None] = []  # from each waiting frame to the one after it
        self._held: list[bool] = []

    def add(self, luma: Tensor, ab: Tensor, *, held: bool = False) -> list[Tensor]:
        """Add a frame; return the colors of those that are now steady.

        Args:
            luma: ``(1, 1, h, w)`` in [0, 100].
            ab: ``(1, 2, h, w)`` in CIE units.
            held: These colors are the user's: others are drawn towards them, they towards none.
        """
        drawn = ab
        if self._strength > 0 and self._last is not None:
            before, after = steps(self._last[0], luma)
            drawn = ab if held else after.pull(ab, self._last[1], self._strength)
            if self._back:
                self._back[-1] = before
        self._last = (luma, drawn)
        self._raw.append(ab)
        self._forward.append(drawn)
        self._back.append(None)
        self._held.append(held)
        return self._leave(self._block) if len(self._raw) >= self._block + self._ahead else []

    def flush(self) -> list[Tensor]:
        """Return what is still waiting, at the end of a shot."""
        rest = self._leave(len(self._raw))
        self._last = None
        return rest

    def _leave(self, count: int) -> list[Tensor]:
        steady: list[Tensor] = []
        behind: Tensor | None = None
        waiting = zip(self._raw, self._forward, self._back, self._held, strict=True)
        for raw, forward, step, held in reversed(list(waiting)):
            backward = raw
            if step is not None and behind is not None and not held:
                backward = step.pull(raw, behind, self._strength)
            steady.append((forward + backward) / 2)
            behind = backward
        for kept in (self._raw, self._forward, self._back, self._held):
            del kept[:count]
        return steady[::-1][:count]


def steps(first: Tensor, second: Tensor) -> tuple[Step, Step]:
    """Return the way from the first frame to the second, and that from the second to the first.

    Args:
        first: Lightness ``(1, 1, h, w)`` in [0, 100].
        second: Of the same size.
    """
    grays = [_gray(luma) for luma in (first, second)]
    there, back = _flow(grays[0], grays[1]), _flow(grays[1], grays[0])
    return (
        Step(there, _trust(first, second, there, back)),
        Step(back, _trust(second, first, back, there)),
    )


def _trust(luma: Tensor, other: Tensor, there: Tensor, back: Tensor) -> Tensor:
    inside = (warp(torch.ones_like(luma), there) > 0.999).float()
    apart = (there + warp(back, there)).square().sum(dim=1, keepdim=True)
    lightness = (warp(other, there) - luma).square()
    return inside * torch.exp(-apart / (2 * _APART**2) - lightness / (2 * _LIGHTNESS**2))


def _gray(luma: Tensor) -> NDArray[np.uint8]:
    return (luma[0, 0] * 2.55).round().clamp(0, 255).byte().numpy()


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
    """Return the flow ``(1, 2, h, w)`` by dense inverse search (Kroeger et al. 2016)."""
    if min(first.shape) < 16:  # below, its patches do not fit
        return torch.zeros(1, 2, *first.shape)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(np.ascontiguousarray(first), np.ascontiguousarray(second), None)
    return torch.from_numpy(found).permute(2, 0, 1)[None]
