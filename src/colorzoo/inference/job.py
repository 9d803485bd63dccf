"""`Job`: an image to color, and everything that decides its colors."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Crop, Exemplar, Guidance, PointHint, Points, Recipe, Stroke
from colorzoo.guidance.frame import FrameSetting, Rectangle, read_frame
from colorzoo.guidance.rasterize import points_to_hints
from colorzoo.guidance.recipe import MAX_STRENGTH, is_recipe_text
from colorzoo.inference.full_size import FullLightness, shrunk, working_size
from colorzoo.inference.inside import (
    Surroundings,
    crop_guidance,
    crop_levels,
    crop_recipe,
    find_inside,
)
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.stages import Ran
from colorzoo.inference.steps.point_corrections import CORRECTIONS
from colorzoo.pictures.picture import Picture
from colorzoo.weights.files import digest_of

GuidanceLike = Guidance | Recipe | Mapping[str, Any] | str | Path | None


@dataclass(frozen=True, eq=False)
class Part:
    """The part of an image that a model sees.

    Attributes:
        lightness: ``(1, 1, h, w)`` its lightness at the network's size.
        size: Its width and height in pixels of the image.
        full: Its lightness ``(height, width)`` at full size; None if it is elsewhere.
        surroundings: The whole image around it; None if it is all of it.
        steps: How it was found.
        is_frame: It is a frame of a film, and colored as its neighbors are.
    """

    lightness: Tensor
    size: tuple[int, int]
    full: FullLightness | Tensor | None = None
    surroundings: Surroundings | None = None
    steps: tuple[Ran, ...] = ()
    is_frame: bool = False

    @property
    def inside(self) -> Rectangle | None:
        """The rectangle of the whole image; None if it is all of it."""
        return None if self.surroundings is None else self.surroundings.inside

    @property
    def seen(self) -> tuple[int, int]:
        """Height and width at the network."""
        return int(self.lightness.shape[2]), int(self.lightness.shape[3])


@dataclass(frozen=True, eq=False)
class Job:
    """A image to color and everything that decides its colors; `colorzoo.inference.pipeline` says how.

    Attributes:
        network: The model.
        part: What it sees of the image.
        recipe: Points, areas, paint and settings, in pixels of the part.
        tensors: Guidance that was given as tensors, of any size.
        reference: Reference whose colors to use, or None.
        notes: Remarks for the user on what was given.
        crop: What the result keeps of the whole image; None for all of it.
    """

    network: NetworkRunner
    part: Part
    recipe: Recipe = field(default_factory=Recipe)
    tensors: Guidance = field(default_factory=Guidance)
    reference: Exemplar | None = None
    notes: tuple[str, ...] = ()
    crop: Crop | None = None

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of guidance that were given."""
        referred = () if self.reference is None else ("exemplar",)
        return tuple(dict.fromkeys((*self.recipe.kinds(), *self.tensors.kinds(), *referred)))

    @property
    def paints(self) -> bool:
        """True if the model paints sketches, with a lightness of its own."""
        return self.network.model.input_kind == "sketch"


def read_guidance(guidance: GuidanceLike) -> Guidance | Recipe:
    """Read guidance given as JSON or as a path; guidance that is read already stays.

    A `Recipe` may hold unknown fields: `Recipe.from_json` keeps them.

    Raises:
        GuidanceError: It is no recipe, or one with an unknown field.
    """
    if guidance is None:
        return Recipe()
    if isinstance(guidance, Guidance | Recipe):
        return guidance
    return Recipe.from_json(guidance).check_known()


def recipe_folder(guidance: GuidanceLike) -> Path | None:
    """Return the folder of a recipe's file, in which its references lie; None without a file."""
    is_path = isinstance(guidance, str | Path) and not is_recipe_text(guidance)
    return Path(str(guidance)).parent if is_path else None


