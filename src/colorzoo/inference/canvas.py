"""Colors of an image while layers change them: `PhotoCanvas` and `DrawingCanvas`.

Both canvases have the same methods. A photo keeps its lightness, and the canvas stores ab at the size of the
network input. A drawing keeps its lines, and the canvas stores one color for each region.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.guidance import PointHint
from colorzoo.inference.edit import Edit
from colorzoo.inference.full_size import (
    BicubicUpsampler,
    FullLightness,
    LightnessShift,
    Overlay,
    compose_image,
)
from colorzoo.inference.steps.points import correct_points
from colorzoo.prediction import Prediction

if TYPE_CHECKING:  # photos do not need these stages
    from colorzoo.inference.steps.drawing import Drawing

AnyLightness = FullLightness | Tensor
Change = Callable[[Tensor], Tensor]
"""Function from ab ``(2, ...)`` to ab of the same shape, in CIE units."""


@dataclass(frozen=True)
class RegionShare:
    """Weights in [0, 1] of a change in a drawing.

    Attributes:
        pixels: Weight ``(h, w)`` at the size of the network input.
        regions: Weight ``(n,)`` for the color of each region.
    """

    pixels: Tensor
    regions: NDArray[np.float32]


Where = Tensor | RegionShare | None
"""Weights ``(h, w)`` in [0, 1] of a change at the size of the network input; None for the whole image."""


class FullSizeLayer(Protocol):
    """Layer that changes the colors at full size, such as paint.

    Attributes:
        title: Name of the layer in an export; empty for a change that is part of the colors.
        shades: Colors of a layer that multiplies the colors of a drawing; empty for other layers.
    """

    @property
    def title(self) -> str:
        """Name of the layer in an export."""
        ...

    @property
    def shades(self) -> tuple[str, ...]:
        """Colors of a layer that multiplies the colors of a drawing; empty for other layers."""
        ...

    def overlay(self, canvas: Canvas, size: tuple[int, int]) -> Overlay:
        """Return the change of an image of ``size`` (height, width)."""
        ...


@dataclass(frozen=True, eq=False)
class Canvas(ABC):
    """Base class of both canvases.

    Attributes:
        edit: Image, model and recipe.
        prediction: Output of the model for the colors of the canvas; None if no layer has run the model.
        finishing: Layers that change the colors at full size, in the order of application.
        locked: Mask ``(h, w)`` in [0, 1] of colors that areas lock; None without locked areas.
        strength: Factor on the chroma that the strength layer applied.
        notes: Notes for the user.
    """

    edit: Edit
    prediction: Prediction | None = None
    finishing: tuple[FullSizeLayer, ...] = ()
    locked: Tensor | None = None
    strength: float = 1.0
    notes: tuple[str, ...] = ()

    is_drawing: ClassVar[bool]

    @property
    @abstractmethod
    def ab(self) -> Tensor:
        """Colors ``(1, 2, h, w)`` in CIE units."""

    @property
    @abstractmethod
    def lab(self) -> Tensor:
        """Colors ``(3, h, w)`` in CIE Lab, below the lines of a drawing; L is 0 for a photo."""

    @property
    @abstractmethod
    def lines(self) -> Drawing | None:
        """Drawing whose lines the result contains; None for photos, and for flat colors without lines."""

    @property
    @abstractmethod
    def scalable(self) -> Where:
        """Where the strength applies; None for everywhere."""

    @abstractmethod
    def settled(self) -> Self:
        """Return the canvas with computed colors, which no longer need the cache of the edit."""

    @abstractmethod
    def map(self, change: Change, where: Where = None) -> Self:
        """Change the colors, and the exact colors of points.

        Args:
            change: Function of ab ``(2, ...)``.
            where: Weight of the change; None for the whole image.
        """

    @abstractmethod
    def lock(self, lab: Tensor, share: Tensor) -> Self:
        """Set the colors ``(3, h, w)`` (see `lab`) and the mask ``(h, w)`` of locked colors."""

    @abstractmethod
    def compose(self, lightness: AnyLightness, depth: int | None) -> NDArray[Any]:
        """Return the image ``(H, W, 3)`` at full size.

        Args:
            lightness: Lightness ``(H, W)`` in [0, 100].
            depth: Bit depth of the result, 8 or 16; None for float32 in [0, 1].
        """

    @abstractmethod
    def stack(self) -> Iterator[tuple[str, Self, tuple[str, ...]]]:
        """Yield the layers of an export: name, canvas with all layers up to this layer, and shades.

        A layer with shades multiplies the layers below, and its canvas is white paper with this layer only;
        see `FullSizeLayer.shades`.
        """

    def finished_by(self, layer: FullSizeLayer) -> Self:
        """Return the canvas with a further change at full size."""
        return replace(self, finishing=(*self.finishing, layer))

    def noted(self, *notes: str) -> Self:
        """Return the canvas with further notes for the user."""
        return replace(self, notes=(*self.notes, *notes))

    def shown_lightness(self) -> Tensor | None:
        """Return the lightness ``(1, 1, h, w)`` of a colorized drawing; None for a photo."""
        return None

    def overlays(self, size: tuple[int, int]) -> tuple[Overlay, ...]:
        """Return the changes at full size for an image of ``size`` (height, width)."""
        return tuple(layer.overlay(self, size) for layer in self.finishing)

    def painted(self, name: str) -> Iterator[tuple[str, Self]]:
        """Yield the canvas without paint and its name, then the canvas with each layer of paint."""
        paint = [layer for layer in self.finishing if layer.title]
        for count in range(len(paint) + 1):
            hidden = paint[count:]
            shown = tuple(layer for layer in self.finishing if not any(layer is each for each in hidden))
            yield (paint[count - 1].title if count else name), replace(self, finishing=shown)


def outside_locks(overlay: Overlay, locked: Tensor | None, size: tuple[int, int]) -> Overlay:
    """Return an overlay that does not change locked colors.

    Args:
        overlay: Change at full size.
        locked: Mask ``(h, w)`` of locked colors in [0, 1]; None without locks.
        size: Height and width of the image.
    """
    if locked is None:
        return overlay
    locked_mask = BicubicUpsampler(locked[None], size)

    def apply(ab: Tensor, lightness: Tensor, first: int) -> None:
        before = ab.clone()
        overlay(ab, lightness, first)
        share = locked_mask.rows(first, first + ab.shape[1]).clamp(0, 1)
        ab += share * (before - ab)

    return apply


@dataclass(frozen=True, eq=False)
class PhotoCanvas(Canvas):
    """Colors of a photo.

    Attributes:
        changed: Colors ``(1, 2, h, w)`` after the changes of layers; None for the prediction without points.
        points: Points whose exact colors are restored at full size.
        changes: Changes of the colors after the points were added, which apply to the exact colors, too.
        shift: Lightness change of areas that adopt the lightness of their fill color; None without such
            areas.
    """

    changed: Tensor | None = None
    points: tuple[PointHint, ...] = ()
    changes: tuple[tuple[Change, Tensor | None], ...] = ()
    shift: LightnessShift | None = None
    is_drawing: ClassVar[bool] = False

    @cached_property
    def ab(self) -> Tensor:
        """Colors ``(1, 2, h, w)`` in CIE units."""
        return self.edit.predict().to_ab() if self.changed is None else self.changed

    @property
    def lab(self) -> Tensor:
        """Colors ``(3, h, w)`` in CIE Lab; L is 0, because a photo keeps its lightness."""
        return torch.cat([torch.zeros_like(self.ab[0, :1]), self.ab[0]])

    @property
    def lines(self) -> None:
        """None, because a photo has no lines."""
        return

    @property
    def scalable(self) -> Where:
        """Where the strength applies: everywhere."""
        return None

    def settled(self) -> Self:
        """Return the canvas with computed colors, which no longer need the cache of the edit."""
        return replace(self, changed=self.ab)

    def map(self, change: Change, where: Where = None) -> Self:
        """Change the colors, and the exact colors of points.

        Args:
            change: Function of ab ``(2, ...)``.
            where: Weight ``(h, w)`` of the change; None for the whole image.
        """
        assert not isinstance(where, RegionShare), "photos have no regions"
        ab = self.ab[0]
        difference = change(ab) - ab
        changed = ab + (difference if where is None else where * difference)
        return replace(self, changed=changed[None], changes=(*self.changes, (change, where)))

    def lock(self, lab: Tensor, share: Tensor) -> Self:
        """Set the colors ``(3, h, w)`` and the mask ``(h, w)`` of locked colors."""
        return replace(self, changed=lab[None, 1:], locked=share)

    def compose(self, lightness: AnyLightness, depth: int | None) -> NDArray[Any]:
        """Return the image ``(H, W, 3)``: the lightness, the colors, exact points and full-size changes.

        Args:
            lightness: Lightness ``(H, W)`` in [0, 100].
            depth: Bit depth of the result, 8 or 16; None for float32 in [0, 1].
        """
        rows, columns = lightness.shape
        overlays = self.overlays((rows, columns))
        if self.shift is not None:
            lightness = _shifted(lightness, self.shift)
        if self.points:
            hints, (width, height) = self.points, self.edit.image_size
            if (height, width) != (rows, columns):  # a copy of the image of another size
                hints = tuple(hint.scaled(columns / width, rows / height) for hint in hints)
            corrections = correct_points(
                hints, self.ab[0], lightness, changes=self.changes, locked=self.locked
            )
            overlays = (*corrections, *overlays)
        return compose_image(lightness, self.ab[0], overlays, depth=depth)

    def stack(self) -> Iterator[tuple[str, Self, tuple[str, ...]]]:
        """Yield the layers of an export; see `Canvas.stack`."""
        for name, canvas in self.painted("Colors"):
            yield name, canvas, ()


def _shifted(lightness: AnyLightness, shift: LightnessShift) -> AnyLightness:
    """Return a lightness with the changes of areas that adopt the lightness of their fill color."""
    if isinstance(lightness, FullLightness):
        return replace(lightness, shift=shift.by_rows(lightness.shape))
    return shift.apply(lightness[None, None])[0, 0]
