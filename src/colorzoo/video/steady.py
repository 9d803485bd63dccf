"""Temporal stabilization of colors within a shot: ab is averaged along the optical flow of the lightness.

Each frame's ab is blended with that of the previous frame, warped by the flow. The same is done backward from
some frames ahead, and both results are averaged. Occluded places are left out: forward and backward flow must
agree, and so must the lightness.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.metrics.flow import warp

_MAX_STRENGTH = 0.98  # the light may change within a shot
_FLOW_ERROR = 2.0  # tolerated disagreement of forward and backward flow, in pixels
_LIGHTNESS_ERROR = 16.0  # tolerated change of the lightness


@dataclass(frozen=True)
class Motion:
    """Motion from a frame to an adjacent one.

    Attributes:
        flow: ``(1, 2, h, w)`` in pixels.
        trust: ``(1, 1, h, w)`` in [0, 1].
    """

    flow: Tensor
    trust: Tensor

    def blend(self, ab: Tensor, neighbor: Tensor, strength: float) -> Tensor:
        """Return ab ``(1, 2, h, w)`` blended with the warped ab of the adjacent frame."""
        return ab + strength * self.trust * (warp(neighbor, self.flow) - ab)


class ColorStabilizer:
    """Stabilizes the colors of one shot; frames are returned in order, with a delay.

    Args:
        strength: 0 keeps the colors, 1 holds the colors of everything that stays visible.
        ahead: Frames to look ahead.
        block: Frames returned at once, after one backward pass.
    """

    def __init__(self, strength: float, ahead: int = 12, block: int = 24) -> None:
        self._strength = min(strength, _MAX_STRENGTH)
        self._ahead, self._block = (ahead, block) if strength > 0 else (0, 1)
        self._last: tuple[Tensor, Tensor] | None = None  # lightness, and ab after the forward pass
        self._lightness: list[Tensor] = []
        self._raw: list[Tensor] = []
        self._forward: list[Tensor] = []
        self._next: list[Motion | None] = []  # from each waiting frame to the next one
        self._fixed: list[bool] = []

    def add(self, lightness: Tensor, ab: Tensor, *, fixed: bool = False) -> list[Tensor]:
        """Add a frame and return the colors of finished frames.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].
            ab: ``(1, 2, h, w)`` in CIE units.
            fixed: Keep these colors, which the user chose; adjacent frames are blended with them.
        """
        blended = ab
        if self._strength > 0 and self._last is not None:
            to_next, to_previous = estimate_motion(self._last[0], lightness)
            blended = ab if fixed else to_previous.blend(ab, self._last[1], self._strength)
            if self._next:
                self._next[-1] = to_next
        self._last = (lightness, blended)
        self._raw.append(ab)
        self._forward.append(blended)
        self._next.append(None)
        self._fixed.append(fixed)
        return self._finish(self._block) if len(self._raw) >= self._block + self._ahead else []

    def flush(self) -> list[Tensor]:
        """Return the colors of all waiting frames, at the end of a shot."""
        rest = self._finish(len(self._raw))
        self._last = None
        return rest

    def _finish(self, count: int) -> list[Tensor]:
        stable: list[Tensor] = []
        following: Tensor | None = None
        waiting = zip(self._raw, self._forward, self._next, self._fixed, strict=True)
        for raw, forward, motion, fixed in reversed(list(waiting)):
            backward = raw
            if motion is not None and following is not None and not fixed:
                backward = motion.blend(raw, following, self._strength)
            stable.append((forward + backward) / 2)
            following = backward
        for kept in (self._raw, self._forward, self._next, self._fixed):
            del kept[:count]
        return stable[::-1][:count]


def estimate_motion(first: Tensor, second: Tensor) -> tuple[Motion, Motion]:
    """Return the motion from the first frame to the second, and from the second to the first.

    Args:
        first: Lightness ``(1, 1, h, w)`` in [0, 100].
        second: Of the same size.
    """
    grays = [_gray(lightness) for lightness in (first, second)]
    forward, backward = _flow(grays[0], grays[1]), _flow(grays[1], grays[0])
    return (
        Motion(forward, _trust(first, second, forward, backward)),
        Motion(backward, _trust(second, first, backward, forward)),
    )


def _trust(lightness: Tensor, other: Tensor, flow: Tensor, reverse: Tensor) -> Tensor:
    inside = (warp(torch.ones_like(lightness), flow) > 0.999).float()
    flow_error = (flow + warp(reverse, flow)).square().sum(dim=1, keepdim=True)
    lightness_error = (warp(other, flow) - lightness).square()
    return inside * torch.exp(
        -flow_error / (2 * _FLOW_ERROR**2) - lightness_error / (2 * _LIGHTNESS_ERROR**2)
    )


def _gray(lightness: Tensor) -> NDArray[np.uint8]:
    return (lightness[0, 0] * 2.55).round().clamp(0, 255).byte().numpy()


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Tensor:
    """Return the flow ``(1, 2, h, w)`` by dense inverse search (Kroeger et al. 2016)."""
    if min(first.shape) < 16:  # smaller than its patches
        return torch.zeros(1, 2, *first.shape)
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    found = search.calc(np.ascontiguousarray(first), np.ascontiguousarray(second), None)
    return torch.from_numpy(found).permute(2, 0, 1)[None]
