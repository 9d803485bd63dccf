"""Read reference images and encode them for a model.

A `ReferenceEmbedding` is computed once from reference images and stored in a file of 1 to 150 KB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import EncodesReference, FindsClasses, MixesReferences
from colorzoo.errors import GuidanceError, WeightsError
from colorzoo.guidance import Exemplar, Recipe, statistics_of
from colorzoo.image_io.find import explain_irregular_file
from colorzoo.image_io.raster_image import RasterImage, is_gray
from colorzoo.image_io.read import read_image
from colorzoo.inference.full_size import working_size
from colorzoo.model import ColoringModel
from colorzoo.weights.load import is_safetensors, load_state_dict_file, read_metadata, save_weights

_MAX_BYTES = 4 << 30  # maximum size of a reference file
KIND = "colorzoo look"
_STATISTICS = "statistics"


@dataclass(frozen=True)
class ReferenceEmbedding:
    """Embedding of one or several reference images for a model.

    Examples:
        >>> embedding = ReferenceEmbedding(torch.zeros(1, 2, 8), key="0123", model="xu2020_small")
        >>> embedding.save("sunset.safetensors")
        >>> ReferenceEmbedding.load("sunset.safetensors").statistics.shape
        torch.Size([1, 2, 8])

    Attributes:
        statistics: ``(1, R, C)`` float32 on the CPU, see `EncodesReference.encode_reference`.
        key: Key of the model that computed the embedding, see `EncodesReference.reference_key`.
        model: Name of this model.
    """

    statistics: Tensor
    key: str
    model: str

    def save(self, path: str | Path) -> None:
        """Write the embedding as safetensors, atomically."""
        metadata = {"kind": KIND, "model": self.model, "key": self.key}
        save_weights(Path(path), {_STATISTICS: self.statistics}, metadata, half=False)

    @classmethod
    def load(cls, path: str | Path) -> ReferenceEmbedding:
        """Read an embedding.

        Raises:
            GuidanceError: The file does not exist or is not a reference embedding.
        """
        try:
            metadata = read_metadata(Path(path))
            statistics = load_state_dict_file(Path(path)).get(_STATISTICS)
        except WeightsError as error:
            raise GuidanceError(f"the reference embedding cannot be read: {error}.") from error
        valid = statistics is not None and statistics.ndim == 3 and len(statistics) == 1
        if metadata.get("kind") != KIND or statistics is None or not valid:
            raise GuidanceError(f"{path} is not a reference embedding.")
        return cls(statistics.float(), metadata.get("key", ""), metadata.get("model", ""))

    def check_for(self, model: object) -> None:
        """Raise an error if a model cannot use this embedding.

        Raises:
            GuidanceError: The model does not use embeddings, or has other weights than the model that
                computed the embedding.
        """
        name = type(model).__name__
        if not isinstance(model, EncodesReference):
            raise GuidanceError(f"{name} needs the reference image itself, not an embedding of {self.model}.")
        if self.key != model.reference_key():
            raise GuidanceError(
                f"the reference embedding was computed by {self.model} with other weights. "
                "Compute it again from the reference image."
            )


@dataclass(frozen=True)
class ReadReference:
    """A reference image or embedding with its weight.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> ReadReference(read_image("photo.png"), weight=0.5).weight
        0.5

    Attributes:
        source: An image or an embedding.
        weight: Weight among several references.
        name: Name in messages.
    """

    source: RasterImage | ReferenceEmbedding
    weight: float = 1.0
    name: str = "image"


def read_reference(path: Path, weight: float = 1.0) -> ReadReference:
    """Read a reference image or embedding; the content of the file determines the kind.

    Raises:
        GuidanceError: The embedding is damaged.
        ImageError: The image cannot be read.
    """
    if path.is_file() and is_safetensors(path):
        return ReadReference(ReferenceEmbedding.load(path), weight, str(path))
    return ReadReference(read_image(path), weight, str(path))


def ability_for(references: Sequence[object], guidance: object = None) -> type | None:
    """Return the protocol that a model must implement to use references; None for no requirement.

    Classes without label images require `FindsClasses`. Several references, and a strength ``alpha``, require
    `EncodesReference`.

    Args:
        references: Images, embeddings, or their paths.
        guidance: The recipe, or other guidance.
    """
    recipe = guidance if isinstance(guidance, Recipe) else Recipe()
    if "classes" in recipe.kinds() and len(recipe.classes.label_files) < 2:
        return FindsClasses
    return EncodesReference if len(references) > 1 or recipe.exemplar.alpha is not None else None


def embedding_model(references: Sequence[object]) -> str | None:
    """Return the name of the model that computed the first embedding among references, or None.

    Args:
        references: See `ability_for`.

    Raises:
        GuidanceError: A file is not a reference embedding.
    """
    for each in references:
        if isinstance(each, str | Path) and Path(each).is_file() and is_safetensors(Path(each)):
            each = ReferenceEmbedding.load(Path(each))
        if isinstance(each, ReferenceEmbedding):
            return each.model
    return None


def named_references(paths: Sequence[str], weights: Sequence[float] | None) -> list[ReadReference]:
    """Read references from files.

    Args:
        paths: The files.
        weights: A weight for each file; None for equal weights.

    Raises:
        ColorzooError: See `read_reference`, or the numbers of files and weights differ.
    """
    if weights is not None and len(weights) != len(paths):
        raise GuidanceError(f"{len(paths)} references need {len(paths)} weights, got {len(weights)}.")
    return [read_reference(Path(p), w) for p, w in zip(paths, weights or [1.0] * len(paths), strict=True)]


def require_color(image: RasterImage, name: str) -> None:
    """Raise an error if a reference image is gray.

    Raises:
        GuidanceError: The image is gray.
    """
    if is_gray(image):
        raise without_color(name)


def without_color(name: str) -> GuidanceError:
    """Return the error for a gray reference image."""
    return GuidanceError(f"the reference {name} has no color; name an image in color.")


def _require_colors(model: ColoringModel, references: Sequence[ReadReference]) -> None:
    for reference in references if model.reference_needs_color else ():
        if isinstance(reference.source, RasterImage):
            require_color(reference.source, reference.name)


def recipe_references(recipe: Recipe, folder: Path) -> list[ReadReference]:
    """Read the references of a recipe.

    Args:
        recipe: The recipe; its field ``exemplar`` names the files.
        folder: Folder of the recipe file, for relative paths.

    Raises:
        ColorzooError: See `read_reference`.
    """
    return [read_reference(path, weight) for path, weight in recipe_reference_files(recipe, folder)]


def recipe_reference_files(recipe: Recipe, folder: Path) -> list[tuple[Path, float]]:
    """Return the reference files of a recipe and their weights.

    Raises:
        GuidanceError: The field ``exemplar`` is malformed, or a file is a device, a pipe or larger
            than 4 GiB.
    """
    found = [(folder / file.path, file.weight) for file in recipe.exemplar.files]
    for path, _ in found:
        if reason := explain_irregular_file(path):
            raise GuidanceError(f"recipe.exemplar.path: {reason}")
        if path.is_file() and path.stat().st_size > _MAX_BYTES:
            raise GuidanceError(f"recipe.exemplar.path: {path} must have at most {_MAX_BYTES >> 30} GiB")
    return found


def as_reference(image: RasterImage, size: int) -> Tensor:
    """Return a reference image ``(1, 3, h, w)`` in [0, 1] at the network's size."""
    rgb = torch.from_numpy(image.rgb).permute(2, 0, 1)[None]
    shape = working_size(rgb.shape[2], rgb.shape[3], size)
    return F.interpolate(rgb, size=shape, mode="bicubic", antialias=True).clamp(0, 1)


