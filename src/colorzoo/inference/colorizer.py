"""`Colorizer`: any picture in, the same picture in color out.

The network sees a small copy; only ab comes back. Lightness stays the original's, in float at full size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.color import lab_to_rgb_in_gamut, reduce_chroma, rgb_to_lab
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance, Points, Recipe
from colorzoo.inference.device import Precision, choose_device, choose_dtype
from colorzoo.inference.fast import fast_module
from colorzoo.inference.honor import honor_points
from colorzoo.inference.pictures import Picture, read_picture, to_pil
from colorzoo.inference.resample import (
    DEFAULT_SIZE,
    BicubicUpsampler,
    resize_points,
    shrink_luma,
    working_size,
)
from colorzoo.registry import default_model
from colorzoo.tasks import ColorizationModule

ImageLike = str | Path | Image.Image | NDArray[Any] | Picture
GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | None

_TILE_PIXELS = 2**16  # one tile's float intermediates stay in the processor's cache, and memory bounded


@dataclass(frozen=True)
class Colored:
    """One colored picture.

    Attributes:
        rgb: ``(H, W, 3)`` float32 in [0, 1], full size.
        ab: ``(2, h, w)`` prediction at the network's size, CIE units, strength and points applied.
        model: Registered name or class of the model.
        notes: What the user should know, such as ignored guidance.
    """

    rgb: NDArray[np.float32]
    ab: Tensor
    model: str
    notes: tuple[str, ...] = ()


class Colorizer:
    """A model ready to color pictures; keep one and use it for many.

    Args:
        model: Registered name, a module of your own, or None for the embedded default.
        weights: See `create_model`; only for a name.
        device: ``"auto"``, ``"cpu"``, ``"cuda"`` ...
        precision: ``"auto"`` takes bfloat16 where the hardware multiplies it.
        size: Shorter side in pixels at which the network sees a picture.
        allow_untrained: Color although the weights are random.

    Raises:
        ColorzooError: Unknown model or device, weights that cannot be had, or an untrained model.
    """

    def __init__(
        self,
        model: str | ColorizationModule | None = None,
        *,
        weights: str | Path | None = "default",
        device: str = "auto",
        precision: Precision = "auto",
        size: int = DEFAULT_SIZE,
        allow_untrained: bool = False,
    ) -> None:
        if not isinstance(model, ColorizationModule):
            name = model or default_model()
            model = create_model(name, weights)
        else:
            name = type(model).__name__
        if not (model.trained or allow_untrained):
            raise ColorzooError(
                f"{name} is untrained, its colors would be noise; give it weights, or allow_untrained=True."
            )
        self.name, self.size = name, size
        self.device = choose_device(device)
        self.dtype = choose_dtype(precision, self.device)
        self.model = model.to(self.device).eval()
        on_cpu = self.device.type == "cpu" and self.dtype == torch.bfloat16
        self._low = fast_module(self.model) if on_cpu else self.model

    def __call__(
        self, image: ImageLike, guidance: GuidanceLike = None, *, strength: float | None = None
    ) -> Image.Image:
        """Color one picture and return it as Pillow image of the same size, alpha included.

        Args:
            image: Path, Pillow image, array ``(H, W[, C])`` of uint8, uint16 or float in [0, 1], or a
                `Picture`.
            guidance: `Guidance`, `Recipe`, parsed JSON, JSON text, or the path of a recipe.
            strength: Factor on the chroma, 0 .. 1.5; None takes the recipe's, or 1.
        """
        picture = image if isinstance(image, Picture) else read_picture(image)
        return to_pil(self.colorize(picture, guidance, strength=strength).rgb, picture)

    def colorize(
        self, picture: Picture, guidance: GuidanceLike = None, *, strength: float | None = None
    ) -> Colored:
        """Color one picture; see `__call__`.

        Raises:
            GuidanceError: The guidance is broken or belongs to another picture.
        """
        height, width = picture.rgb.shape[:2]
        size = working_size(height, width, self.size)
        given, strength = _prepare(guidance, width, height, size, strength)
        luma = full_luma(picture.rgb)
        small = shrink_luma(luma, size)
        given = _fit_points(given, small)
        ab = self.predict_ab(small, given)
        if given.points is not None:
            ab = honor_points(ab, small, given.points)
        ab = ab * strength
        rgb = join(luma[0, 0], ab[0])
        return Colored(rgb, ab[0], self.name, self._ignored(given))

    def predict_ab(self, luma: Tensor, guidance: Guidance) -> Tensor:
        """Run the model as fast as this device allows, and in float32 if a low precision gives no numbers.

        Args:
            luma: ``(B, 1, h, w)`` in [0, 100].
            guidance: What the user gives, of the same size.

        Returns:
            ``(B, 2, h, w)`` float32 ab on the CPU, in CIE units.

        Raises:
            ColorzooError: The model answers no numbers in float32 either.
        """
        for dtype in dict.fromkeys((self.dtype, torch.float32)):
            model = self._low if dtype == self.dtype else self.model
            with (
                torch.inference_mode(),
                torch.autocast(self.device.type, dtype, enabled=dtype != torch.float32),
            ):
                prediction = model(luma.to(self.device), guidance.to(self.device))
            ab = prediction.ab
            if ab is None:  # a model that paints RGB: its chroma is used, the picture's lightness stays
                ab = rgb_to_lab(prediction.to_rgb(luma))[:, 1:]
            if torch.isfinite(ab).all():
                return torch.as_tensor(ab.float().cpu())
        raise ColorzooError(
            f"{self.name} answered values that are no numbers, in float32 too; check its weights."
        )

    def _ignored(self, guidance: Guidance) -> tuple[str, ...]:
        ignored = [kind for kind in guidance.kinds() if kind not in self.model.accepts]
        return tuple(f"{self.name} does not use {kind}; they were ignored" for kind in ignored)


def full_luma(rgb: NDArray[np.float32]) -> Tensor:
    """Return the lightness ``(1, 1, H, W)`` in [0, 100] of ``(H, W, 3)`` RGB in [0, 1], tile by tile."""
    height, width = rgb.shape[:2]
    luma = torch.empty(1, 1, height, width)
    for first, last in _tiles(height, width):
        rows = slice(first, last)
        tile = torch.from_numpy(np.ascontiguousarray(rgb[rows])).permute(2, 0, 1)
        luma[0, 0, rows] = rgb_to_lab(tile)[0]
    return luma


def join(luma: Tensor, ab: Tensor) -> NDArray[np.float32]:
    """Enlarge ab to the size of the lightness and convert to RGB, tile by tile.

    Args:
        luma: ``(H, W)`` in [0, 100].
        ab: ``(2, h, w)`` in CIE units.

    Returns:
        ``(H, W, 3)`` in [0, 1]; colors outside sRGB lose chroma at constant lightness and hue.
    """
    height, width = luma.shape
    enlarged = BicubicUpsampler(ab, (height, width))
    rgb = np.empty((height, width, 3), dtype=np.float32)
    for first, last in _tiles(height, width):
        lab = torch.cat([luma[None, first:last], enlarged.rows(first, last)])
        rgb[first:last] = lab_to_rgb_in_gamut(lab).permute(1, 2, 0).numpy()
    return rgb


def _tiles(height: int, width: int) -> Iterator[tuple[int, int]]:
    """Cut a picture into bands of rows, at least one row each."""
    step = max(1, _TILE_PIXELS // width)
    for first in range(0, height, step):
        yield first, min(first + step, height)


def _prepare(
    guidance: GuidanceLike, width: int, height: int, size: tuple[int, int], strength: float | None
) -> tuple[Guidance, float]:
    """Return guidance at the working size, and the strength."""
    if isinstance(guidance, Guidance):
        points = None if guidance.points is None else resize_points(guidance.points, size)
        return replace(guidance, points=points), 1.0 if strength is None else strength
    recipe = guidance if isinstance(guidance, Recipe) else Recipe.from_json(guidance or {})
    drawn = Guidance.from_recipe(recipe, width, height, size)
    return drawn, recipe.strength if strength is None else strength


def _fit_points(guidance: Guidance, luma: Tensor) -> Guidance:
    """Bring the given colors into what sRGB can show at the lightness of their pixels."""
    if guidance.points is None:
        return guidance
    mask = guidance.points.mask
    ab = reduce_chroma(torch.cat([luma, guidance.points.ab], dim=1))[:, 1:]
    return replace(guidance, points=Points(ab * mask, mask))
