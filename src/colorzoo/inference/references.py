"""References: from the pictures or looks that a user names to what a model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.guidance.fields import Fields
from colorzoo.inference.looks import GivesLooks, Look, is_look, mix
from colorzoo.inference.picture import Picture, is_gray
from colorzoo.inference.read import read_picture
from colorzoo.inference.resample import working_size
from colorzoo.tasks import ColoringModel

_LARGE = 2**22  # pixels


@dataclass(frozen=True)
class Reference:
    """One reference.

    Attributes:
        source: A picture, or the look of one.
        weight: Its share among several.
    """

    source: Picture | Look
    weight: float = 1.0


def read_reference(path: Path, weight: float = 1.0) -> Reference:
    """Read a picture or a look, told apart by content.

    Raises:
        GuidanceError: A look that is broken, or a picture without color.
        PictureError: The picture cannot be read.
    """
    if is_look(path):
        return Reference(Look.load(path), weight)
    picture = read_picture(path)
    require_color(picture, str(path))
    return Reference(picture, weight)


def named_references(paths: Sequence[str], weights: Sequence[float] | None) -> list[Reference]:
    """Read references from files, with a weight for each, or all alike.

    Raises:
        ColorzooError: As `read_reference`, or there are not as many weights as files.
    """
    if weights is not None and len(weights) != len(paths):
        raise GuidanceError(f"{len(paths)} references need {len(paths)} weights, got {len(weights)}.")
    return [read_reference(Path(p), w) for p, w in zip(paths, weights or [1.0] * len(paths), strict=True)]


def require_color(picture: Picture, name: str) -> None:
    """Make sure that there are colors to take.

    Raises:
        GuidanceError: The picture is gray.
    """
    if is_gray(picture):
        raise GuidanceError(f"the reference {name} has no color; name a picture in color.")


def recipe_references(recipe: Recipe, folder: Path) -> list[Reference]:
    """Read the references that a recipe names, which lie beside it.

    Args:
        recipe: ``exemplar`` has ``path``, perhaps ``weight``, and ``more`` of the same.
        folder: Of the recipe.

    Raises:
        ColorzooError: As `read_reference`.
    """
    return [read_reference(path, weight) for path, weight in recipe_reference_files(recipe, folder)]


def recipe_reference_files(recipe: Recipe, folder: Path) -> list[tuple[Path, float]]:
    """Return the files that `recipe_references` reads, each with its weight.

    Raises:
        GuidanceError: They are not named as a recipe should name them.
    """
    exemplar = Fields(recipe.extra.get("exemplar") or {}, "recipe.exemplar")
    found = []
    for fields in (exemplar, *exemplar.children("more")):
        path, weight = fields.text("path", None), fields.number("weight", 1.0, low=0)
        if path is not None:
            found.append((folder / path, weight))
    return found


def as_reference(picture: Picture, size: int) -> Tensor:
    """Return a reference picture ``(1, 3, h, w)`` in [0, 1], as small as the network sees pictures."""
    rgb = torch.from_numpy(picture.rgb).permute(2, 0, 1)[None]
    height, width = rgb.shape[-2:]
    shape = working_size(height, width, size)
    reduction = min(height // (2 * shape[0]), width // (2 * shape[1]))
    if height * width > _LARGE and reduction > 1:  # whole pixels first: a copy of all would fill memory
        rgb = F.avg_pool2d(rgb, reduction)
    small = F.interpolate(rgb, size=shape, mode="bicubic", antialias=True)
    return small.clamp(0, 1)


def make_exemplar(model: ColoringModel, references: Sequence[Reference], size: int) -> Exemplar:
    """Return what a model takes of references, for any number of pictures.

    Args:
        model: On its device.
        references: At least one; several only for a model that gives looks.
        size: Shorter side at which the model sees a reference.

    Raises:
        GuidanceError: Several references or a look, for a model that needs the picture itself.
    """
    first = references[0].source
    if not isinstance(model, GivesLooks):
        if isinstance(first, Look):
            first.check_for(model)
        if len(references) > 1 or isinstance(first, Look):
            raise GuidanceError(f"{type(model).__name__} takes one reference, got {len(references)}.")
        return Exemplar(as_reference(first, size))
    looks = [look_of(model, reference.source, size) for reference in references]
    mixed = mix(looks, [reference.weight for reference in references])
    if len(references) == 1 and isinstance(first, Picture):
        return Exemplar(as_reference(first, size), mixed)
    return Exemplar.of_look(mixed)


def make_look(model: ColoringModel, name: str, references: Sequence[Reference], size: int) -> Look:
    """Return the look of references as it goes into a file; see `make_exemplar`.

    Raises:
        GuidanceError: The model gives no looks.
    """
    if not isinstance(model, GivesLooks):
        raise GuidanceError(f"{name} needs the reference picture itself; it makes no looks.")
    looks = [look_of(model, reference.source, size) for reference in references]
    return Look(mix(looks, [reference.weight for reference in references]), model.look_key(), name)


def look_of(model: ColoringModel, source: Picture | Look, size: int) -> Tensor:
    """Return the statistics ``(1, R, C)`` of one reference, float32 on the CPU."""
    if isinstance(source, Look):
        source.check_for(model)
        return source.statistics
    assert isinstance(model, GivesLooks)
    with torch.inference_mode():
        found = model.look(as_reference(source, size).to(model.device)).float().cpu()
    return found.clone()
