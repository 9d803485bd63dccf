"""Origin of a result: the one place where its provenance is put together, whoever colors it.

The command line, Python, the pad and videos say what decided the colors; what is recorded of it is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal

from colorzoo import __version__
from colorzoo.engines.digest import model_digest
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance, current_date
from colorzoo.inference.palette import mean_uncertainty
from colorzoo.inference.result import ColorizedImage
from colorzoo.model import ColoringModel
from colorzoo.registry import model_card
from colorzoo.weights.choice import ModelChoice

FileUse = Literal["reference", "classes"]


@dataclass(frozen=True)
class UsedFile:
    """A file besides the image that decides its colors.

    Attributes:
        use: What it was used for.
        name: Its name without the folder.
        sha256: SHA-256 of its content; empty if it cannot be read.
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
    """Return the origin of results of a registered model, without their source.

    Args:
        choice: Model and weights.
        decisive: Everything besides the source that decides the colors, as JSON types; results of which it is
            the same are not made again.
        options: Settings that no recipe holds, by their names on the command line; None is left out.
        recipe: Guidance and settings as they are used, as JSON.
        crop: What results keep of their images, see `ImageProvenance`.
        files: The files besides the source.
        engine: Engine that runs the model.

    Raises:
        ColorzooError: There is no such model, or its weights cannot be had.
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


def origin_of_model(model: ColoringModel, size: int, recipe: Recipe | None = None) -> ImageProvenance:
    """Return the origin of results of a loaded model whose weights may have no file, without their source.

    Args:
        model: The model.
        size: Shorter side in pixels at which it sees images.
        recipe: Guidance and settings, if there are any.
    """
    text = "" if recipe is None else recipe.to_json()
    return ImageProvenance(
        source="",
        settings=model_digest(model, size, *([text] if text else [])).hex(),
        model=type(model).__name__,
        version=__version__,
        recipe=text,
        crop=crop_text(recipe),
        trained=next(model.parameters(), None) is not None,
    )


def origin_of_result(origin: ImageProvenance, source: str, name: str = "") -> ImageProvenance:
    """Return the origin of one result, which is made now.

    Args:
        origin: What all results of these settings have in common.
        source: SHA-256 of the source file.
        name: Its name without the folder.
    """
    return replace(origin, source=source, date=current_date(), name=name)


def origin_of_answer(origin: ImageProvenance, colored: ColorizedImage) -> ImageProvenance:
    """Return the origin of one result with what is known once it is colored: its border, and the doubt."""
    inside, uncertainty = colored.part.inside, mean_uncertainty(colored)
    border = "" if inside is None else str(inside)
    return replace(origin, border=border, uncertainty="" if uncertainty is None else f"{uncertainty:.1f}")
