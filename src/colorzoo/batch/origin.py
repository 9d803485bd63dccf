"""Provenance records of results: source, model, weights and settings."""

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
    """A file that determines the colors in addition to the source image, such as a reference.

    Attributes:
        use: Role of the file.
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
    """Return the provenance record for all results of a registered model, without a source.

    Args:
        choice: Model and weights.
        decisive: All values that determine the colors except the source image, as JSON types. If an existing
            result has equal values, the image is not colorized again.
        options: Settings that are not in the recipe, by option name; values of None are omitted.
        recipe: Guidance and settings as JSON.
        crop: Crop of the results, see `ImageProvenance`.
        files: Files in addition to the source that determine the colors.
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
    """Return the provenance record for results of a loaded model.

    Unlike `origin_of_choice`, this function also supports custom modules without a weight file.

    Args:
        colorizer: Colorizer with the loaded model.
        recipe: Guidance and settings; None if the guidance is not a recipe.
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
    """Return the provenance record of one result, with the current date.

    Args:
        origin: Record that all results with the same settings share.
        source: SHA-256 of the source file.
        name: Name of the source file without its folder.
    """
    return replace(origin, source=source, date=current_date(), name=name)


def with_prediction(origin: ImageProvenance, colored: ColorizedImage) -> ImageProvenance:
    """Add the detected scan border and the predicted uncertainty to a provenance record."""
    inside, uncertainty = colored.part.inside, mean_uncertainty(colored)
    border = "" if inside is None else str(inside)
    return replace(origin, border=border, uncertainty="" if uncertainty is None else f"{uncertainty:.1f}")
