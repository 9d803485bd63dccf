"""Registry of the model cards of colorzoo and of installed packages.

Cards come from each ``card.py`` in the folders of `colorzoo.zoo`, and from installed packages with an entry
point in the group ``colorzoo.models``. The entry point must load to an iterable of `ModelCard`. A package
with invalid cards is skipped with a warning. torch is imported only when a model class is loaded.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import EntryPoints, entry_points
from typing import Any

import colorzoo.zoo
from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError, UnknownModelError
from colorzoo.options import plain_arguments

__all__ = [
    "DEFAULT_MODELS",
    "ENTRY_POINT_GROUP",
    "all_cards",
    "card_entry",
    "card_of",
    "cards_of",
    "default_model",
    "list_models",
    "load_model_class",
    "load_task_class",
    "model_card",
    "plugins",
    "refresh",
    "skipped_packages",
]

ENTRY_POINT_GROUP = "colorzoo.models"
"""Entry point group of packages that add models to the registry."""
DEFAULT_MODELS: Mapping[str, str] = {
    "automatic": "colorzoo2026",
    "sketch": "colorzoo2026_drawing",
    "points": "colorzoo2026",
    "scribbles": "kim2021_small",
    "regions": "cho2023_small",
    "exemplar": "colorzoo2026",
    "statistics": "colorzoo2026",
    "classes": "chen2023_small",
    "boxes": "su2020_small",
    "objects": "kim2021_su2020_small",
    "text": "weng2022code_small",
    "stylize": "xu2020_small",
}
"""Registered name of the default model for each use case; the package contains the weights of these models.