def see(picture: Picture, setting: FrameSetting, size: int, healing: Sequence[Stroke] = ()) -> Part:
    """Find the part of an image within its frame, heal it, and shrink it to the network's size.

    Args:
        picture: The image.
        setting: The part that is meant.
        size: Shorter side in pixels at the network.
        healing: Strokes over dust and scratches.

    Raises:
        GuidanceError: A rectangle does not lie within the image.
    """
    started = time.perf_counter()
    inside = find_inside(picture, read_frame(setting, "frame"))  # dust moves no frame
    if healing:
        from colorzoo.inference.steps.healing import heal  # few images need it

        picture = replace(picture, levels=heal(picture.levels, healing))
    width, height = picture.size if inside is None else inside[2:4]
    full = FullLightness(picture.levels) if inside is None else crop_levels(picture.levels, inside)
    lightness = shrunk(full, working_size(height, width, size))
    around = None if inside is None else Surroundings(FullLightness(picture.levels), inside)
    within = "" if inside is None else ", within a tilted frame" if inside.tilt else ", within a frame"
    within += f", {len(healing)} healing strokes" if healing else ""
    about = f"{lightness.shape[3]} x {lightness.shape[2]} of {width} x {height} pixels{within}"
    return Part(lightness, (width, height), full, around, (Ran("see", about, time.perf_counter() - started),))


def frame_of(recipe: Guidance | Recipe) -> FrameSetting:
    """Return the part of the image that guidance is for; a label image belongs to the whole image."""
    if not isinstance(recipe, Recipe) or (recipe.frame == "automatic" and not recipe.classes.file):
        return "automatic"
    return "none" if recipe.frame == "automatic" else recipe.frame


def make_job(
    network: NetworkRunner,
    part: Part,
    guidance: Guidance | Recipe,
    *,
    strength: float | None = None,
    reference: Exemplar | None,
    whole: Picture | None = None,
) -> Job:
    """Return the job of coloring a part of an image.

    Args:
        network: The model.
        part: The part.
        guidance: Guidance of the part, or of the whole image if that is given.
        strength: Factor on the chroma; None takes the recipe's, or 1.
        reference: Reference whose colors to use.
        whole: The whole image.

    Raises:
        GuidanceError: The guidance does not fit the image, or the strength is not from 0 to 1.5.
    """
    notes: tuple[str, ...] = ()
    crop = guidance.crop if isinstance(guidance, Recipe) else None
    if whole is not None and part.inside is not None:
        notes = (f"colored within the frame {part.inside}",)
        if isinstance(guidance, Recipe):
            guidance, lost = crop_recipe(guidance, whole.size, part.inside)
            notes += lost
        else:
            guidance = crop_guidance(guidance, part.inside, whole.size)
    recipe, tensors = guidance, Guidance()
    if isinstance(recipe, Guidance):
        hints = _sparse_hints(recipe.points, *part.size)
        tensors = replace(recipe, points=None) if hints else recipe
        recipe = Recipe(points=hints)
    recipe.check_inside(*part.size)
    if strength is None:
        strength = recipe.strength
    if not 0 <= strength <= MAX_STRENGTH:
        raise GuidanceError(f"strength must be from 0 to {MAX_STRENGTH:g}, got {strength:g}.")
    width, height = part.size
    # what was healed is part of the image by now, and what is cropped is cut out at the very end
    sized = replace(recipe.shown(), strength=strength, width=width, height=height, healing=(), crop=None)
    return Job(network, part, sized, tensors, reference, (*notes, *_remarks(recipe, whole)), crop)


def _remarks(recipe: Recipe, picture: Picture | None) -> tuple[str, ...]:
    """Return remarks for the user on a recipe for an image."""
    if picture is None:
        return ()
    notes = [f"the recipe's entry {name!r} is not known here; it is ignored" for name in recipe.unknown()]
    source = picture.metadata.source
    if recipe.sha256 is not None and source is not None and digest_of(source) != recipe.sha256.lower():
        notes.append("the recipe was made for another picture file")
    return tuple(notes)


def _sparse_hints(points: Points | None, width: int, height: int) -> tuple[PointHint, ...]:
    """Describe point tensors in pixels of the image; return none if they are too many."""
    if points is None:
        return ()
    if len(points.mask) != 1:
        raise GuidanceError(f"guidance for one picture was expected, its points are for {len(points.mask)}.")
    rows, columns = points.mask.shape[-2:]
    x_scale, y_scale = width / columns, height / rows
    found = tuple(islice(points_to_hints(points), CORRECTIONS.most_points + 1))
    if len(found) > CORRECTIONS.most_points:
        return ()
    scale = (x_scale + y_scale) / 2
    return tuple(replace(h, x=h.x * x_scale, y=h.y * y_scale, radius=h.radius * scale) for h in found)
