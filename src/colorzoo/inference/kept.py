"""Colors that a lock keeps, as a small picture inside a recipe."""

from __future__ import annotations

import base64
import binascii
import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance.areas import KeptColors
from colorzoo.picture_formats import open_picture

_LONGEST = 4096  # pixels a side
_LEVELS = 255
_LEAST_STEP = 1e-3  # units of Lab


def keep_colors(lab: Tensor, share: Tensor) -> KeptColors:
    """Return the colors of a result as a recipe keeps them, exact to half a step of its levels.

    Args:
        lab: ``(3, h, w)``; L counts only where a model paints it, and is 0 elsewhere.
        share: ``(h, w)`` in [0, 1]; where it is 0 and what is near, nothing is kept.
    """
    near = F.max_pool2d(share[None, None], 9, stride=1, padding=4)[0, 0] > 0
    if not near.any():
        near = torch.ones_like(near)
    low, high = lab[:, near].min(dim=1).values, lab[:, near].max(dim=1).values
    step = ((high - low) / _LEVELS).clamp(min=_LEAST_STEP)
    levels = ((lab - low[:, None, None]) / step[:, None, None]).round().clamp(0, _LEVELS) * near
    memory = io.BytesIO()
    Image.fromarray(levels.byte().permute(1, 2, 0).numpy()).save(memory, "PNG", optimize=True)
    text = base64.b64encode(memory.getvalue()).decode()
    return KeptColors(text, _triple(low), _triple(step))


def kept_lab(kept: KeptColors, size: tuple[int, int]) -> Tensor:
    """Return kept colors ``(3, h, w)`` at a size, Lab as `keep_colors` took it.

    Raises:
        GuidanceError: They cannot be read.
    """
    try:
        with open_picture(io.BytesIO(base64.b64decode(kept.png, validate=True))) as image:
            if (image.format, image.mode) != ("PNG", "RGB") or max(image.size) > _LONGEST:
                raise ValueError
            levels = torch.from_numpy(np.array(image))
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        raise GuidanceError(
            "recipe.areas: kept.png is no RGB picture as PNG; lock the area once more."
        ) from None
    low, step = (torch.tensor(values).view(3, 1, 1) for values in (kept.low, kept.step))
    lab = levels.permute(2, 0, 1).float() * step + low
    if tuple(lab.shape[1:]) == size:
        return lab
    return F.interpolate(lab[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _triple(values: Tensor) -> tuple[float, float, float]:
    luma, a, b = (round(value, 5) for value in values.tolist())
    return luma, a, b
