"""Class maps: from the model, from a label image, re-assigned by a table, painted.

In a recipe they are ``classes``: ``map`` (old class -> new class, SPColor section III-D), ``file`` and
``reference_file`` (label images in place of the model's own classes), ``painted`` (polygons with a class).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import numpy as np
import torch
from PIL import Image, ImageDraw, UnidentifiedImageError
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ClassMap, Recipe
from colorzoo.guidance.fields import Fields
from colorzoo.picture_formats import open_picture
from colorzoo.tasks import ColoringModel

_LIKE = 0.02  # by how much the aspect ratio of a label image may differ: rounding of a small one
_LARGEST = 65535


@runtime_checkable
class FindsClasses(Protocol):
    """A model whose colors travel inside classes; it may say how many there are as ``class_count``."""

    def segment(self, luma: Tensor) -> Tensor:
        """Return the ``(B, 1, H, W)`` int64 class of each pixel of a lightness."""


def find_classes(model: FindsClasses, luma: Tensor) -> Tensor:
    """Ask a model for the classes of a lightness, on its device; the answer is on the CPU."""
    device = cast(ColoringModel, model).device
    with torch.inference_mode():
        return model.segment(luma.to(device)).cpu()


def class_map(model: FindsClasses, recipe: Recipe, luma: Tensor, reference: Tensor | None) -> ClassMap | None:
    """Return the classes that a recipe asks for; None if it does not speak of them, for the model's own.

    Args:
        model: Names the classes that no label image names.
        recipe: With the field ``classes``; painted polygons are in pixels of ``recipe.width``.
        luma: ``(1, 1, h, w)`` in [0, 100].
        reference: ``(1, 3, h', w')`` in [0, 1], or None.

    Raises:
        GuidanceError: A class that does not exist, or a label image that does not fit.
    """
    wanted = recipe.extra.get("classes") or {}
    if not wanted:
        return None
    file, other_file = wanted.get("file"), wanted.get("reference_file")
    count = None if file else getattr(model, "class_count", None)
    target = read_labels(file, luma) if file else find_classes(model, luma)
    moved = target.clone()
    for old, new in _table(wanted.get("map") or {}, count).items():
        moved[target == old] = new
    _paint(moved, wanted, recipe, count)
    if reference is None:
        return ClassMap(moved)
    if other_file:
        return ClassMap(moved, read_labels(other_file, reference))
    if file:
        raise GuidanceError(
            "classes.file names the classes of the picture, but classes.reference_file (--reference-classes) "
            "is missing: the classes of the reference must be of the same kind."
        )
    return ClassMap(moved, find_classes(model, rgb_to_lab(reference)[:, :1]))


def read_labels(path: str | Path, like: Tensor) -> Tensor:
    """Read a label image, the class of each pixel as its gray value or palette index.

    Args:
        path: An 8- or 16-bit image of one channel, as COCO-Stuff has them, of any size.
        like: The picture ``(1, C, h, w)``.

    Returns:
        ``(1, 1, h', w')`` int64 at the image's own size.

    Raises:
        GuidanceError: It cannot be read, has colors, or another shape than the picture.
    """
    try:
        with open_picture(path) as image:
            if image.mode not in ("L", "P", "I", "I;16", "1"):
                raise GuidanceError(
                    f"label image {str(path)!r} has the mode {image.mode}; one channel with the number "
                    "of the class was expected (gray or palette)."
                )
            labels = torch.from_numpy(np.asarray(image).astype(np.int64))[None, None]
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "it is no picture"
        raise GuidanceError(f"label image {str(path)!r} cannot be read: {reason}.") from error
    (height, width), (rows, columns) = like.shape[-2:], labels.shape[-2:]
    if abs(width * rows / (height * columns) - 1) > max(_LIKE, 1 / min(height, width, rows, columns)):
        raise GuidanceError(
            f"label image {str(path)!r} has {columns} x {rows} pixels, which is not the shape of its picture "
            f"({width} x {height} as the network sees it)."
        )
    return labels


def _table(values: Mapping[str, Any], count: int | None) -> dict[int, int]:
    """Read a table old class -> new class."""
    fields = Fields(dict(values), "recipe.classes.map")
    table = {}
    for name in values:
        if not name.isdigit():
            raise GuidanceError(
                f"recipe.classes.map has the key {name!r}; the number of a class was expected."
            )
        new = fields.integer(name, None, low=0)
        assert new is not None
        for number in (int(name), new):
            _check(number, count, "recipe.classes.map")
        table[int(name)] = new
    return table


def _paint(labels: Tensor, wanted: Mapping[str, Any], recipe: Recipe, count: int | None) -> None:
    """Give the pixels inside painted polygons their class, later ones over earlier ones."""
    height, width = labels.shape[-2:]
    scale = (width / (recipe.width or width), height / (recipe.height or height))
    for area in Fields({"painted": wanted.get("painted")}, "recipe.classes").children("painted"):
        number = area.integer("class", None, low=0)
        corners = area.path("path")
        if number is None or len(corners) < 3:
            raise GuidanceError(f"{area.name} needs a class and a path of at least three corners.")
        _check(number, count, area.name)
        canvas = Image.new("1", (width, height))
        ImageDraw.Draw(canvas).polygon([(x * scale[0], y * scale[1]) for x, y in corners], fill=1)
        labels[0, 0][torch.from_numpy(np.array(canvas))] = number


def _check(number: int, count: int | None, name: str) -> None:
    largest = _LARGEST if count is None else count - 1
    if number > largest:
        raise GuidanceError(f"{name} speaks of class {number}; classes are from 0 to {largest}.")
