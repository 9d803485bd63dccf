"""Read reference images and encode them for a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from colorzoo._files import digest_or_empty
from colorzoo.abilities import ExemplarModel
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Exemplar, Guidance, Recipe, statistics_of
from colorzoo.guidance.fields import format_hex
from colorzoo.image_io.raster_image import RasterImage, fill_hidden, is_gray
from colorzoo.inference.full_size import working_size
from colorzoo.model import ColoringModel
from colorzoo.pixels.find import explain_irregular_file
from colorzoo.pixels.raster import unit_range

_PALETTE_SIDE = 256  # longer side in pixels of the copy from which `main_colors` are taken
_MAX_BYTES = 4 << 30  # maximum size of a reference file


@dataclass(frozen=True)
class ReadReference:
    """A reference image with its weight.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> ReadReference(read_image("photo.png"), weight=0.5).weight
        0.5

    Attributes:
        source: Reference image.
        weight: Relative weight if several references are mixed.
        name: Name of the image in messages.
    """

    source: RasterImage
    weight: float = 1.0
    name: str = "image"


@dataclass(frozen=True)
class SheetExemplar(Exemplar):
    """Several references of a drawing, whose regions also copy the exact colors of the references.

    Attributes:
        sheets: Layer with the regions of the references (`layers.sheets.Sheets`).
    """

    sheets: object | None = None


def equal_or_given(weights: Sequence[float] | None, count: int) -> Sequence[float]:
    """Return the weights of references; None gives equal weights.

    Args:
        weights: Value of ``--reference-weights``.
        count: Number of references.

    Raises:
        GuidanceError: The number of weights differs from the number of references.
    """
    if weights is not None and len(weights) != count:
        raise GuidanceError(
            f"--reference-weights must have one weight per reference ({count}), got {len(weights)}"
        )
    return weights or [1.0] * count


def require_color(image: RasterImage, name: str) -> None:
    """Raise `GuidanceError` if a reference image is gray.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> require_color(read_image("photo.png"), "photo.png")
        Traceback (most recent call last):
        colorzoo.errors.GuidanceError: ...
    """
    if is_gray(image):
        raise GuidanceError(f"the reference {name} has no color. Choose a color image.")


def recipe_reference_files(guidance: Guidance | Recipe, folder: Path | None) -> list[tuple[Path, float]]:
    """Return the reference files of a recipe and their weights.

    Args:
        guidance: Recipe; guidance tensors contain no files.
        folder: Folder to which the paths of references are relative; None ignores the references.

    Raises:
        GuidanceError: The field ``exemplar`` is malformed, or a file is a device, a pipe or larger
            than 4 GiB.
    """
    if folder is None or isinstance(guidance, Guidance):
        return []
    found = [
        (folder / file.path, 1.0 if file.weight is None else file.weight) for file in guidance.exemplar.files
    ]
    for path, _ in found:
        if reason := explain_irregular_file(path):
            raise GuidanceError(f"recipe.exemplar.path: {reason}")
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise GuidanceError(f"recipe.exemplar.path: {path} must be at most {_MAX_BYTES >> 30} GiB")
    return found


def reference_notes(recipe: Recipe, folder: Path | None) -> tuple[str, ...]:
    """Return a note for each reference file of a recipe whose content differs from the recipe.

    Args:
        recipe: Recipe; only references with a SHA-256 are compared.
        folder: Base folder of relative paths; None if the references are ignored.
    """
    if folder is None:
        return ()
    return tuple(
        f"the recipe was made for another reference file {file.path}"
        for file in recipe.exemplar.files
        if file.sha256 is not None and digest_or_empty(folder / file.path) != file.sha256.lower()
    )


def as_reference(image: RasterImage, size: int) -> Tensor:
    """Resize a reference image for a model and return RGB ``(1, 3, h, w)`` in [0, 1].

    Transparent pixels get the visible colors around them; see `fill_hidden`.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> as_reference(read_image("photo.png"), size=16).shape
        torch.Size([1, 3, 16, 24])

    Args:
        image: Reference image.
        size: Length of the shorter side in pixels.
    """
    rgb = torch.from_numpy(fill_hidden(image).rgb).permute(2, 0, 1)[None]
    shape = working_size(rgb.shape[2], rgb.shape[3], size)
    return F.interpolate(rgb, size=shape, mode="bicubic", antialias=True).clamp(0, 1)


def make_exemplar(model: ColoringModel, references: Sequence[ReadReference], size: int) -> Exemplar:
    """Encode reference images into an exemplar that can be reused for several images.

    Args:
        model: Model on its device.
        references: References; several require a model that supports `ExemplarModel.encode_reference`.
        size: Shorter side of the resized references in pixels.

    Raises:
        GuidanceError: The model does not support several references, or the model requires color and a
            reference is gray.
    """
    if model.reference_needs_color:
        for reference in references:
            require_color(reference.source, reference.name)
    images = [as_reference(reference.source, size) for reference in references]
    if not isinstance(model, ExemplarModel):
        if len(images) > 1:
            raise GuidanceError(f"{type(model).__name__} accepts only one reference, got {len(images)}")
        return Exemplar(images[0])
    with torch.inference_mode():
        encoded = [model.encode_reference(image.to(model.device)).float().cpu() for image in images]
    weights = normalize_weights([reference.weight for reference in references])
    # outside inference mode, clones of inference tensors are normal tensors
    mixed = model.mix_references([each.clone() for each in encoded], weights)
    return Exemplar(images[0], mixed) if len(images) == 1 else Exemplar.of_embedding(mixed)


def normalize_weights(weights: Sequence[float]) -> list[float]:
    """Scale the weights of references to a sum of 1.

    Raises:
        GuidanceError: A weight is negative or not finite, or no weight is positive.
    """
    total = sum(weights)
    if min(weights, default=-1) < 0 or not 0 < total < float("inf"):
        raise GuidanceError(
            f"--reference-weights must be {len(weights)} non-negative numbers with a positive sum, got "
            f"{list(weights)}"
        )
    return [weight / total for weight in weights]


def describe_statistics(image: RasterImage) -> dict[str, Any]:
    """Compute the recipe field ``statistics`` of an image.

    The result is a dictionary with the mean HSV ``saturation`` and the 313-bin color ``histogram``. Pixels
    are weighted by their alpha, so transparent pixels do not count.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> sorted(describe_statistics(read_image("photo.png")))
        ['histogram', 'saturation']
    """
    opacity = None
    if image.alpha is not None and image.alpha.any():
        opacity = torch.from_numpy(unit_range(image.alpha))[None, None]
    found = statistics_of(torch.from_numpy(fill_hidden(image).rgb).permute(2, 0, 1)[None], opacity)
    assert found.histogram is not None
    assert found.saturation is not None
    shares = [round(share, 6) for share in found.histogram[0].tolist()]
    return {"saturation": round(float(found.saturation), 4), "histogram": shares}


def main_colors(image: RasterImage, count: int = 12) -> tuple[str, ...]:
    """Return the main colors ``#rrggbb`` of an image, at most ``count`` (median cut).

    Pixels are weighted by their alpha, so transparent pixels do not count.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> main_colors(read_image("photo.png"))
        ('#787878',)
    """
    small = Image.fromarray((fill_hidden(image).rgb * 255).round().astype(np.uint8))
    small.thumbnail((_PALETTE_SIDE, _PALETTE_SIDE))
    if image.alpha is not None and image.alpha.any():
        alpha = Image.fromarray(unit_range(image.alpha))
        alpha.thumbnail((_PALETTE_SIDE, _PALETTE_SIDE))
        opacity = np.asarray(alpha).clip(0).ravel()
        # median cut has no weights: repeat each pixel, an opaque pixel 8 times
        copies = np.rint(8 * opacity / opacity.max()).astype(int)
        pixels = np.repeat(np.asarray(small).reshape(-1, 3), copies, axis=0)
        small = Image.fromarray(pixels[None])
    small = small.quantize(count).convert("RGB")
    values, counts = np.unique(np.asarray(small).reshape(-1, 3), axis=0, return_counts=True)
    ordered = values[np.argsort(-counts, kind="stable")]
    return tuple(map(format_hex, ordered.tolist()))
