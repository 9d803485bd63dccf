"""Settings of a run that are fields of a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from colorzoo.batch.settings import ColorSettings
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ExemplarHint, Guidance, Recipe, ReferenceFile
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.inference.references import equal_or_given


def with_settings(
    recipe: Recipe,
    settings: ColorSettings,
    *,
    folder: Path | None = None,
    references: Sequence[object] = (),
) -> Recipe:
    """Return a recipe with the settings that are fields of a recipe.

    The settings are ``alpha``, ``reassigned`` and ``reference_weights``, of which at least one is set. The
    weights are added to the recipe only if its own references are used.

    Examples:
        >>> with_settings(Recipe(), ColorSettings(alpha=0.5), references=["warm.jpg"]).exemplar.alpha
        0.5

    Args:
        recipe: Recipe.
        settings: Settings, which override the fields of the recipe.
        folder: Folder of the recipe file; None to ignore the references of the recipe.
        references: References that replace the references of the recipe; empty to keep them.

    Raises:
        GuidanceError: There is no reference, or a setting is malformed.
    """
    own_references = []
    if folder is not None and not references:
        own_references = [(file.path, file.sha256) for file in recipe.exemplar.files]
    if not references and not own_references:
        raise GuidanceError("--alpha, --class and --reference-weights require --reference IMG")
    if settings.alpha is not None:
        recipe = replace(recipe, exemplar=replace(recipe.exemplar, alpha=settings.alpha))
    if own_references and settings.reference_weights:
        paths = [path for path, _ in own_references]
        recipe = with_references(recipe, paths, settings.reference_weights)
        recipe = recipe.with_references(own_references)  # with their hashes
    if settings.reassigned:
        changed = dict(recipe.classes.map or {})
        for text in settings.reassigned:
            old_class, _, new_class = text.partition("=")
            if not (old_class.isdigit() and new_class.isdigit()):
                raise GuidanceError(f"--class must be OLD=NEW, for example 3=7, got {text!r}")
            changed[int(old_class)] = int(new_class)
        recipe = replace(recipe, classes=replace(recipe.classes, map=changed))
    return recipe


def with_seeds(guidance: Guidance | Recipe, seed: int | None, count: int) -> list[Guidance | Recipe]:
    """Return the guidance of several samples, with the seeds ``seed``, ``seed + 1``, and so on.

    Examples:
        >>> [recipe.more for recipe in with_seeds(Recipe(), 7, 2)]
        [{'seed': 7}, {'seed': 8}]

    Args:
        guidance: Guidance or recipe of one image.
        seed: First seed; None uses the seed of the guidance, or 0.
        count: Number of samples.

    Raises:
        GuidanceError: A seed is out of range.
    """
    kind = guidance_kind("seed")
    if seed is not None:
        first = kind.parse(seed, "seed")  # a bool is not a seed, but True + 1 is 2
    elif isinstance(guidance, Recipe):
        first = guidance.more.get("seed", 0)
    else:
        first = 0 if (own := guidance.get("seed")) is None else int(own[0])
    seeds = [kind.parse(first + index, "seed") for index in range(count)]
    if isinstance(guidance, Recipe):
        return [replace(guidance, more={**guidance.more, "seed": each}) for each in seeds]
    return [guidance.with_hints(seed=torch.tensor([each])) for each in seeds]


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
    first, *more = (ReferenceFile(name, share) for name, share in zip(names, shares, strict=True))
    exemplar = ExemplarHint(first.path, first.weight, more=tuple(more), alpha=recipe.exemplar.alpha)
    return replace(recipe, exemplar=exemplar)
