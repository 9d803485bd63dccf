"""Selection of a model for an image and its guidance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from colorzoo.drawing.lines import is_line_art
from colorzoo.errors import UnknownModelError
from colorzoo.guidance import Exemplar, Guidance, Recipe
from colorzoo.image_io.raster_image import IN_COLOR, RasterImage, chroma_note
from colorzoo.pixels.raster import composite_on_paper
from colorzoo.registry import DEFAULT_MODELS, default_model, model_card
from colorzoo.weights.load import model_of_file


def requested_model(
    name: str | None, guidance: Guidance | Recipe, weights: str | Path | None = "default"
) -> str | None:
    """Return the model that the user, the recipe or the weight file names, or None.

    Args:
        name: Registered name or alias from the user. None selects the model that the recipe names, else the
            model in the metadata of the weight file.
        guidance: Guidance or recipe.
        weights: ``"default"``, another tag of the model card, a path, or None; see `create_model`.

    Raises:
        UnknownModelError: ``name`` is not text.
        WeightsError: ``weights`` is a damaged file.
    """
    if name is None and isinstance(guidance, Recipe):
        name = guidance.model
    if name is not None and not isinstance(name, str):
        raise UnknownModelError(
            f"the model must be a registered name, got {type(name).__name__}. Pass hints and recipes as "
            "guidance=..., and a module to Colorizer."
        )
    if not name and weights != "default":  # a file with the name "default" does not select a model
        name = model_of_file(weights)
    return name or None


def choose_model(
    guidance: Guidance | Recipe | None = None,
    image: RasterImage | None = None,
    *,
    name: str | None = None,
    weights: str | Path | None = "default",
    references: Sequence[object] = (),
) -> str:
    """Return the name of the model for an image and its guidance.

    If neither the user, the recipe nor the weight file names a model (see `requested_model`), the result is
    a default model (`default_model`): the model that accepts most kinds of the guidance. Line art has its own
    default model.

    Examples:
        >>> choose_model()
        'colorzoo2026'
        >>> choose_model(Recipe.from_json({"scribbles": [{"path": [[1, 2], [8, 9]]}]}))
        'kim2021_small'

    Args:
        guidance: Guidance or recipe that the model should accept.
        image: Image to colorize; None selects a model for photos, unless the guidance requires a model for
            drawings.
        name: Registered name or alias from the user.
        weights: ``"default"``, ``"published"``, a path, or None for random weights; see `create_model`.
        references: Reference images or paths that are not part of the guidance.

    Raises:
        ColorzooError: ``name`` is not text, or ``weights`` is a damaged file.
    """
    guidance = Recipe() if guidance is None else guidance
    requested = requested_model(name, guidance, weights)
    if requested is not None:
        return requested
    # kinds of guidance that the model receives
    recipe = guidance.shown() if isinstance(guidance, Recipe) else Recipe()  # without hidden areas
    kinds = ["exemplar", *guidance.kinds()] if references else [*guidance.kinds()]
    actions = {area.action for area in recipe.areas}
    if "color" in actions:
        kinds.append("points")  # the colors of areas are passed to the model as points
    if "thing" in actions:
        kinds += ["boxes", "scribbles"]  # object areas are passed to the model as boxes and strokes
    # the first of their default models that accepts most kinds
    if "classes" in recipe.kinds() and len(recipe.classes.label_files) < 2:
        chosen = DEFAULT_MODELS["classes"]  # this model predicts the classes without a label image
    elif len(references) > 1 or ("exemplar" in recipe.kinds() and recipe.exemplar.alpha is not None):
        chosen = DEFAULT_MODELS["exemplar"]  # this model mixes embeddings and limits their strength
    else:
        uses = list(kinds)
        if "boxes" in kinds and "scribbles" in kinds:
            uses.insert(uses.index("scribbles") + 1, "objects")
        candidates = [name for use in uses if (name := default_model(use)) is not None]
        candidates = candidates or [DEFAULT_MODELS["automatic"]]
        chosen = max(candidates, key=lambda model: len({*model_card(model).guidance} & {*kinds}))
    # line art has its own default model
    if image is None or weights != "default" or model_card(chosen).input == "sketch":
        return chosen
    if any(isinstance(each, Exemplar) and each.embedding is not None for each in references):
        return chosen  # only the model that computed an embedding can use it
    visible = composite_on_paper(image)  # without the hidden colors of transparent pixels
    if not is_line_art(visible.levels) or chroma_note(visible) == IN_COLOR:
        return chosen
    from colorzoo.drawing.regions import is_text  # photos do not need it

    return chosen if is_text(visible.levels) else DEFAULT_MODELS["sketch"]
