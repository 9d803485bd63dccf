"""`ColorizedImage`: result of a colorization, computed at full size on access."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.full_size import (
    FullLightness,
    LightnessShift,
    Overlay,
    compose_image,
)
from colorzoo.inference.steps.points import correct_points
from colorzoo.inference.task import ColorizeTask, Colors, FullSize, StageRun
from colorzoo.pixels.raster import composite_on_paper
from colorzoo.precision import distances
from colorzoo.prediction import Distribution, Prediction
from colorzoo.registry import DEFAULT_MODELS

NOTHING_TO_COLOR = (
    "nothing to color: a blank page, text, lines or a color target; for a drawing, set the model to "
    f"{DEFAULT_MODELS['sketch']}"
)
"""Note for images without content to colorize; see `.steps.pages.detect_page`."""
AnyLightness = FullLightness | Tensor


@dataclass(frozen=True, eq=False)
class ColorizedImage:
    """Result of a colorization; `levels` and `rgb` compute the image at full size.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> colored = Colorizer("zhang2017_local_small", device="cpu").colorize(read_image("photo.png"))
        >>> colored.levels().shape, colored.ab.shape
        ((32, 48, 3), torch.Size([2, 32, 48]))

    Attributes:
        colors: Colors at the size of the network input.
        task: Image, applied recipe and model. The recipe has coordinates in pixels of the part inside the
            border of a scan (print margin or mount). `levels` appends a record to `ColorizeTask.log`.
        notes: Notes for the user, such as ignored guidance.
        prediction: Output of the model, such as the logits of the color distribution; None if it was removed
            to free memory.
        reaches: For each paint stroke, the mask ``(h, w)`` in [0, 1] of the pixels that the stroke can
            change, or None for an unlimited stroke. Empty if all strokes are unlimited.
    """

    colors: Colors
    task: ColorizeTask
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None
    reaches: tuple[Tensor | None, ...] = ()

    @property
    def ab(self) -> Tensor:
        """Colors ``(2, h, w)`` in CIE units, including the effects of strength, points and areas."""
        return self.colors.ab[0]

    def over(self, lightness: AnyLightness, inside: Rectangle | None = None) -> ColorizedImage:
        """Return the predicted colors combined with another copy of the same image.

        The copy can have a different size, for example a preview or the original. The crop is removed.

        Args:
            lightness: Lightness ``(H, W)`` in [0, 100] of the copy.
            inside: Part inside the border of a scan (print margin or mount), in pixels of the copy. The
                border stays gray. None if the copy contains only the part that was colorized.
        """
        return replace(self, task=replace(self.task, full_size=FullSize(lightness, inside)))

    @property
    def rgb(self) -> NDArray[np.float32]:
        """Colorized image at full size: RGB ``(H, W, 3)`` float32 in [0, 1]."""
        return self._compose(None)

    def levels(self, depth: int = 8) -> NDArray[Any]:
        """Return the colorized image at full size as integers.

        This method needs less memory and time than `rgb`.

        Args:
            depth: Bits per channel: 8 for uint8, 16 for uint16.

        Returns:
            RGB ``(H, W, 3)``.
        """
        started = time.perf_counter()
        levels = self._compose(depth)
        about = f"{levels.shape[1]} x {levels.shape[0]} pixels"
        self.task.log.append(StageRun("compose", about, time.perf_counter() - started))
        return levels

    @property
    def distribution(self) -> Distribution | None:
        """Predicted color distribution; None if the model predicts none, or if `prediction` is None."""
        return None if self.prediction is None else self.prediction.distribution()

    @property
    def uncertainty(self) -> float | None:
        """Expected color error in CIE units, averaged over the image.

        The expected error at a position is ``sum_q p_q |c_q - ab|``. Here ``p`` is the predicted
        distribution, ``c`` are the bin centers, and ``ab`` is the resulting color. The measure is not
        published. `benchmarks.uncertainty` compares the measure with true errors.

        The value is None if the model predicts no distribution, or if the image is a page without a photo,
        such as text.
        """
        distribution = None if NOTHING_TO_COLOR in self.notes else self.distribution
        if distribution is None:
            return None
        shares = distribution.probabilities
        colors = F.interpolate(self.ab[None].cpu(), shares.shape[1:], mode="bilinear", antialias=True)
        apart = distances(distribution.centers, colors[0].flatten(1).T)
        return float((shares.flatten(1) * apart).sum(dim=0).mean())

    def source(self, image: RasterImage) -> RasterImage:
        """Crop the source image to the area of the result, for copying alpha and metadata.

        For sketch models, the alpha channel is removed, because transparent parts were filled with paper.

        Args:
            image: Whole source image.
        """
        if self.colors.lightness is not None:
            image = composite_on_paper(image)
        full = self.task.full_size
        if full is None or full.crop is None:
            return image
        from colorzoo.inference.steps.cropping import crop_image  # few results are cropped

        return crop_image(image, full.crop)

    def layers(self, image: RasterImage) -> dict[str, NDArray[Any]]:
        """Return the 8-bit image after each layer has been added, by the name of the layer.

        The layers of a photo are *Photo*, *Colors* and *Paint*. The layers of a drawing are *Flats*,
        *Shading*, *Paint*, *Painted shading* and *Lines*. Empty layers are omitted. The last image is the
        result.

        Args:
            image: Source image with the size of the result; see `source`.
        """
        from colorzoo.image_io.layers import gray_levels  # few results have layers

        flats, recipe = self.colors.flats, self.task.recipe
        without_lines = self
        if flats is not None:
            flats_without_lines = replace(flats, has_lines=False)
            without_lines = replace(self, colors=replace(self.colors, flats=flats_without_lines))
        unpainted_task = replace(self.task, recipe=replace(recipe, paint=()))
        unpainted = replace(without_lines, task=unpainted_task)
        layers = {}
        if flats is None:
            layers["Photo"] = gray_levels(image)
            layers["Colors"] = unpainted.levels()
        elif flats.shading is None:
            layers["Flats"] = unpainted.levels()
        else:
            unshaded_flats = replace(flats, shading=None, has_lines=False)
            unshaded = replace(unpainted, colors=replace(self.colors, flats=unshaded_flats))
            layers["Flats"] = unshaded.levels()
            layers["Shading"] = unpainted.levels()
        if recipe.paint:
            kept = [number for number, stroke in enumerate(recipe.paint) if stroke.blend != "multiply"]
            paint = tuple(recipe.paint[number] for number in kept)
            unshaded_task = replace(self.task, recipe=replace(recipe, paint=paint))
            reaches = tuple(self.reaches[number] for number in kept) if self.reaches else ()
            if paint:
                layers["Paint"] = replace(without_lines, task=unshaded_task, reaches=reaches).levels()
            if len(paint) < len(recipe.paint):
                layers["Painted shading"] = without_lines.levels()
        if flats is not None and flats.has_lines:
            layers["Lines"] = self.levels()
        return layers

    def ink(self) -> NDArray[np.uint8] | None:
        """Return the lines of a drawing alone, ``(H, W, 3)``; None without lines.

        The lines are black on white, or white on black for white ink.
        """
        flats = self.colors.flats
        if flats is None or not flats.has_lines:
            return None
        paper = np.full_like(flats.colors, 0 if flats.drawing.art.inverted else 1)
        on_paper = replace(self.colors, flats=replace(flats, colors=paper, shading=None, change=None))
        recipe = replace(self.task.recipe, paint=(), replacements=(), finish=None)
        return replace(self, colors=on_paper, task=replace(self.task, recipe=recipe)).levels()

    def _compose(self, depth: int | None) -> NDArray[Any]:
        """Combine the lightness with the colors, point corrections and overlays, in this order.

        Args:
            depth: Bit depth of the result, 8 or 16; None for floats.
        """
        full = self.task.full_size
        if full is None:
            raise ValueError("this ColorizedImage has no full-size lightness. Call its method `over` first.")
        recipe, lightness = self.task.recipe, full.part
        overlays: tuple[Overlay, ...] = ()
        if recipe.paint or recipe.replacements or recipe.finish is not None:
            from colorzoo.inference.overlays import overlays_of  # most images have no overlays

            size, locked = self.task.image_size, self.colors.locked
            on_paper = self.colors.flats is not None
            overlays = overlays_of(recipe, size, lightness.shape, locked, self.reaches, on_paper=on_paper)
        if self.colors.flats is not None:
            flats = self.colors.flats.over((lightness.shape[0], lightness.shape[1]))
            composed = flats.compose(depth, overlays)
        else:
            if self.colors.shift is not None:
                lightness = _shifted(lightness, self.colors.shift)
            if recipe.points:
                hints, (rows, columns) = recipe.points, lightness.shape
                width, height = self.task.image_size
                if (height, width) != (rows, columns):  # a copy of the image of another size
                    hints = tuple(hint.scaled(columns / width, rows / height) for hint in hints)
                corrections = correct_points(
                    hints, self.ab, lightness, strength=recipe.strength, locked=self.colors.locked
                )
                overlays = (*corrections, *overlays)
            composed = compose_image(lightness, self.ab, overlays, depth=depth)
        if full.inside is not None:
            whole = compose_image(full.lightness, torch.zeros(2, 1, 1), depth=depth)  # the border stays gray
            whole[full.inside.slices] = composed
            composed = whole
        if full.crop is None:
            return composed
        from colorzoo.inference.steps.cropping import cropped  # few results are cropped

        return cropped(composed, full.crop, full.alpha)


def _shifted(lightness: AnyLightness, shift: LightnessShift) -> AnyLightness:
    """Return a lightness with the changes of areas that adopt the lightness of their fill color."""
    if isinstance(lightness, FullLightness):
        return replace(lightness, shift=shift.by_rows(lightness.shape))
    return shift.apply(lightness[None, None])[0, 0]
