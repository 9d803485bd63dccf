"""Provenance of results, assembled here for the command line, Python, the pad and videos."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from colorzoo import __version__
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance, current_date
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.palette import mean_uncertainty
from colorzoo.inference.result import ColorizedImage
from colorzoo.registry import model_card
from colorzoo.weights.choice import ModelChoice

FileUse = Literal["reference", "classes"]


@dataclass(frozen=True)
class UsedFile:
    """A file besides the image that determines the colors.

    Attributes:
        use: Use of the file.
        name: Name without the folder.
        sha256: SHA-256 of the content; empty if the file cannot be read.
    """

    use: FileUse
    name: str
    sha256: str


def origin_of_choice(
    choice: ModelChoice,
    decisive: Sequence[object],
    *,
    options: Mapping[str, object],
    recipe: str = "",
    crop: str = "",
    files: Sequence[UsedFile],
    engine: str = "torch",
) -> ImageProvenance:
    """Return the provenance of results of a registered model, without their source.

    Args:
        choice: Model and weights.
        decisive: Everything besides the source that determines the colors, as JSON types. A result with the
            same values is not computed again.
        options: Settings that are not in the recipe, by option name; options that are None are omitted.
        recipe: Guidance and settings, as JSON.
        crop: Crop of the images, see `ImageProvenance`.
        files: The files besides the source.
        engine: Engine that runs the model.

    Raises:
        ColorzooError: The model does not exist, or its weights cannot be downloaded.
    """
    card = model_card(choice.name)
    return ImageProvenance(
        source="",
        settings=hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest(),
        model=card.name,
        weights=choice.sha256,
        version=__version__,
        recipe=recipe,
        trained=card.trainable,
        engine=engine,
        crop=crop,
        options=json.dumps({name: value for name, value in options.items() if value is not None}),
        files=json.dumps([asdict(file) for file in files]) if files else "",
    )


def crop_text(recipe: Recipe | None) -> str:
    """Return the crop of a recipe for `ImageProvenance.crop`."""
    return "" if recipe is None or recipe.crop is None else recipe.crop.to_text()


def origin_of_colorizer(colorizer: Colorizer, recipe: Recipe | None = None) -> ImageProvenance:
    """Return the provenance of results of a loaded model, whose weights may have no file.

    Args:
        colorizer: The model.
        recipe: Guidance and settings, or None.
    """
    model, text = colorizer.model, "" if recipe is None else recipe.to_json()
    digest = colorizer.digest
    return ImageProvenance(
        source="",
        settings=hashlib.sha256(f"{digest} {text}".encode()).hexdigest() if text else digest,
        model=type(model).__name__,
        version=__version__,
        recipe=text,
        crop=crop_text(recipe),
        trained=next(model.parameters(), None) is not None,
    )


def origin_of_result(origin: ImageProvenance, source: str, name: str = "") -> ImageProvenance:
    """Return the provenance of one result with the current date.

    Args:
        origin: Provenance of all results with these settings.
        source: SHA-256 of the source file.
        name: Name of the source file without its folder.
    """
    return replace(origin, source=source, date=current_date(), name=name)


def with_prediction(origin: ImageProvenance, colored: ColorizedImage) -> ImageProvenance:
    """Return the provenance of a result with its border and the uncertainty of the prediction."""
    inside, uncertainty = colored.part.inside, mean_uncertainty(colored)
    border = "" if inside is None else str(inside)
    return replace(origin, border=border, uncertainty="" if uncertainty is None else f"{uncertainty:.1f}")
