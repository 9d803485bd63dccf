"""The authors' script around the network, for comparison, with the color formulas of Torch7's image package.

`Colorizer` keeps the lightness of the image instead.
"""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.zoo.iizuka2016.model import (
    EPSILON,
    KAPPA,
    WHITE,
    multiply,
    scale,
    to_ab,
    torch7_lab,
)

_YUV = ((0.299, 0.587, 0.114), (-0.14713, -0.28886, 0.436), (0.615, -0.51499, -0.10001))
_FROM_YUV = ((1, 0, 1.13983), (1, -0.39465, -0.58060), (1, 2.03211, 0))
_FROM_XYZ = (
    (3.2404542, -1.5371385, -0.4985314),
    (-0.9692660, 1.8760108, 0.0415560),
    (0.0556434, -0.2040259, 1.0572252),
)


def recolor(gray: Tensor, maps: Tensor, *, true_lightness: bool = False) -> Tensor:
    """Join the network's output with an image as the script does: U and V of the colors, Y of the image.

    Args:
        gray: Y of the image, ``(B, 1, H, W)`` in [0, 1].
        maps: The output in (0, 1), ``(B, 2, h, w)``.
        true_lightness: Use the lightness of the gray image. The script takes Y for all of Y, U and V, which
            gives another lightness and with it other U and V.

    Returns:
        RGB ``(B, 3, H, W)``, not clipped.
    """
    return yuv_to_rgb(torch.cat([gray, chroma(gray, maps, true_lightness=true_lightness)], dim=1))


def chroma(gray: Tensor, maps: Tensor, *, true_lightness: bool = False) -> Tensor:
    """Return U and V ``(B, 2, H, W)`` of the network's output; see `recolor`."""
    shown = lightness(gray, true_lightness=true_lightness)
    ab = to_ab(scale(maps, (gray.shape[-2], gray.shape[-1])))
    return rgb_to_yuv(lab_to_rgb(torch.cat([shown, ab], dim=1)))[:, 1:]


def lightness(gray: Tensor, *, true_lightness: bool = False) -> Tensor:
    """Return the L ``(B, 1, H, W)`` that the script uses, or the L of the gray image."""
    copies = gray.expand(-1, 3, -1, -1)
    return torch7_lab(copies if true_lightness else yuv_to_rgb(copies))[:, :1]


def rgb_to_yuv(rgb: Tensor) -> Tensor:
    """Return YUV of RGB, both ``(B, 3, H, W)``."""
    return multiply(_YUV, rgb)


def yuv_to_rgb(yuv: Tensor) -> Tensor:
    """Return RGB of YUV, the inverse of `rgb_to_yuv` within 1e-5."""
    return multiply(_FROM_YUV, yuv)


def lab_to_rgb(lab: Tensor) -> Tensor:
    """Return RGB of Lab ``(B, 3, H, W)``, not clipped; negative values stay linear."""
    lightness, a, b = lab.unbind(1)
    y = (lightness + 16) / 116
    x, z = _cube(a / 500 + y), _cube(y - b / 200)
    y = torch.where(lightness > KAPPA * EPSILON, y**3, lightness / KAPPA)
    linear = multiply(_FROM_XYZ, torch.stack([x, y, z], dim=1) * lab.new_tensor(WHITE).view(3, 1, 1))
    curved = 1.055 * linear.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(linear > 0.0031308, curved, 12.92 * linear)


def _cube(root: Tensor) -> Tensor:
    cube = root**3
    return torch.where(cube > EPSILON, cube, (116 * root - 16) / KAPPA)
