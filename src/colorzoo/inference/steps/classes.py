"""Class maps, predicted by a model or read from label images.

The recipe field ``classes`` has four subfields. ``map`` replaces old classes with new ones (SPColor, section
III-D). ``file`` and ``reference_file`` are label images that replace predicted classes. ``painted`` lists
labeled polygons.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import SegmentationModel
from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ClassMap, Exemplar, Recipe
from colorzoo.inference.network import NetworkRunner
from colorzoo.inference.steps.areas import polygon_map
from colorzoo.model import ColoringModel
from colorzoo.pixels.formats import open_image

_SAME_ASPECT = 0.02  # tolerance of the aspect ratio of a label image, for rounding
_LARGEST = 65535


def read_classes(
    network: NetworkRunner, recipe: Recipe, lightness: Tensor, exemplar: Exemplar | None
) -> ClassMap:
    """Read or predict the classes of an image and its reference; see `class_map`.

    Args:
        network: Runner of the model.
        recipe: Recipe with the field ``classes`` and the size of the image.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        exemplar: Reference, or None.
    """
    reference = None if exemplar is None else exemplar.rgb
    with network.session() as model:
        return class_map(model, recipe, lightness, reference)


def find_classes(model: ColoringModel, lightness: Tensor) -> Tensor:
    """Predict the class of each pixel of a lightness map ``(1, 1, h, w)``.

    The model runs on its device, and the classes are returned on the CPU.
    """
    assert isinstance(model, SegmentationModel)
    with torch.inference_mode():
        return model.segment(lightness.to(model.device)).cpu()


def class_map(model: ColoringModel, recipe: Recipe, lightness: Tensor, reference: Tensor | None) -> ClassMap:
    """Build the class maps of an image and its reference from the recipe field ``classes``.

    Args:
        model: Model that predicts the classes if the recipe has no label image.
        recipe: Recipe; painted polygons are in pixels of the image ``recipe.width`` x ``recipe.height``.
        lightness: ``(1, 1, h, w)`` in [0, 100].
        reference: Reference image ``(1, 3, h', w')`` in [0, 1], or None.

    Raises:
        GuidanceError: A class does not exist, or a label image is missing or does not match its image.
    """
    hints = recipe.classes
    class_count = None if hints.file else getattr(model, "class_count", None)
    labels = read_labels(hints.file, lightness) if hints.file else find_classes(model, lightness)
    # replace classes
    edited = labels.clone()
    for old, new in (hints.map or {}).items():
        for number in (old, new):
            _check_class(number, class_count, "recipe.classes.map")
        edited[labels == old] = new
    # set the class inside painted polygons; later polygons cover earlier polygons
    height, width = labels.shape[-2:]
    image_size = recipe.width or width, recipe.height or height
    for index, area in enumerate(hints.painted):
        painted, corners, name = area.number, area.path, f"recipe.classes.painted[{index}]"
        if painted is None or len(corners) < 3:
            raise GuidanceError(
                f"{name} must have the field 'class' and a 'path' with at least three corners"
            )
        _check_class(painted, class_count, name)
        is_inside = torch.from_numpy(polygon_map(corners, image_size, (height, width)) > 0.5)
        edited[0, 0][is_inside] = painted
    # a label image has the size of the image, and the network input can be smaller
    if edited.shape[2:] != lightness.shape[2:]:
        edited = F.interpolate(edited.float(), lightness.shape[2:], mode="nearest-exact").long()
    if reference is None:
        return ClassMap(edited)
    # classes of the reference, from its label image or from the model
    if hints.reference_file:
        if reference.shape[2:] == (1, 1):  # an exemplar without an image
            raise GuidanceError(
                "--reference-classes requires exactly one reference image; embeddings are not supported"
            )
        return ClassMap(edited, read_labels(hints.reference_file, reference))
    if hints.file:
        raise GuidanceError(
            "recipe.classes.file requires recipe.classes.reference_file (--reference-classes), because "
            "colors are transferred between equal classes of the image and the reference"
        )
    return ClassMap(edited, find_classes(model, rgb_to_lab(reference)[:, :1]))


def read_label_image(path: str | Path) -> NDArray[np.int64]:
    """Read the class of each pixel, ``(H, W)``, from a label image.

    The class is the gray value or palette index of the pixel.

    Args:
        path: An 8- or 16-bit image with one channel, as in COCO-Stuff.

    Raises:
        GuidanceError: The file cannot be read, or has color channels.
    """
    try:
        with open_image(path) as image:
            if image.mode not in ("L", "P", "I", "I;16", "1"):
                raise GuidanceError(
                    f"label image {str(path)!r} must have one channel (gray or palette) that contains class "
                    f"numbers, got the mode {image.mode}"
                )
            return np.asarray(image).astype(np.int64)
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        reason = getattr(error, "strerror", None) or "not an image"
        raise GuidanceError(f"label image {str(path)!r} cannot be read: {reason}") from error


def read_labels(path: str | Path, like: Tensor) -> Tensor:
    """Read a label image and check its aspect ratio; return int64 labels ``(1, 1, h', w')``.

    Args:
        path: Label image of one channel, see `read_label_image`.
        like: Image ``(1, C, h, w)`` to which the labels belong.

    Raises:
        GuidanceError: The file cannot be read, has color channels, or does not have the aspect ratio of
            the image.
    """
    labels = torch.from_numpy(read_label_image(path))[None, None]
    (height, width), (rows, columns) = like.shape[-2:], labels.shape[-2:]
    if abs(width * rows / (height * columns) - 1) > max(_SAME_ASPECT, 1 / min(height, width, rows, columns)):
        raise GuidanceError(
            f"label image {str(path)!r} must have the same aspect ratio as the image that it labels "
            f"({width} x {height} pixels as network input), got {columns} x {rows} pixels"
        )
    return labels


def _check_class(number: int, count: int | None, name: str) -> None:
    largest = _LARGEST if count is None else count - 1
    if number > largest:
        raise GuidanceError(f"{name} must be a class from 0 to {largest}, got {number}")
