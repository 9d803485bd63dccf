"""`ColorizedImage`: result of a colorization, computed at full size on access."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.canvas import AnyLightness, Canvas
from colorzoo.inference.edit import Edit, FullSize
from colorzoo.inference.full_size import compose_image
from colorzoo.inference.stages import StageRun
from colorzoo.inference.steps.pages import NOTHING_TO_COLOR
from colorzoo.pixels.raster import composite_on_paper
from colorzoo.precision import distances
from colorzoo.prediction import Distribution, Prediction

if TYPE_CHECKING:  # photos do not need these stages
    from colorzoo.inference.steps.drawing import FlatColors


@dataclass(frozen=True, eq=False)
class ColorizedImage:
    """Result of a colorization; `levels` and `rgb` compute the image at full size.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> colored = Colorizer("zhang2017_local_small", device="cpu").colorize(read_image("photo.png"))
        >>> colored.levels().shape, colored.ab.shape
        ((32, 48, 3), torch.Size([2, 32, 48]))

    Attributes:
        canvas: Colors after all layers of the edit. The recipe has coordinates in pixels of the part inside
            the border of a scan (print margin or mount). `levels` appends a record to `Edit.log`.
        notes: Notes for the user, such as ignored guidance.
        prediction: Output of the model, such as the logits of the color distribution; None if it was removed
            to free memory.
    """

    canvas: Canvas
    notes: tuple[str, ...] = ()
    prediction: Prediction | None = None

    @property
    def edit(self) -> Edit:
        """Image, model and recipe of the result."""
        return self.canvas.edit

    @property
    def ab(self) -> Tensor:
        """Colors ``(2, h, w)`` in CIE units, including the effects of strength, points and areas."""
        return self.canvas.ab[0]

    @property
    def flats(self) -> FlatColors:
        """Region colors of a drawing.

        Raises:
            TypeError: The result is a photo.
        """
        found: FlatColors | None = getattr(self.canvas, "flats", None)
        if found is None:
            raise TypeError("a colorized photo has no regions")
        return found

    @property
    def unmatched(self) -> int:
        """Number of regions of a drawing for which no sheet or earlier drawing has a color."""
        return getattr(self.canvas, "unmatched", None) or 0

    def over(self, lightness: AnyLightness, inside: Rectangle | None = None) -> ColorizedImage:
        """Return the predicted colors combined with another copy of the same image.

        The copy can have a different size, for example a preview or the original. The crop is removed.

        Args:
            lightness: Lightness ``(H, W)`` in [0, 100] of the copy.
            inside: Part inside the border of a scan (print margin or mount), in pixels of the copy. The
                border stays gray. None if the copy contains only the part that was colorized.
        """
        edit = replace(self.edit, full_size=FullSize(lightness, inside))
        return replace(self, canvas=replace(self.canvas, edit=edit))

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
        self.edit.log.append(StageRun("compose", about, time.perf_counter() - started))
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
        if self.edit.drawing is not None:
            image = composite_on_paper(image)
        full = self.edit.full_size
        if full is None or full.crop is None:
            return image
        from colorzoo.inference.steps.cropping import crop_image  # few results are cropped

        return crop_image(image, full.crop)

    def layers(self, image: RasterImage) -> dict[str, NDArray[Any]]:
        """Return the 8-bit image after each layer has been added, by the name of the layer.

        A layer that multiplies the layers below is RGBA instead; see `shade_layer`.

        The layers of a photo are *Photo*, *Colors* and *Paint*. The layers of a drawing are *Flats*,
        *Shading*, *Paint*, *Painted shading* and *Lines*. Empty layers are omitted. The last image is the
        result.

        Args:
            image: Source image with the size of the result; see `source`.
        """
        layers = {}
        from colorzoo.image_io.layers import gray_levels, shade_layer  # few results have layers

        if self.edit.drawing is None:
            layers["Photo"] = gray_levels(image)
        for name, canvas, shades in self.canvas.stack():
            levels = replace(self, canvas=canvas).levels()
            layers[name] = shade_layer(levels, shades) if shades else levels
        return layers

    def ink(self) -> NDArray[np.uint8] | None:
        """Return the lines of a drawing alone, ``(H, W, 3)``; None without lines.

        The lines are black on white, or white on black for white ink.
        """
        canvas: Any = self.canvas
        if canvas.lines is None:
            return None
        lines = canvas.uniform(canvas.lines.art.white, has_lines=True)
        return replace(self, canvas=replace(lines, finishing=())).levels()

    def _compose(self, depth: int | None) -> NDArray[Any]:
        """Combine the colors with the lightness, the surroundings of the border and the crop.

        Args:
            depth: Bit depth of the result, 8 or 16; None for floats.
        """
        full = self.edit.full_size
        if full is None:
            raise ValueError("this ColorizedImage has no full-size lightness. Call its method `over` first.")
        composed = self.canvas.compose(full.part, depth)
        if full.inside is not None:
            whole = compose_image(full.lightness, torch.zeros(2, 1, 1), depth=depth)  # the border stays gray
            whole[full.inside.slices] = composed
            composed = whole
        if full.crop is None:
            return composed
        from colorzoo.inference.steps.cropping import cropped  # few results are cropped

        return cropped(composed, full.crop, full.alpha)
