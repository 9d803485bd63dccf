"""Exposure stabilization within a shot.

The model's input is stabilized, because flicker in old footage would change the predicted colors.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_SIDE = 48  # shorter side in pixels of compared frames; suppresses grain and slight motion
_BLACK = 16.0  # multiplying the luminance by a factor multiplies L* + 16 by the cube root of the factor
_FLICKER = 1.25  # largest factor of a change that counts as flicker
_LIGHTING = 1.5  # factor from which a change is not stabilized
_USABLE = (4.0, 96.0)  # lightness range without black and clipped pixels
_RETURN = 0.06  # fraction of an exposure change accepted per frame, to keep true lighting changes


class ExposureHold:
    """Exposure stabilizer for the frames of a shot.

    The reference exposure is a running mean over about 15 frames. Frames must be passed in order.
    """

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None  # the previous frame, downscaled and stabilized

    def factor(self, lightness: Tensor) -> float:
        """Return the factor for `exposed` that matches a frame's exposure to the previous frames.

        Args:
            lightness: ``(1, 1, h, w)`` lightness of the frame in [0, 100].
        """
        height, width = lightness.shape[-2:]
        scale = min(1.0, _SIDE / min(height, width))
        size = (round(width * scale), round(height * scale))
        small = cv2.resize(lightness[0, 0].numpy(), size, interpolation=cv2.INTER_AREA)
        factor = 1.0
        if self._last is not None:
            ratio = exposure_ratio(small, self._last)
            # a fade or another change of the lighting is larger than flicker
            is_flicker = np.log(_LIGHTING / max(ratio, 1 / ratio)) / np.log(_LIGHTING / _FLICKER)
            factor = float(ratio ** ((1 - _RETURN) * is_flicker.clip(0, 1)))
        self._last = exposed(torch.from_numpy(small), factor).numpy()
        return factor


def exposure_ratio(lightness: NDArray[Any], other: NDArray[Any]) -> float:
    """Return the factor for `exposed` that best maps a lightness map to another lightness map."""
    low, high = _USABLE
    usable = (lightness > low) & (lightness < high) & (other > low) & (other < high)
    if np.count_nonzero(usable) < usable.size // 20:
        return 1.0
    return float(np.median((other[usable] + _BLACK) / (lightness[usable] + _BLACK)))


def exposed(lightness: Tensor, factor: float) -> Tensor:
    """Change the exposure of a lightness map in [0, 100].

    Multiplying L* + 16 by ``factor`` multiplies the luminance by ``factor ** 3`` (except near black).
    """
    if factor == 1:
        return lightness
    return ((lightness + _BLACK) * factor - _BLACK).clamp(0, 100)