def make_exemplar(model: ColoringModel, references: Sequence[ReadReference], size: int) -> Exemplar:
    """Encode references for a model, for use with any number of images.

    Args:
        model: The model, on its device.
        references: At least one reference; several only for a model that `EncodesReference`.
        size: Shorter side in pixels of the reference for the model.

    Raises:
        GuidanceError: The model requires a single image or a color image.
    """
    _require_colors(model, references)
    first = references[0].source
    if not isinstance(model, EncodesReference):
        if isinstance(first, ReferenceEmbedding):
            first.check_for(model)
        if len(references) > 1 or isinstance(first, ReferenceEmbedding):
            raise GuidanceError(f"{type(model).__name__} takes one reference, got {len(references)}.")
        return Exemplar(as_reference(first, size))
    mixed = _mixed_embedding(model, references, size)
    if len(references) == 1 and isinstance(first, RasterImage):
        return Exemplar(as_reference(first, size), mixed)
    return Exemplar.of_embedding(mixed)


def embed_references(
    model: ColoringModel, name: str, references: Sequence[ReadReference], size: int
) -> ReferenceEmbedding:
    """Compute the embedding of references, to store it in a file.

    Examples:
        >>> from colorzoo.image_io import read_image
        >>> model = colorzoo.create_model("xu2020_small").model
        >>> images = [ReadReference(read_image(path)) for path in sorted(Path("album/train").iterdir())]
        >>> embed_references(model, "xu2020_small", images, size=64).model
        'xu2020_small'

    Raises:
        GuidanceError: The model does not use embeddings, or requires a color image.
    """
    if not isinstance(model, EncodesReference):
        raise GuidanceError(f"{name} needs the reference image itself; it computes no embeddings.")
    _require_colors(model, references)
    return ReferenceEmbedding(_mixed_embedding(model, references, size), model.reference_key(), name)


