"""The prediction for one image at the network's size, and its result at any size.

The command line and the pad store a `NetworkAnswer` for each image. `NetworkAnswer.over` merges it with the
lightness of the image.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from colorzoo.guidance import Crop
from colorzoo.image_io.raster_image import RasterImage, composite_on_white
from colorzoo.inference.full_size import (
    FullLightness,
    Overlay,
    PointCorrection,
    join,
    join_ab,
    join_levels,
)
from colorzoo.inference.inside import NO_AB, Surroundings
from colorzoo.inference.job import Job
from colorzoo.inference.pipeline import solve
from colorzoo.inference.stages import Ran, Stages
from colorzoo.inference.steps.colors import Solution
from colorzoo.inference.steps.point_corrections import correct_points
from colorzoo.inference.steps.sketch import enlarge_painted_lightness
from colorzoo.lru_cache import LRUCache

_Joined = tuple[FullLightness | Tensor, Tensor, tuple[PointCorrection, ...], tuple[Overlay, ...]]


@dataclass(frozen=True)
class ColorizedImage:
    """Colorized image whose pixels are computed on each access.

    Attributes:
        ab: ``(2, h, w)`` prediction at the network's size in CIE units, strength and points applied.
        model: Registered name or class of the model.
        lightness: Lightness ``(H, W)`` of the result.
        corrections: Colors of small points that the prediction does not resolve.
        notes: Notes for the user, such as ignored guidance.
        surroundings: The whole image, if the other attributes describe the part within its border.
        overlays: Overlays applied to the result, the lowest first.
        steps: Steps of the prediction.
        crop: Crop of the whole image; None for no crop.
        on_paper: Whether transparent parts were filled with white, so that the result is opaque.
    """

    ab: Tensor
    model: str
    lightness: FullLightness | Tensor
    corrections: tuple[PointCorrection, ...] = ()
    notes: tuple[str, ...] = ()
    surroundings: Surroundings | None = None
    overlays: tuple[Overlay, ...] = ()
    steps: tuple[Ran, ...] = ()
    crop: Crop | None = None
    on_paper: bool = False

    @property
    def rgb(self) -> NDArray[np.float32]:
        """``(H, W, 3)`` float32 in [0, 1]."""
        return self._finished(join(*self._to_join))

    def levels(self, depth: int = 8) -> NDArray[Any]:
        """Return ``(H, W, 3)`` uint8 or uint16, with less memory and time than `rgb`."""
        return self._finished(join_levels(*self._to_join, depth=depth), depth)

    def source(self, image: RasterImage) -> RasterImage:
        """Return the source image with the crop of the result, for its alpha and metadata.

        The alpha is omitted if transparent parts were filled with white.

        Args:
            image: The whole image.
        """
        if self.on_paper:
            image = composite_on_white(image)
        if self.crop is None:
            return image
        from colorzoo.inference.steps.cropping import crop_image  # few results are cropped

        return crop_image(image, self.crop)

    @property
    def _to_join(self) -> _Joined:
        """The part, or the whole image if a tilted part was straightened."""
        part = (self.lightness, self.ab, self.corrections, self.overlays)
        if self.surroundings is None or not self.surroundings.inside.tilt:
            return part
        from colorzoo.inference.steps.tilt import TurnedBack  # few images need it

        return self.surroundings.lightness, NO_AB, (), (TurnedBack(join_ab(*part), self.surroundings.inside),)

    def _finished(self, joined: NDArray[Any], depth: int | None = None) -> NDArray[Any]:
        """Return the whole image around the part, cropped if the recipe has a crop."""
        if self.surroundings is not None and not self.surroundings.inside.tilt:
            joined = self.surroundings.around(joined, depth)
        if self.crop is None:
            return joined
        from colorzoo.inference.steps.cropping import cropped  # few results are cropped

        return cropped(joined, self.crop)


@dataclass(frozen=True)
class NetworkAnswer:
    """A image colored at the network's size.

    Attributes:
        job: The job.
        solution: Colors of the prediction.
        notes: Notes for the user, such as ignored guidance.
        steps: The steps that ran.
    """

    job: Job
    solution: Solution
    notes: tuple[str, ...]
    steps: tuple[Ran, ...] = ()

    @property
    def ab(self) -> Tensor:
        """``(2, h, w)`` in CIE units; strength, points and areas are applied."""
        return self.solution.colors.ab[0]

    @property
    def painted_lightness(self) -> Tensor | None:
        """``(1, 1, h, w)`` lightness of a painted sketch; None for models of photos."""
        return self.solution.colors.painted

    @property
    def extras(self) -> Mapping[str, Tensor]:
        """Further maps of the model, such as ``"logits"``."""
        return self.solution.extras

    def on_image(self) -> ColorizedImage:
        """Merge the prediction with the full-size lightness of its job.

        Raises:
            ValueError: The job has no full-size lightness.
        """
        part = self.job.part
        if part.full is None:
            raise ValueError("the job has no full-size lightness; use `over`")
        return replace(self.over(part.full, part.surroundings), crop=self.job.crop)

    def over(
        self, lightness: FullLightness | Tensor, surroundings: Surroundings | None = None
    ) -> ColorizedImage:
        """Merge the prediction with a lightness of the image.

        Args:
            lightness: Lightness ``(H, W)`` of the image, or of a copy of it at another size.
            surroundings: The whole image, if the lightness covers only the part within its border.
        """
        shown, recipe = self._lightness(lightness), self.job.recipe
        overlays: tuple[Overlay, ...] = ()
        if recipe.has_overlays:
            from colorzoo.inference.overlays import overlays_of  # most images have no overlays

            locked, reaches = self.solution.colors.locked, self.solution.reaches
            overlays = overlays_of(recipe, self.job.part.size, shown.shape, locked, reaches)
        if surroundings is not None and surroundings.inside.tilt and self.solution.colors.shift is not None:
            assert isinstance(shown, Tensor)
            assert isinstance(lightness, Tensor)
            surroundings = surroundings.shifted(shown - lightness)
        return ColorizedImage(
            self.ab,
            self.job.network.name,
            shown,
            self._corrections(shown),
            self.notes,
            surroundings,
            overlays,
            self.steps,
            on_paper=self.job.paints,
        )

    def _lightness(self, lightness: FullLightness | Tensor) -> FullLightness | Tensor:
        """Return the lightness of the result."""
        shift = self.solution.colors.shift
        if self.painted_lightness is not None:
            sketch = lightness.whole() if isinstance(lightness, FullLightness) else lightness[None, None]
            small = self.job.part.lightness
            return enlarge_painted_lightness(sketch, small, self.painted_lightness)[0, 0]
        if shift is None:
            return lightness
        if isinstance(lightness, FullLightness):
            return replace(lightness, shift=shift.by_rows(lightness.shape))
        return shift.apply(lightness[None, None])[0, 0]

    def _corrections(self, lightness: FullLightness | Tensor) -> tuple[PointCorrection, ...]:
        """Return the corrections that give points their exact colors over a lightness."""
        hints, (width, height) = self.job.recipe.points, self.job.part.size
        if not hints or self.painted_lightness is not None:
            return ()
        if (height, width) != tuple(lightness.shape):
            x, y = lightness.shape[1] / width, lightness.shape[0] / height
            hints = tuple(replace(p, x=p.x * x, y=p.y * y, radius=p.radius * (x + y) / 2) for p in hints)
        strength, locked = self.job.recipe.strength, self.solution.colors.locked
        return tuple(correct_points(hints, self.ab, lightness, strength=strength, locked=locked))


def answer(job: Job, memory: LRUCache | None = None) -> NetworkAnswer:
    """Colorize an image at the network's size.

    Args:
        job: The job.
        memory: Cache of earlier results, which this run extends; None for an image without edits.

    Raises:
        GuidanceError: The recipe names regions, classes or statistics that do not exist.
        ColorzooError: The prediction is not finite.
    """
    stages = Stages(memory)
    solution = solve(job, stages)
    notes = (*job.notes, *solution.notes, *job.network.notes)
    return NetworkAnswer(job, solution, notes, (*job.part.steps, *stages.ran))
