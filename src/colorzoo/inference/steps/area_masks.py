"""Areas of a recipe as maps at the network's size: soft masks, shifts of lightness, and locked colors.

The edges of a soft mask follow the image: the mask is fitted by the lightness window by window (a guided
filter, He et al. 2013). The fit is two small maps, which also apply to the lightness at full size.
"""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area
from colorzoo.guidance.areas import KeptColors
from colorzoo.image_io.formats import open_image
from colorzoo.inference.full_size import BicubicUpsampler, ShiftRows
from colorzoo.inference.steps.reach import Map

_LONGEST = 4096  # pixels a side of locked colors
_LEVELS = 255
_LEAST_STEP = 1e-3  # units of Lab


@dataclass(frozen=True)
class MaskConstants:
    """Constants of the soft masks of areas.

    Attributes:
        supersampling: Supersampling factor of drawn outlines.
        radius: Window radius of the guided filter, as a fraction of the shorter side.
        least_radius: Minimum window radius in pixels.
        slack: Regularization of the guided filter in squared units of L.
        nearly: Values within this distance of 0 or 1 are rounded to 0 or 1.
    """

    supersampling: int = 4
    radius: float = 0.016
    least_radius: int = 2
    slack: float = 9.0
    nearly: float = 0.004


MASKS = MaskConstants()


@dataclass(frozen=True)
class Matte:
    """A soft mask ``slope * lightness + offset``, from 0 to 1.

    Attributes:
        slope: ``(h, w)``.
        offset: ``(h, w)``.
    """

    slope: Tensor
    offset: Tensor

    def at(self, lightness: Tensor) -> Tensor:
        """Return the mask ``(h, w)`` for a lightness ``(h, w)`` of the same size."""
        return _settled(self.slope * lightness + self.offset)

    def enlarged(self, size: tuple[int, int]) -> ShiftRows:
        """Return a function from bands ``(rows, W)`` of a larger lightness to their masks.

        Args:
            size: Height and width of the larger image.
        """
        maps = BicubicUpsampler(torch.stack([self.slope, self.offset]), size)

        def share(lightness: Tensor, first: int, last: int) -> Tensor:
            slope, offset = maps.rows(first, last)
            return _settled(slope * lightness + offset)

        return share


@dataclass(frozen=True)
class DrawnArea:
    """An area on a small copy of its image.

    Attributes:
        area: The area of the recipe.
        matte: Its soft mask.
        share: The mask on the copy, ``(h, w)`` in [0, 1].
    """

    area: Area
    matte: Matte
    share: Tensor


@dataclass(frozen=True)
class LightnessShift:
    """Shift of an image's lightness by areas whose lightness follows their colors.

    Attributes:
        parts: Soft masks, and the shifts in units of L.
    """

    parts: tuple[tuple[Matte, float], ...]

    def apply(self, lightness: Tensor) -> Tensor:
        """Return the shifted lightness ``(1, 1, H, W)`` of any size."""
        size = (lightness.shape[2], lightness.shape[3])
        return self.by_rows(size)(lightness[0, 0], 0, size[0])[None, None]

    def by_rows(self, size: tuple[int, int]) -> ShiftRows:
        """Return the shift of bands ``(rows, W)`` of an image of this height and width."""
        shares = [(matte.enlarged(size), units) for matte, units in self.parts]

        def shift(lightness: Tensor, first: int, last: int) -> Tensor:
            shifted = lightness
            for share, units in shares:
                shifted = shifted + units * share(lightness, first, last)
            return shifted.clamp(0, 100)

        return shift


def draw_areas(
    lightness: Tensor, *, areas: Sequence[Area], image_size: tuple[int, int]
) -> tuple[DrawnArea, ...]:
    """Draw areas on a small copy of their image, as soft masks.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100] of the copy.
        areas: Areas of a recipe.
        image_size: Width and height of the image.
    """
    size = (int(lightness.shape[2]), int(lightness.shape[3]))
    drawn = []
    for area in areas:
        matte = fit_matte(area_map(area, image_size, size), lightness)
        if area.feather > 0:
            cells = max(1, int(area.feather * size[1] / image_size[0] + 0.5))
            matte = feather(matte.at(lightness[0, 0]), cells)
        drawn.append(DrawnArea(area, matte, matte.at(lightness[0, 0])))
    return tuple(drawn)


def set_opacities(drawn: Sequence[DrawnArea], *, opacities: Sequence[float]) -> tuple[DrawnArea, ...]:
    """Set the opacity of each area without changing its mask."""
    return tuple(
        replace(each, area=replace(each.area, opacity=opacity))
        for each, opacity in zip(drawn, opacities, strict=True)
    )


