"""Colors of a drawing while layers change them: one color for each region, below the lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.abilities import DrawingModel
from colorzoo.guidance import DrawingSettings
from colorzoo.inference.canvas import AnyLightness, Canvas, Change, RegionShare, Where
from colorzoo.inference.edit import Edit
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.steps.drawing import (
    Drawing,
    FlatColors,
    add_change,
    mean_colors,
    palette_colors,
    region_medians,
    region_votes,
    to_lab,
    to_rgb,
)
from colorzoo.prediction import Prediction, RgbPrediction


@dataclass(frozen=True, eq=False)
class DrawingCanvas(Canvas):
    """Colors of a drawing.

    Attributes:
        changed: Region colors after the changes of layers; None for the prediction without points.
        filled: Weight ``(h, w)`` in [0, 1] of colors that areas set; None without filled areas.
        unmatched: Number of regions for which no sheet or earlier drawing has a color; None without sheets.
    """

    changed: FlatColors | None = None
    filled: Tensor | None = None
    unmatched: int | None = None
    is_drawing: ClassVar[bool] = True

    @cached_property
    def flats(self) -> FlatColors:
        """Region colors."""
        if self.changed is not None:
            return self.changed
        assert self.edit.drawing is not None, "the edit of a drawing has its regions"
        return predicted_flats(self.edit, self.edit.predict()).inherited(self.edit.drawing)

    @cached_property
    def shown(self) -> Tensor:
        """Lab ``(1, 3, h, w)`` of the drawing with its lines, at the size of the network input."""
        return self.flats.at_network_size(self.edit.map_size)

    @property
    def ab(self) -> Tensor:
        """Colors ``(1, 2, h, w)`` in CIE units."""
        return self.shown[:, 1:]

    def shown_lightness(self) -> Tensor | None:
        """Return the lightness ``(1, 1, h, w)`` of the colorized drawing."""
        return self.shown[:, :1]

    @property
    def lab(self) -> Tensor:
        """Colors ``(3, h, w)`` below the lines in CIE Lab."""
        return replace(self.flats, has_lines=False).at_network_size(self.edit.map_size)[0]

    @property
    def lines(self) -> Drawing | None:
        """Drawing whose lines the result contains; None for flat colors without lines."""
        return self.flats.drawing if self.flats.has_lines else None

    @property
    def scalable(self) -> Where:
        """Where the strength applies: outside regions and areas that a person filled."""
        flats = self.flats
        is_set = np.zeros(len(flats.colors), bool) if flats.is_set is None else flats.is_set
        pixels = torch.ones(self.edit.map_size) if self.filled is None else 1 - self.filled
        regions = region_medians(pixels[None], flats.drawing, len(flats.colors))[:, 0]
        own = flats.drawing.resized(self.edit.map_size).regions
        return RegionShare(
            pixels.masked_fill(torch.from_numpy(is_set[own]), 0), np.where(is_set, np.float32(0), regions)
        )

    def settled(self) -> Self:
        """Return the canvas with computed colors, which no longer need the cache of the edit."""
        return replace(self, changed=self.flats)

    def map(self, change: Change, where: Where = None) -> Self:
        """Change the colors of regions and of their parts.

        Args:
            change: Function of ab ``(2, ...)``.
            where: Weight of the change; None for the whole drawing.
        """
        flats, size = self.flats, self.edit.map_size
        count = len(flats.colors)
        if where is None:
            pixels, regions = torch.ones(size), np.ones(count, np.float32)
        elif isinstance(where, RegionShare):
            pixels, regions = where.pixels, where.regions
        else:
            pixels, regions = where, region_medians(where[None], flats.drawing, count)[:, 0]
        # colors of whole regions
        lab = to_lab(flats.colors)  # (3, n)
        goal = lab.clone()
        goal[1:] += torch.from_numpy(regions) * (change(lab[1:]) - lab[1:])
        colors = np.where(regions[:, None] > 0, to_rgb(goal), flats.colors)
        # changes of parts of regions
        own = torch.from_numpy(flats.drawing.resized(size).regions.astype(np.int64))
        before = lab[:, own] if flats.change is None else lab[:, own] + flats.change
        after = before.clone()
        after[1:] += pixels * (change(before[1:]) - before[1:])
        rest = after - to_lab(colors)[:, own]
        parts = rest if flats.change is not None or (rest.abs() > _NO_CHANGE).any() else None
        return replace(self, changed=replace(flats, colors=colors, change=parts))

    def lock(self, lab: Tensor, share: Tensor) -> Self:
        """Set the colors ``(3, h, w)`` below the lines and the mask ``(h, w)`` of locked colors."""
        return replace(self, changed=add_change(self.flats, lab - self.lab), locked=share)

    def compose(self, lightness: AnyLightness, depth: int | None) -> NDArray[Any]:
        """Return the image ``(H, W, 3)``: the flat colors, changes at full size and the lines.

        Args:
            lightness: Lightness ``(H, W)``, of which only the size is used.
            depth: Bit depth of the result, 8 or 16; None for float32 in [0, 1].
        """
        size = lightness.shape[0], lightness.shape[1]
        return self.flats.over(size).compose(depth, self.overlays(size))

    def uniform(self, level: float, *, has_lines: bool) -> Self:
        """Return the canvas with regions that somebody filled with a gray level in [0, 1]."""
        colors = np.full_like(self.flats.colors, level)
        flats = FlatColors(self.flats.drawing, colors, has_lines=has_lines, is_set=np.ones(len(colors), bool))
        return replace(self, changed=flats)

    def stack(self) -> Iterator[tuple[str, Self, tuple[str, ...]]]:
        """Yield the layers of an export; see `Canvas.stack`."""
        below = replace(self, changed=replace(self.flats, has_lines=False))
        for name, canvas in below.painted("Flats"):
            # an adjustment above the shading is not a multiplication
            last = canvas.finishing[-1:]
            shades = last[0].shades if last and last[0].title == name else ()
            yield (
                name,
                replace(self.uniform(1, has_lines=False), finishing=last) if shades else canvas,
                shades,
            )
        if self.flats.has_lines:
            yield "Lines", self, ()


_NO_CHANGE = 1e-3  # largest rounding error in CIE units of the conversion between sRGB and Lab


def colored_drawing(edit: Edit) -> Drawing:
    """Return the drawing whose regions the model colors.

    If points change only their own regions (`DrawingSettings.base_points`), these are the regions before a
    person divided or joined them, so that such a change gives no other region another color.
    """
    assert edit.drawing is not None, "the edit of a drawing has its regions"
    settings = edit.recipe.drawing
    keeps_colors = settings is not None and settings.base_points is not None
    return edit.drawing.base or edit.drawing if keeps_colors else edit.drawing


def predicted_flats(edit: Edit, prediction: Prediction) -> FlatColors:
    """Choose the color of each region of `colored_drawing` within the palette and variant of the recipe."""
    assert isinstance(prediction, RgbPrediction)
    settings = edit.recipe.drawing or DrawingSettings()
    drawing, sketch = colored_drawing(edit), edit.network_input
    colors = edit.run(
        choose_colors, edit.network, prediction, drawing, sketch, settings.palette, settings.variant
    )
    if drawing.art.inverted and not settings.palette:  # blank paper is black below white ink
        colors = np.where((colors == 1).all(1, keepdims=True), np.float32(0), colors)
    return FlatColors(drawing, colors, has_lines=not settings.flats)


def choose_colors(
    network: NetworkRunner,
    prediction: RgbPrediction,
    drawing: Drawing,
    sketch: Tensor,
    palette: tuple[str, ...],
    variant: int,
) -> NDArray[np.float32]:
    """Return the color ``(n, 3)`` of each region; see `DrawingModel.region_colors`.

    Models without this ability give each region its mean predicted color.
    """
    if not isinstance(network.model, DrawingModel):
        return mean_colors(prediction.rgb, drawing, sketch)
    votes = region_votes(prediction, drawing, sketch)
    with network.session() as model:
        found: Tensor = model.region_colors(prediction, votes, palette_colors(palette), variant)
    return found.cpu().numpy()
