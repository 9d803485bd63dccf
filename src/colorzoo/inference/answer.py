"""The answer of a network to one picture, and the picture that it becomes at any size.

`NetworkAnswer` is what the command line, the pad and videos hold of a colored picture; `NetworkAnswer.over`
is the one place where it meets the lightness of the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.guidance import PointHint, Recipe
from colorzoo.inference.full_size import (
    BicubicUpsampler,
    FullLightness,
    Overlay,
    PointCorrection,
    join,
    join_levels,
)
from colorzoo.inference.inside import Surroundings
from colorzoo.prediction import DeferredMaps

if TYPE_CHECKING:
    from colorzoo.inference.area_maps import LightnessShift


@dataclass(frozen=True)
class ColoredPicture:
    """One colored picture; its pixels are computed on each access.

    Attributes:
        ab: ``(2, h, w)`` prediction at the network's size in CIE units, strength and points applied.
        model: Registered name or class of the model.
        lightness: Lightness ``(H, W)`` of the result.
        corrections: Colors of points to add at this size, where the prediction is too coarse.
        notes: Remarks for the user, such as ignored guidance.
        surroundings: The whole picture, if all others belong to the part within its frame.
        overlays: Changes of the colors above all of the above, the lowest first.
    """

    ab: Tensor
    model: str
    lightness: FullLightness | Tensor
    corrections: tuple[PointCorrection, ...] = ()
    notes: tuple[str, ...] = ()
    surroundings: Surroundings | None = None
    overlays: tuple[Overlay, ...] = ()

    @property
    def rgb(self) -> NDArray[np.float32]:
        """``(H, W, 3)`` float32 in [0, 1]."""
        joined = join(self.lightness, self.ab, self.corrections, self.overlays)
        return joined if self.surroundings is None else self.surroundings.around(joined)

    def levels(self, depth: int = 8) -> NDArray[Any]:
        """Return ``(H, W, 3)`` uint8 or uint16; a fraction of the memory and time of `rgb`."""
        joined = join_levels(self.lightness, self.ab, self.corrections, self.overlays, depth=depth)
        return joined if self.surroundings is None else self.surroundings.around(joined, depth)

    def lab_at(self, row: int, column: int) -> Tensor:
        """Return the ``(3,)`` Lab of one pixel of the part within the frame."""
        with torch.inference_mode():
            height, width = self.lightness.shape
            line = BicubicUpsampler(self.ab, (height, width)).rows(row, row + 1)
            for correction in self.corrections:
                correction.add_to(line, row)
            light = self.lightness
            light = light.rows(row, row + 1) if isinstance(light, FullLightness) else light[row : row + 1]
            for overlay in self.overlays:
                overlay.add_to(line, light, row)
            return torch.cat([light[0, column, None], line[:, 0, column]])


@dataclass(frozen=True)
class NetworkAnswer:
    """A picture colored at the network's size.

    Attributes:
        ab: ``(2, h, w)`` in CIE units; strength, points and areas are applied.
        extras: Further maps of the model, such as ``"logits"``.
        notes: Remarks for the user, such as ignored guidance.
        painted_lightness: ``(1, 1, h, w)`` lightness of a painted sketch; None for models of photos.
        sketch_lightness: ``(1, 1, h, w)`` lightness of that sketch.
        lightness_shift: Shift of the picture's lightness by areas, or None.
        locked: ``(h, w)`` in [0, 1], where areas lock the colors; None without areas.
        hints: Points whose colors are exact at any size, in pixels of the picture.
        strength: Factor on their chroma.
        picture_size: Width and height of the picture, if it is known.
        above: Recipe whose replaced colors and paint lie above all of this.
    """

    ab: Tensor
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    painted_lightness: Tensor | None = None
    sketch_lightness: Tensor | None = None
    lightness_shift: LightnessShift | None = None
    locked: Tensor | None = None
    hints: tuple[PointHint, ...] = ()
    strength: float = 1.0
    picture_size: tuple[int, int] | None = None
    above: Recipe = field(default_factory=Recipe)

    @property
    def nbytes(self) -> int:
        """Memory of the large maps."""
        if isinstance(self.extras, DeferredMaps):
            return self.ab.nbytes + self.extras.nbytes
        return self.ab.nbytes + sum(values.nbytes for values in self.extras.values())

    def over(
        self, lightness: FullLightness | Tensor, model: str = "", surroundings: Surroundings | None = None
    ) -> ColoredPicture:
        """Return the answer over the lightness of the picture.

        Args:
            lightness: Lightness ``(H, W)`` of the picture, or of a copy of it at another size.
            model: Name of the model.
            surroundings: The whole picture, if the lightness is that of the part within its frame.
        """
        shown = self._lightness(lightness)
        corrections = self._corrections(shown)
        overlays = self._overlays(shown.shape)
        return ColoredPicture(self.ab, model, shown, corrections, self.notes, surroundings, overlays)

    def _lightness(self, lightness: FullLightness | Tensor) -> FullLightness | Tensor:
        """Return the lightness of the result."""
        if self.painted_lightness is not None and self.sketch_lightness is not None:
            from colorzoo.inference.sketches import enlarge_painted_lightness

            sketch = lightness.whole() if isinstance(lightness, FullLightness) else lightness[None, None]
            return enlarge_painted_lightness(sketch, self.sketch_lightness, self.painted_lightness)[0, 0]
        if self.lightness_shift is None:
            return lightness
        if isinstance(lightness, FullLightness):
            return replace(lightness, shift=self.lightness_shift.by_rows(lightness.shape))
        return self.lightness_shift.apply(lightness[None, None])[0, 0]

    def _corrections(self, lightness: FullLightness | Tensor) -> tuple[PointCorrection, ...]:
        """Return what gives the points their exact colors over a lightness of the result."""
        if not self.hints or self.painted_lightness is not None:
            return ()
        from colorzoo.inference.full_size_points import correct_points

        hints, (height, width) = self.hints, lightness.shape
        if self.picture_size not in (None, (width, height)):
            assert self.picture_size is not None
            x, y = width / self.picture_size[0], height / self.picture_size[1]
            hints = tuple(replace(p, x=p.x * x, y=p.y * y, radius=p.radius * (x + y) / 2) for p in hints)
        found = correct_points(hints, self.ab, lightness, strength=self.strength, locked=self.locked)
        return tuple(found)

    def _overlays(self, shape: Sequence[int]) -> tuple[Overlay, ...]:
        """Return what lies above the colors at a height and width."""
        if self.picture_size is None or not (self.above.paint or self.above.replacements):
            return ()
        from colorzoo.inference.overlays import overlays_of

        size = int(shape[0]), int(shape[1])
        return overlays_of(self.above, self.picture_size, size, self.strength, self.locked)
