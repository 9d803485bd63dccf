"""Settings of a run that are fields of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from colorzoo.batch.settings import ColorSettings
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Recipe
from colorzoo.inference.references import equal_or_given


def with_settings(
    guidance: Guidance | Recipe,
    settings: ColorSettings,
    *,
    folder: Path | None = None,
    references: Sequence[object] = (),
) -> Guidance | Recipe:
    """Return guidance with the settings that are fields of a recipe.

    The settings are ``alpha``, ``reassigned`` and ``reference_weights``. The weights are added to the recipe
    only if its own references are used. If no setting is set, the guidance is returned unchanged.

    Examples:
        >>> with_settings(Recipe(), ColorSettings()) == Recipe()
        True

    Args:
        guidance: Recipe, or guidance as tensors, which does not support these settings.
        settings: Settings, which override the fields of the recipe.
        folder: Folder of the recipe file; None to ignore the references of the recipe.
        references: References that replace the references of the recipe; empty to keep them.

    Raises:
        GuidanceError: A setting requires a recipe or a reference, or is malformed.
    """
    alpha, weights, reassigned = settings.alpha, settings.reference_weights, settings.reassigned
    if alpha is None and not weights and not reassigned:
        return guidance
    if not isinstance(guidance, Recipe):
        # the weights of references outside a recipe are applied when the references are encoded
        has_only_weights = alpha is None and not reassigned
        if has_only_weights and references:
            return guidance
        raise GuidanceError("guidance must be a recipe if alpha or reassigned is set, got tensors")
    recipe_references: list[str] = []
    if not references and folder is not None:
        recipe_references = [file.path for file in guidance.exemplar.files]
    if not (references or recipe_references):
        raise GuidanceError("--alpha, --class and --reference-weights require --reference IMG")
    recipe = guidance if alpha is None else guidance.with_fields("exemplar", {"alpha": alpha})
    if recipe_references and weights:
        recipe = with_references(recipe, recipe_references, weights)
    return _with_reassigned(recipe, reassigned) if reassigned else recipe


def with_references(recipe: Recipe, names: Sequence[str], weights: Sequence[float] | None = None) -> Recipe:
    """Return a recipe with other references and an unchanged ``alpha``.

    Args:
        recipe: Recipe whose references are replaced.
        names: Paths of the references, at least one.
        weights: Relative weight of each reference; None gives equal weights.

    Raises:
        GuidanceError: The number of weights differs from the number of references.
    """
    shares = equal_or_given(weights, len(names))
    first, *more = ({"path": name, "weight": share} for name, share in zip(names, shares, strict=True))
    recipe = replace(recipe, extra={**recipe.extra, "exemplar": {"alpha": recipe.exemplar.alpha}})
    return recipe.with_fields("exemplar", {**first, "more": more or None})


def _with_reassigned(recipe: Recipe, reassigned: Sequence[str]) -> Recipe:
    """Add reassigned classes, written as ``OLD=NEW``, to the classes of a recipe."""
    moved = {str(old): new for old, new in recipe.classes.moved.items()}
    return recipe.with_fields("classes", {"map": moved | dict(map(_parse_reassigned, reassigned))})


def _parse_reassigned(text: str) -> tuple[str, int]:
    old, _, new = text.partition("=")
    if not (old.isdigit() and new.isdigit()):
        raise GuidanceError(f"--class must be OLD=NEW, for example 3=7, got {text!r}")
    return old, int(new)
