"""The statistics of a picture, ready for a recipe: its histogram over the ab bins, its mean saturation."""

from __future__ import annotations

from typing import Any

import torch

from colorzoo.color import hull_centers, nearest_bin, rgb_to_lab
from colorzoo.inference.kinds import as_reference
from colorzoo.inference.picture import Picture

_SIDE = 128  # pixels of the shorter side on which colors are counted


def measure(picture: Picture) -> dict[str, Any]:
    """Return ``histogram`` (313 shares) and ``saturation`` (mean of HSV) of a picture."""
    rgb = as_reference(picture, _SIDE)
    ab = rgb_to_lab(rgb)[0, 1:].flatten(1).T
    counts = torch.bincount(nearest_bin(ab), minlength=len(hull_centers())).float()
    top, low = rgb.amax(dim=1), rgb.amin(dim=1)
    saturation = ((top - low) / top.clamp(min=1e-6)).mean()
    shares = (counts / counts.sum()).tolist()
    return {"saturation": round(float(saturation), 4), "histogram": [round(share, 6) for share in shares]}