def _mixed_embedding(model: ColoringModel, references: Sequence[ReadReference], size: int) -> Tensor:
    """Return the mixed embedding ``(1, R, C)`` of references, float32 on the CPU."""
    assert isinstance(model, EncodesReference)
    embeddings = []
    for reference in references:
        if isinstance(reference.source, ReferenceEmbedding):
            reference.source.check_for(model)
            embeddings.append(reference.source.statistics)
        else:
            with torch.inference_mode():
                found = (
                    model.encode_reference(as_reference(reference.source, size).to(model.device))
                    .float()
                    .cpu()
                )
            embeddings.append(found.clone())
    weights = [reference.weight for reference in references]
    if isinstance(model, MixesReferences):
        return model.mix_references(embeddings, _shares(weights, len(embeddings)))
    return mix(embeddings, weights)


def mix(embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted mean of embeddings ``(1, R, C)``.

    Standard deviations are averaged directly. The standard deviation about the common mean would make a mix
    of a warm and a cold reference more vivid than each reference.

    Args:
        embeddings: One embedding for each reference.
        weights: Non-negative weights; only their ratios matter.

    Raises:
        GuidanceError: The number of weights is wrong, a weight is negative, or no weight is positive.
    """
    shares = _shares(weights, len(embeddings))
    return torch.stack([embedding * share for embedding, share in zip(embeddings, shares, strict=True)]).sum(
        0
    )


def _shares(weights: Sequence[float], count: int) -> list[float]:
    """Normalize weights to a sum of 1; see `mix` for the errors."""
    total = sum(weights)
    if len(weights) != count or min(weights, default=-1) < 0 or not 0 < total < float("inf"):
        raise GuidanceError(
            f"reference weights must be {count} numbers from 0 with a positive sum, got {list(weights)}."
        )
    return [weight / total for weight in weights]


def describe_statistics(image: RasterImage) -> dict[str, Any]:
    """Return histogram and saturation of a reference image in the form of a recipe."""
    found = statistics_of(torch.from_numpy(image.rgb).permute(2, 0, 1)[None])
    assert found.histogram is not None
    assert found.saturation is not None
    shares = [round(share, 6) for share in found.histogram[0].tolist()]
    return {"saturation": round(float(found.saturation), 4), "histogram": shares}
