"""Provenance records of results."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from colorzoo import __version__
from colorzoo._files import digest_or_empty
from colorzoo.batch.settings import ColorSettings
from colorzoo.card import ModelCard
from colorzoo.files import digest_of
from colorzoo.guidance import Recipe
from colorzoo.image_io.provenance import ImageProvenance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.references import recipe_reference_files
from colorzoo.inference.result import ColorizedImage
from colorzoo.options import full_repr
from colorzoo.registry import list_models, model_card
from colorzoo.weights.catalog import ResolvedWeights, find_weights
from colorzoo.weights.load import UNTRAINED, read_weights

_IN_RECIPE = ("strength", "alpha", "reference_weights", "reassigned")  # settings with a recipe field
_UNRECORDED = ("device", "allow_untrained")  # settings that do not determine the result
FileUse = Literal["reference", "classes"]


@dataclass(frozen=True)
class UsedFile:
    """Input file besides the source image, such as a reference.

    Examples:
        >>> UsedFile("reference", "photo.png", "").name
        'photo.png'

    Attributes:
        use: Role of the file: ``"reference"``, or ``"classes"`` for a label image.
        name: Name without the folder.
        sha256: SHA-256 of the content; empty if the file cannot be read.
    """

    use: FileUse
    name: str
    sha256: str


def input_files(recipe: Recipe, folder: Path | None) -> list[tuple[FileUse, Path]]:
    """Return role and path of the references and the label images of a recipe.

    Args:
        recipe: Recipe of a result.
        folder: Folder to which the paths of references are relative; None omits the references.

    Raises:
        GuidanceError: The field ``exemplar`` of the recipe is malformed, or a reference is not a regular
            file.
    """
    references = recipe_reference_files(recipe, folder)
    files: list[tuple[FileUse, Path]] = [("reference", path) for path, _ in references]
    return files + [("classes", Path(name)) for name in recipe.classes.label_files]


def used_files(recipe: Recipe, folder: Path | None) -> list[UsedFile]:
    """Return the files of `input_files` with their hashes."""
    files = input_files(recipe, folder)
    return [UsedFile(use, path.name, digest_or_empty(path)) for use, path in files]


def result_provenance(
    model: str | Colorizer,
    recipe: Recipe,
    settings: ColorSettings,
    files: Sequence[UsedFile] = (),
    *,
    weights: str | Path | None = "default",
    replacement: str | None = None,
    loaded: Colorizer | None = None,
    size: int | None = None,
    max_side: int | None = None,
) -> ImageProvenance:
    """Return the provenance record of results, without their source.

    If the weight file is missing, it is downloaded. The model is not loaded.

    Args:
        model: Registered name, or a colorizer with a custom module.
        recipe: Recipe of the results. The record stores the recipe with the names of ``files``, which must be
            beside the recipe when it is used again.
        settings: Settings of the command line.
        files: References and label images of the recipe, in this order; see `used_files`.
        weights: ``weights`` argument of a registered model; see `create_model`.
        replacement: Model that replaces ``model`` if an image is line art; None if no model replaces it.
        loaded: Colorizer whose settings override ``settings``; None for a model that is loaded with
            ``settings``.
        size: Shorter side of the network input in pixels, `Colorizer.size`; None if the model is not loaded.
        max_side: Maximum longer side in pixels to which the drawing pad reduces the result; None keeps the
            size of the image.

    Raises:
        ColorzooError: The model does not exist, or its weights cannot be downloaded.
    """
    # the settings that determine a result, and the engine, by name
    found = {each.name: getattr(settings, each.name) for each in fields(ColorSettings)}
    found["max_side"] = max_side
    if loaded is not None:
        found |= {"temperature": None, "render_factor": None, **loaded.settings}
        found |= {"size": loaded.requested_size, "precision": loaded.precision, "engine": loaded.engine}
    recorded_settings = {
        name: value for name, value in found.items() if value is not None and name not in _UNRECORDED
    }
    if settings.strength is not None:
        recipe = replace(recipe, strength=settings.strength)
    if isinstance(model, str):
        recipe = replace(recipe, model=model_card(model).name)
    recorded_recipe = hashed_recipe = recipe.to_dict()
    if files:  # their content determines the result, not their names
        hashed_recipe = _with_files(recipe, [(file.use, file.sha256, None) for file in files]).to_dict()
        recorded_recipe = _with_files(
            recipe, [(file.use, file.name, file.sha256) for file in files]
        ).to_dict()
    # all engines give equal pixels
    decisive_settings = {name: value for name, value in recorded_settings.items() if name != "engine"}
    decisive_recipe = {**hashed_recipe, "image": None}  # without size and SHA-256 of the source
    decisive: list[object] = [decisive_settings, decisive_recipe]
    if loaded is not None:  # hashes of the files among its settings, such as `matcher_weights` of `huang2022`
        paths = [Path(value) for value in loaded.settings.values() if isinstance(value, str | Path)]
        decisive += [digest for digest in map(digest_or_empty, paths) if digest]
    if replacement is not None:
        file, _ = find_weights(model_card(replacement), "default")
        decisive.append(_file_hash(file))
    options = {name: value for name, value in recorded_settings.items() if name not in _IN_RECIPE}
    if size is not None:
        options = {"size": size, **options}  # a size set by the user has priority
    return model_provenance(
        model,
        decisive,
        options=options,
        weights=weights,
        recipe=json.dumps(recorded_recipe, indent=1),
        crop="" if recipe.crop is None else recipe.crop.to_text(),
        files=files,
    )


def _with_files(recipe: Recipe, files: Sequence[tuple[FileUse, str, str | None]]) -> Recipe:
    """Return a recipe with new names and hashes of its references and label images."""
    references = [(name, sha256) for use, name, sha256 in files if use == "reference"]
    labels = [name for use, name, _ in files if use == "classes"]
    if references:
        recipe = recipe.with_references(references)
    return recipe.with_label_files(labels) if labels else recipe


def model_provenance(
    model: str | Colorizer,
    decisive: Sequence[object],
    *,
    options: Mapping[str, object],
    weights: str | Path | None = "default",
    recipe: str = "",
    crop: str = "",
    files: Sequence[UsedFile] = (),
) -> ImageProvenance:
    """Return a provenance record for results of a model, without their source.

    Examples:
        >>> model_provenance("zhang2017_local_small", [], options={"size": 128}).model
        'zhang2017_local_small'

    Args:
        model: Registered name, or a colorizer with a custom module.
        decisive: All other values that determine the result, except the source image, as JSON types. The
            record stores a hash of the model and these values. A later run with an equal hash keeps the
            existing result.
        options: Settings outside the recipe, by option name; None values are omitted.
        weights: ``weights`` argument of a registered model; see `create_model`.
        recipe: Guidance and settings as JSON.
        crop: Crop of the results, see `ImageProvenance`.
        files: Input files besides the source image.

    Raises:
        ColorzooError: The model does not exist, or its weights cannot be downloaded.
    """
    if isinstance(model, Colorizer):  # with a custom module
        module = model.model
        name, sha256, hashes = type(module).__name__, "", [model.digest]
        has_parameters = next(module.parameters(), None) is not None
        is_trained = has_parameters and module.trained
    else:
        card = model_card(model)
        name = card.name
        file, _ = find_weights(card, weights)
        sha256 = _file_hash(file)
        hashes = [sha256, *backbone_hashes(card)]
        # all weights that model cards list are trained
        is_trained = file is not None and (
            file.entry is not None or not read_weights(file.path).stored.get(UNTRAINED)
        )
    # settings of custom models can be any objects
    hashed = json.dumps([name, *hashes, *decisive], sort_keys=True, default=full_repr)
    settings_sha256 = hashlib.sha256(hashed.encode()).hexdigest()
    recorded_options = {key: value for key, value in options.items() if value is not None}
    return ImageProvenance(
        source="",
        settings=settings_sha256,
        model=name,
        weights=sha256,
        version=__version__,
        recipe=recipe,
        trained=is_trained,
        engine=str(recorded_options.get("engine", "torch")),
        crop=crop,
        options=json.dumps(recorded_options, default=repr),
        files=json.dumps([asdict(file) for file in files]) if files else "",
    )


def backbone_hashes(card: ModelCard) -> list[str]:
    """Return the SHA-256 of the weights of the backbones of a model, and of their backbones.

    A backbone is a registered model that a setting of the card names, such as the setting ``backbone``. The
    model loads the weights of its backbones besides its own.
    """
    settings = [value for value in card.hparams.values() if isinstance(value, str)]
    registered_names = list_models() if settings else []
    hashes: list[str] = []
    for name in settings:
        if name in registered_names:
            backbone = model_card(name)
            hashes += [_file_hash(find_weights(backbone, "default")[0]), *backbone_hashes(backbone)]
    return hashes


def _file_hash(file: ResolvedWeights | None) -> str:
    return "" if file is None else file.sha256 or digest_of(file.path)


def with_source(provenance: ImageProvenance, digest: str, name: str = "") -> ImageProvenance:
    """Return a copy of a record with the source of a result and the current date.

    If the environment variable ``SOURCE_DATE_EPOCH`` is set (seconds since 1970), it replaces the current
    date, so that output files are reproducible.

    Args:
        provenance: Record from `result_provenance` or `model_provenance`.
        digest: SHA-256 of the source file.
        name: Name of the source file without its folder.
    """
    fixed_seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(fixed_seconds), UTC) if fixed_seconds.isdigit() else datetime.now(UTC)
    return replace(provenance, source=digest, name=name, date=now.isoformat(timespec="seconds"))


def with_prediction(provenance: ImageProvenance, colored: ColorizedImage) -> ImageProvenance:
    """Return a copy of a provenance record with values that the colorization computed.

    Args:
        provenance: Provenance record.
        colored: Colorized image, which provides the scan border and the predicted uncertainty.
    """
    full, uncertainty = colored.edit.full_size, colored.uncertainty
    border = "" if full is None or full.inside is None else str(full.inside)
    return replace(provenance, border=border, uncertainty="" if uncertainty is None else f"{uncertainty:.1f}")
