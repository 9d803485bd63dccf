"""Exposure of the frames of a shot: old film flickers, and colors must not follow."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SIDE = 48  # shorter side at which frames are compared, where grain and small motion do not count
_BLACK = 16.0  # a factor on light is one on L* + 16
_LEAST, _MOST = 0.7, 1.45  # of the factor
_USABLE = (4.0, 96.0)  # lightness that is neither black nor burnt out
_RETURN = (
    0.06  # share of a change that is accepted with each frame, so that true changes of light come through
)


class ExposureHold:
    """Holds the exposure of a shot at its mean over some fifteen frames; frames are passed in order."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None  # the frame before, small and with its exposure held

    def factor(self, lightness: Tensor) -> float:
        """Return the factor on the light by which a frame gets the exposure of the frames before.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].
        """
        height, width = lightness.shape[-2:]
        scale = min(1.0, _SIDE / min(height, width))
        size = (round(width * scale), round(height * scale))
        small = cv2.resize(lightness[0, 0].numpy(), size, interpolation=cv2.INTER_AREA)
        factor = 1.0
        if self._last is not None:
            factor = _factor(small, self._last) ** (1 - _RETURN)
        self._last = exposed(torch.from_numpy(small), factor).numpy()
        return factor


def exposed(lightness: Tensor, factor: float) -> Tensor:
    """Return lightness in [0, 100] with a factor on the light."""
    if factor == 1:
        return lightness
    return ((lightness + _BLACK) * factor - _BLACK).clamp(0, 100)


def _factor(lightness: NDArray[np.float32], wanted: NDArray[np.float32]) -> float:
    """Return the factor on the light that brings most of a frame to the lightness of another."""
    low, high = _USABLE
    usable = (lightness > low) & (lightness < high) & (wanted > low) & (wanted < high)
    if np.count_nonzero(usable) < lightness.size // 20:
        return 1.0
    ratio = (wanted[usable] + _BLACK) / (lightness[usable] + _BLACK)
    return float(np.median(ratio).clip(_LEAST, _MOST))