`colorzoo.inference.choose_model` selects a model by this table; see `default_model`.
"""


def list_models(pattern: str = "*", guidance: str | None = None, with_weights: bool = False) -> list[str]:
    """List registered models.

    Examples:
        >>> list_models("zhang2017*", guidance="points")
        ['zhang2017_local', 'zhang2017_local_small']

    Args:
        pattern: Shell-style pattern for registered names, such as ``"zhang*"``.
        guidance: Kind of guidance that the models must support; None lists all models.
        with_weights: Whether to list only models with weights in the package.

    Returns:
        Sorted registered names.

    Raises:
        ColorzooError: No registered model supports this kind of guidance.
    """
    supported = sorted({kind for card in all_cards().values() for kind in card.guidance})
    if guidance is not None and guidance not in supported:
        raise ColorzooError(
            f"'guidance' must be a kind that a model supports ({', '.join(supported)}), got {guidance!r}"
        )
    cards = [card for card in all_cards().values() if fnmatchcase(card.name, pattern)]
    if guidance is not None:
        cards = [card for card in cards if guidance in card.guidance]
    if with_weights:
        cards = [card for card in cards if any(weights.file for weights in card.weights.values())]
    return sorted(card.name for card in cards)


def model_card(name: str) -> ModelCard:
    """Return the card of a model by its registered name or one of its aliases.

    Examples:
        >>> model_card("siggraph17").name
        'zhang2017_local'

    Raises:
        UnknownModelError: No model has this name or alias; the message suggests similar names.
    """
    has_all_cards = _scan.cache_info().currsize > 0
    if not has_all_cards:
        # try the folder of the model first, so that not all cards are imported at start-up
        for card in _zoo_cards(name):
            if card.name == name:
                return card
    cards = all_cards()
    if name in cards:
        return cards[name]
    by_alias = {alias: card for card in cards.values() for alias in card.aliases}
    if name in by_alias:
        return by_alias[name]
    similar = difflib.get_close_matches(name, [*cards, *by_alias])
    hint = f"Did you mean {' or '.join(similar)}?" if similar else "Run `colorzoo models` to list all models."
    raise UnknownModelError(f"unknown model {name!r}. {hint}")


def default_model(use: str) -> str | None:
    """Return the registered name of the default model for a use case; None without a default model.

    The default model is in `DEFAULT_MODELS`. For other use cases, such as a kind of guidance of a package, it
    is the first model of an installed package whose card lists the use case in ``uses``.

    Examples:
        >>> default_model("text"), default_model("label")
        ('weng2022code_small', None)
    """
    if use in DEFAULT_MODELS or not plugins():
        return DEFAULT_MODELS.get(use)
    cards = (card for card in all_cards().values() if not card.task.startswith("colorzoo.zoo."))
    return next((card.name for card in cards if use in card.uses), None)


def card_entry(card: ModelCard) -> dict[str, Any]:
    """Return a card as JSON types, with the use cases of which its model is the default (``default_for``).

    Examples:
        >>> card_entry(model_card("colorzoo2026_drawing"))["default_for"]
        ['sketch']
    """
    uses = [use for use in dict.fromkeys((*DEFAULT_MODELS, *card.uses)) if default_model(use) == card.name]
    return card.to_dict() | {"default_for": uses}


def cards_of(kind: type) -> list[ModelCard]:
    """Return the cards whose `ColoringModel` class or task class is ``kind``.

    Examples:
        >>> model_class = load_model_class(model_card("levin2004"))
        >>> [card.name for card in cards_of(model_class)]
        ['levin2004']
    """
    path = f"{kind.__module__}:{kind.__qualname__}"
    return [card for card in map(model_card, list_models()) if path in (card.model, card.task)]


def card_of(kind: type, settings: Mapping[str, Any]) -> ModelCard | None:
    """Return the card for a class and the settings of its instance; None if no card matches.

    A card matches if it describes the class and if none of its settings differs from ``settings``. If several
    cards match, such as cards of variants, the card with the most settings is returned.

    Examples:
        >>> card = model_card("zhang2017_local_small")
        >>> card_of(load_model_class(card), card.hparams).name
        'zhang2017_local_small'

    Args:
        kind: Class of the model or task.
        settings: Constructor arguments of the instance.
    """
    own = plain_arguments(settings)

    def fits(card: ModelCard) -> bool:
        return all(own.get(key, value) == value for key, value in plain_arguments(card.hparams).items())

    return max(filter(fits, cards_of(kind)), key=lambda card: len(card.hparams), default=None)


def load_model_class(card: ModelCard) -> type[Any]:
    """Import the `ColoringModel` class of a card; this also imports torch.

    Raises:
        ColorzooError: The card has no model class.
    """
    if not card.model:
        raise ColorzooError(
            f"in the card of {card.name}, 'model' must name the ColoringModel class for the task "
            f"{card.task!r} as 'package.module:Class'. See docs/paper.md."
        )
    model: type[Any] = pkgutil.resolve_name(card.model)
    return model


def load_task_class(card: ModelCard) -> type[Any]:
    """Import the task class of a card; this also imports torch and Lightning."""
    task: type[Any] = pkgutil.resolve_name(card.task)
    return task


def refresh() -> None:
    """Clear the cached cards, so that newly installed packages are found.

    Examples:
        >>> refresh()
    """
    plugins.cache_clear()
    _scan.cache_clear()


def all_cards() -> dict[str, ModelCard]:
    """Return a dict that maps registered names to model cards.

    Raises:
        ValueError: Two models of colorzoo have the same name or alias.
    """
    return _scan()[0]


def skipped_packages() -> list[str]:
    """Return a message for each installed package that was skipped due to invalid model cards."""
    return _scan()[1]


@cache
def plugins() -> EntryPoints:
    """Return the entry points of installed packages that add models to the registry."""
    return entry_points(group=ENTRY_POINT_GROUP)


@cache
def _scan() -> tuple[dict[str, ModelCard], list[str]]:
    """Return all cards by name and the skipped packages; warn about each skipped package."""
    found: dict[str, ModelCard] = {}
    taken: dict[str, str] = {}
    _add_cards(_zoo_cards(), found, taken)
    skipped = []
    for entry_point in plugins():
        # copies, because a package with an invalid card must not add any card
        more, names = dict(found), dict(taken)
        try:
            _add_cards(entry_point.load(), more, names)
        except Exception as error:  # a third-party module may raise any exception
            package = entry_point.dist.name if entry_point.dist is not None else entry_point.module
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            skipped.append(f"skipped the models of the package {package}: {reason}")
            warnings.warn(skipped[-1], UserWarning, stacklevel=2)
        else:
            found, taken = more, names
    return found, skipped


def _add_cards(cards: Iterable[ModelCard], found: dict[str, ModelCard], taken: dict[str, str]) -> None:
    """Add cards to ``found`` by name, and their names and aliases to ``taken``.

    Raises:
        TypeError: An item is not a `ModelCard`.
        ValueError: A name or alias is already used.
    """
    for card in cards:
        if not isinstance(card, ModelCard):
            raise TypeError(f"expected a ModelCard, got {card!r}")
        for name in (card.name, *card.aliases):
            if name in taken:
                raise ValueError(f"two models have the name {name!r}: {taken[name]} and {card.name}")
            taken[name] = card.name
        found[card.name] = card


def _zoo_cards(name: str = "") -> Iterator[ModelCard]:
    """Yield the cards of colorzoo.

    If ``name`` is set, folders whose names are not prefixes of ``name`` are skipped.
    """
    for folder in pkgutil.iter_modules(colorzoo.zoo.__path__):
        if folder.ispkg and (not name or name.startswith(folder.name)):
            yield from importlib.import_module(f"colorzoo.zoo.{folder.name}.card").CARDS
