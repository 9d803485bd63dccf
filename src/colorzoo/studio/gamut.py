"""The ab plane at one lightness as a picture, and what becomes of a chosen color there."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from colorzoo.color import in_gamut, lab_to_rgb, reduce_chroma

REACH = 110
SIDE = 2 * REACH + 1
SNAPPED = 0.5  # CIE units; less is no change that anyone could see


@dataclass(frozen=True)
class Shown:
    """A color at a lightness.

    Attributes:
        luma: L in [0, 100].
        ab: In CIE units, inside sRGB.
        color: ``#rrggbb``.
        snapped: Whether the chosen color lay outside and lost chroma.
    """

    luma: float
    ab: tuple[float, float]
    color: str
    snapped: bool


@lru_cache(maxsize=101)
def gamut_picture(luma: int) -> bytes:
    """Return ``SIDE x SIDE`` RGBA bytes of the ab plane at a lightness; alpha is 0 outside sRGB.

    Rows run from a = 110 down to -110, columns from b = -110 to 110.
    """
    a = torch.arange(REACH, -REACH - 1, -1.0)[:, None].expand(SIDE, SIDE)
    b = torch.arange(-REACH, REACH + 1.0)[None].expand(SIDE, SIDE)
    lab = torch.stack([torch.full((SIDE, SIDE), float(luma)), a, b])
    levels = torch.cat([lab_to_rgb(lab).clamp(0, 1), in_gamut(lab).float()]) * 255
    return levels.round().to(torch.uint8).permute(1, 2, 0).contiguous().numpy().tobytes()


def show(ab: Tensor, luma: Tensor) -> list[Shown]:
    """Return what sRGB can show of ``(N, 2)`` ab at ``(N,)`` lightness."""
    lab = torch.cat([luma[:, None], ab.float()], dim=1).T[:, :, None]
    inside = reduce_chroma(lab)
    moved = (inside - lab)[1:].abs().amax(dim=(0, 2)) > SNAPPED
    levels = (lab_to_rgb(inside)[:, :, 0].T * 255).round().int().tolist()
    columns = zip(luma.tolist(), inside[1:, :, 0].T.tolist(), levels, moved.tolist(), strict=True)
    return [Shown(level, (a, b), _hex(color), snapped) for level, (a, b), color, snapped in columns]


def to_hex(rgb: Tensor) -> str:
    """Return ``#rrggbb`` of ``(3,)`` RGB in [0, 1]."""
    return _hex((rgb.clamp(0, 1) * 255).round().int().tolist())


def _hex(levels: list[int]) -> str:
    return "#" + "".join(f"{level:02x}" for level in levels)