def area_map(area: Area, image_size: tuple[int, int], size: tuple[int, int]) -> Map:
    """Return the coverage ``(h, w)`` in [0, 1] of each cell by an area.

    Args:
        area: The area.
        image_size: Width and height of its image.
        size: Height and width of the map.
    """
    if area.mask is None:
        return polygon_map(area.path, image_size, size)
    inside = area.mask.array().astype(np.float32)
    if inside.shape == size:
        return inside
    smaller = size[0] < inside.shape[0] and size[1] < inside.shape[1]
    interpolation = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(inside, (size[1], size[0]), interpolation=interpolation), np.float32)


def polygon_map(
    path: Sequence[tuple[float, float]], image_size: tuple[int, int], size: tuple[int, int]
) -> Map:
    """Return the coverage of each cell ``(h, w)`` by an outline in pixels of the image."""
    canvas = Image.new("L", (size[1] * MASKS.supersampling, size[0] * MASKS.supersampling))
    scale_x, scale_y = canvas.width / image_size[0], canvas.height / image_size[1]
    # Pillow includes the pixels of the corners, so half a pixel is subtracted
    corners = [(x * scale_x - 0.5, y * scale_y - 0.5) for x, y in path]
    ImageDraw.Draw(canvas).polygon(corners, fill=255)
    return np.asarray(canvas.reduce(MASKS.supersampling), np.float32) / np.float32(255)


def fit_matte(inside: Map, lightness: Tensor) -> Matte:
    """Fit a mask ``(h, w)`` in [0, 1] to nearby edges of a lightness ``(1, 1, h, w)`` in [0, 100]."""
    guide = np.ascontiguousarray(lightness[0, 0].numpy(), dtype=np.float64)
    mask = inside.astype(np.float64)
    side = 2 * max(MASKS.least_radius, round(MASKS.radius * min(guide.shape))) + 1

    def mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    center, level = mean(guide), mean(mask)
    variance = mean(guide * guide) - center * center
    covariance = mean(guide * mask) - center * level
    slope = covariance / (variance + MASKS.slack)
    offset = level - slope * center
    return Matte(*(torch.from_numpy(mean(part)).float() for part in (slope, offset)))


def feather(share: Tensor, cells: int) -> Matte:
    """Return a mask ``(h, w)`` with a soft boundary of the given width in cells to both sides.

    The result does not follow the edges of the image.
    """
    faded = share.double().numpy()
    for reach in (cells // 2, cells - cells // 2):
        side = 2 * reach + 1
        faded = np.asarray(cv2.blur(faded, (side, side), borderType=cv2.BORDER_REFLECT))
    return Matte(torch.zeros_like(share), torch.from_numpy(faded).float())


def _settled(share: Tensor) -> Tensor:
    """Clamp values to [0, 1] and round values close to the ends."""
    return ((share - MASKS.nearly) / (1 - 2 * MASKS.nearly)).clamp(0, 1)


def locked_share(drawn: Sequence[DrawnArea], action: str) -> Tensor:
    """Return the lock mask ``(h, w)`` in [0, 1] of areas: inside for ``lock``, outside for ``only``."""
    union = torch.stack([each.share for each in drawn]).amax(dim=0)
    share = union if action == "lock" else 1 - union
    return (2 * share).clamp(0, 1)  # half-locked pixels are fully locked


def encode_locked_colors(lab: Tensor, share: Tensor) -> KeptColors:
    """Encode the colors of a result for a recipe, exact to half a step of 255 levels.

    Args:
        lab: ``(3, h, w)``; L is 0 unless the model predicts the lightness.
        share: ``(h, w)`` in [0, 1]; only locations near values above 0 are stored.
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
    return KeptColors(text, _rounded(low), _rounded(step))


def decode_locked_colors(kept: KeptColors, size: tuple[int, int]) -> Tensor:
    """Decode the colors of `encode_locked_colors` at a size, ``(3, h, w)`` Lab.

    Raises:
        GuidanceError: The data cannot be decoded.
    """
    try:
        with open_image(io.BytesIO(base64.b64decode(kept.png, validate=True))) as image:
            if (image.format, image.mode) != ("PNG", "RGB") or max(image.size) > _LONGEST:
                raise ValueError
            levels = torch.from_numpy(np.array(image))
    except (OSError, ValueError, SyntaxError, binascii.Error, Image.DecompressionBombError):
        raise GuidanceError(
            "recipe.areas: kept.png must be an RGB image in PNG format; lock the area again."
        ) from None
    low, step = (torch.tensor(values).view(3, 1, 1) for values in (kept.low, kept.step))
    lab = levels.permute(2, 0, 1).float() * step + low
    if tuple(lab.shape[1:]) == size:
        return lab
    return F.interpolate(lab[None], size=size, mode="bilinear", align_corners=False, antialias=True)[0]


def _rounded(values: Tensor) -> tuple[float, float, float]:
    lightness, a, b = (round(value, 5) for value in values.tolist())
    return lightness, a, b
