"""Input of the inference pipeline (`ColorizeTask`), and records of its stages."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from colorzoo.abilities import RegionModel
from colorzoo.guidance import Crop, Exemplar, Guidance, Recipe
from colorzoo.guidance.objects import Rectangle
from colorzoo.guidance.recipe import is_recipe_text
from colorzoo.inference.full_size import FullLightness, LightnessShift, map_size
from colorzoo.inference.network import NetworkRunner, States
from colorzoo.pixels.raster import AlphaArray

if TYPE_CHECKING:  # photos do not need these stages
    from colorzoo.inference.steps.drawing import Drawing, FlatColors

T = TypeVar("T")


@dataclass(frozen=True)
class StageRun:
    """Record of one processing stage, which the option ``--explain`` prints.

    Attributes:
        name: Name of the stage.
        about: Description of the input, such as its size; may be empty.
        seconds: Duration; 0 for a cached result.
        cached: Whether the result came from the cache.
    """

    name: str
    about: str = ""
    seconds: float = 0.0
    cached: bool = False


def timed(log: list[StageRun], stage: Callable[..., T], *inputs: Any, about: str = "", **settings: Any) -> T:
    """Run a stage and append its record to a log.

    Args:
        log: Records of the stages that ran before.
        stage: Function to run.
        *inputs: Positional arguments of the function.
        about: Description of the input for the record.
        **settings: Keyword arguments of the function.
    """
    started = time.perf_counter()
    result = stage(*inputs, **settings)
    log.append(StageRun(stage.__name__.replace("_", " "), about, time.perf_counter() - started))
    return result


GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | None


@dataclass(frozen=True)
class Colors:
    """Colors of an image at the size of the network input.

    Attributes:
        ab: Colors ``(1, 2, h, w)`` in CIE units.
        lightness: Lightness ``(1, 1, h, w)`` of a colorized drawing; None for photos.
        flats: Region colors of a drawing, which determine the result at full size; None for photos.
        shift: Lightness change of areas that adopt the lightness of their fill color; None without such
            areas.
        locked: Mask ``(h, w)`` in [0, 1] of colors that areas lock; None without locked areas.
    """

    ab: Tensor
    lightness: Tensor | None = None
    flats: FlatColors | None = None
    shift: LightnessShift | None = None
    locked: Tensor | None = None

    @classmethod
    def of_drawing(cls, flats: FlatColors, size: tuple[int, int]) -> Colors:
        """Return the colors of a drawing at the size ``(h, w)`` of the network input."""
        lab = flats.at_network_size(size)
        return cls(lab[:, 1:], lab[:, :1], flats)

    @property
    def lab(self) -> Tensor:
        """Colors ``(1, 3, h, w)`` in CIE Lab; L is 0 for photos, which keep their lightness."""
        lightness = torch.zeros_like(self.ab[:, :1]) if self.lightness is None else self.lightness
        return torch.cat([lightness, self.ab], dim=1)

    def scaled(self, factor: float) -> Colors:
        """Return the colors before areas are locked, with their chroma multiplied by a factor."""
        if self.flats is None:
            return replace(self, ab=self.ab * factor)
        from colorzoo.inference.steps.drawing import scale_chroma

        return Colors.of_drawing(scale_chroma(self.flats, factor), map_size(self.ab))


@dataclass(frozen=True, eq=False)
class FullSize:
    """Image at full size, with which the predicted colors are combined.

    Attributes:
        lightness: Lightness ``(H, W)`` of the image in [0, 100].
        inside: Part inside the border of a scan (print margin or mount), in pixels of the image. The border
            stays gray. None colors the whole image.
        crop: Crop rectangle in pixels of the image; None for no crop.
        alpha: Alpha channel ``(H, W)`` of the image, which weights the pixels of a rotated crop; None for an
            opaque image.
    """

    lightness: FullLightness | Tensor
    inside: Rectangle | None = None
    crop: Crop | None = None
    alpha: AlphaArray | None = None

    @property
    def part(self) -> FullLightness | Tensor:
        """Lightness of the colored part."""
        if self.inside is None:
            return self.lightness
        if isinstance(self.lightness, Tensor):
            return self.lightness[self.inside.slices]
        return FullLightness(self.lightness.levels[self.inside.slices])


@dataclass(frozen=True, eq=False)
class ColorizeTask:
    """Input of `colorzoo.inference.pipeline.colorize_task`: a model, an image and its guidance.

    Examples:
        >>> colorizer = Colorizer("zhang2017_local_small", device="cpu")
        >>> lightness = torch.full((1, 1, 32, 48), 50.0)
        >>> colorizer.prepare_lightness(lightness, (48, 32), Recipe()).image_size
        (48, 32)

    Attributes:
        network: Runner of the model.
        lightness: Lightness ``(1, 1, h, w)`` at the size of the network input. If the image is a scan with a
            border, this attribute and the following attributes describe the part inside the border.
        image_size: Width and height at full size in pixels.
        recipe: Points, areas, paint and settings, in pixels of the part.
        tensors: Guidance as tensors; maps have the size of the network input.
        reference: Exemplar of the reference image, or None.
        notes: Notes for the user about the guidance.
        full_size: Image at full size. None if it is not available; pass its lightness to
            `ColorizedImage.over`.
        drawing: Lines and regions of a drawing, at any size; None for photos.
        log: Record of each stage, in order.
        results: Results of stages by key; see `run`. The drawing pad uses one cache for all its tasks, so
            that an edit runs only the stages with changed inputs.
        image_key: Model, image and reference of the task in ``results``.
    """

    network: NetworkRunner
    lightness: Tensor
    image_size: tuple[int, int]
    recipe: Recipe = field(default_factory=Recipe)
    tensors: Guidance = field(default_factory=Guidance)
    reference: Exemplar | None = None
    notes: tuple[str, ...] = ()
    full_size: FullSize | None = None
    drawing: Drawing | None = None
    log: list[StageRun] = field(default_factory=list)
    results: MutableMapping[Hashable, Any] = field(default_factory=dict)
    image_key: Hashable = None

    def run(self, stage: Callable[..., T], *inputs: Any, key: Hashable = None, **settings: Any) -> T:
        """Run a stage, or return its cached result.

        The cache `results` ignores the arguments of the function: a result is returned again for the same
        function, `image_key` and key. Each call adds a record to `log`.

        Args:
            stage: Function to run.
            *inputs: Positional arguments of the function.
            key: Parts of the recipe on which the arguments depend; None if they depend only on the image, the
                model and the reference.
            **settings: Keyword arguments of the function.
        """
        result_key = (stage.__name__, self.image_key, key)
        try:
            result: T = self.results[result_key]
        except KeyError:
            result = timed(self.log, stage, *inputs, **settings)
        else:
            self.log.append(StageRun(stage.__name__.replace("_", " "), cached=True))
        self.results[result_key] = result  # also after a hit, because the size of some results grows
        return result

    @property
    def states(self) -> States:
        """Encodings of the image, which the model reuses after an edit; see `NetworkRunner.run_network`."""
        key = "states", self.image_key
        states: States = self.results.get(key, {})
        self.results[key] = states  # also after a hit, because the size of the states grows
        return states

    @cached_property
    def guidance_key(self) -> str:
        """Guidance on which predictions depend, except points, as a part of keys of `results`."""
        recipe, tensors = self.recipe, self.tensors
        objects = tuple(area for area in recipe.areas if area.action == "thing")
        divisions = recipe.divisions if isinstance(self.network.model, RegionModel) else ()
        strokes = recipe.scribbles, tensors.scribbles is None
        regions = recipe.regions, tensors.regions is None
        objects_of_image = recipe.exemplar, recipe.classes, recipe.statistics, recipe.label, recipe.more
        return repr((objects, recipe.boxes, divisions, objects_of_image, strokes, regions))

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """Kinds of guidance in the task, such as ``"points"``."""
        referred = () if self.reference is None else ("exemplar",)
        return tuple(dict.fromkeys((*self.recipe.kinds(), *self.tensors.kinds(), *referred)))


def read_guidance(guidance: GuidanceLike) -> Guidance | Recipe:
    """Read guidance from JSON or a path; guidance objects are returned unchanged.

    Unlike `Recipe.from_json`, this function rejects unknown fields.

    Raises:
        GuidanceError: The text is not a recipe, or the recipe has an unknown field.
    """
    if guidance is None:
        return Recipe()
    if isinstance(guidance, Guidance | Recipe):
        return guidance
    return read_recipe(guidance)


def read_recipe(source: Mapping[str, Any] | str | Path) -> Recipe:
    """Read a recipe whose label images, if any, are relative to the recipe file.

    Examples:
        >>> read_recipe('{"version": 2, "points": [{"x": 20, "y": 10, "color": "#c04020"}]}').points[0].color
        '#c04020'

    Args:
        source: Parsed JSON, JSON text, or the path of a recipe.

    Raises:
        GuidanceError: The text is not a recipe, or the recipe has an unknown field.
    """
    recipe, folder = Recipe.from_json(source).check_known(), recipe_folder(source)
    if folder is None:
        return recipe
    return recipe.with_label_files(str(folder / file) for file in recipe.classes.label_files)


def recipe_folder(guidance: GuidanceLike) -> Path | None:
    """Return the folder of a recipe file; None for a recipe without a file.

    Paths of references in the recipe are relative to this folder.
    """
    is_path = isinstance(guidance, str | Path) and not is_recipe_text(guidance)
    return Path(str(guidance)).parent if is_path else None
