"""The registry: finds model cards by scanning, never by a list kept by hand.

Cards come from every ``card.py`` in the folders of `colorzoo.zoo`, and from the packages that the entry-point
group ``colorzoo.models`` names (each entry point loads to an iterable of `ModelCard`). A package whose cards
cannot be used is skipped with a warning. No torch is imported until a class is loaded.
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.metadata import EntryPoint, EntryPoints, entry_points
from typing import Any, get_args

import colorzoo.zoo
from colorzoo.card import GuidanceKind, ModelCard
from colorzoo.errors import ColorzooError, UnknownModelError
from colorzoo.settings import flatten_arguments, plain_arguments

ENTRY_POINT_GROUP = "colorzoo.models"


def list_models(
    pattern: str = "*", guidance: GuidanceKind | None = None, with_weights: bool = False
) -> list[str]:
    """List registered models.

    Examples:
        >>> list_models("zhang2017*", guidance="points")
        ['zhang2017_local', 'zhang2017_local_small']

    Args:
        pattern: Shell-style pattern on the registered name, such as ``"zhang*"``.
        guidance: Keep only models that accept this kind of guidance.
        with_weights: Keep only models whose weights ship inside the package.

    Returns:
        Sorted registered names.

    Raises:
        ColorzooError: There is no such kind of guidance.
    """
    if guidance is not None and guidance not in get_args(GuidanceKind):
        near = difflib.get_close_matches(str(guidance), get_args(GuidanceKind))
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ColorzooError(
            f"no kind of guidance {guidance!r}; {hint}There are {', '.join(get_args(GuidanceKind))}."
        )
    return sorted(
        card.name
        for card in all_cards().values()
        if fnmatchcase(card.name, pattern)
        and (guidance is None or guidance in card.guidance)
        and (not with_weights or any(w.file for w in card.weights.values()))
    )


def model_card(name: str) -> ModelCard:
    """Return the card of a model by its registered name or one of its aliases.

    Examples:
        >>> model_card("siggraph17").name
        'zhang2017_local'

    Raises:
        UnknownModelError: No such model; the message names the nearest ones.
    """
    if not _scan.cache_info().currsize:
        # a start that needs one card, such as that of the default, is spared those of all papers
        for card in _zoo_cards(name):
            if card.name == name:
                return card
    cards = all_cards()
    if name in cards:
        return cards[name]
    by_alias = {alias: card for card in cards.values() for alias in card.aliases}
    if name in by_alias:
        return by_alias[name]
    near = difflib.get_close_matches(name, [*cards, *by_alias])
    hint = f"did you mean {' or '.join(near)}?" if near else "`colorzoo models` lists them all."
    raise UnknownModelError(f"unknown model {name!r}; {hint}")


def cards_of(kind: type) -> list[ModelCard]:
    """Return the cards of a class, the `ColoringModel` or the task of models."""
    path = f"{kind.__module__}:{kind.__qualname__}"
    return [card for card in map(model_card, list_models()) if path in (card.model, card.task)]


def card_of(kind: type, settings: Mapping[str, Any]) -> ModelCard | None:
    """Return the card of a class whose settings an instance has, the one with the most; None without any.

    Args:
        kind: Class of the model or of its trainer.
        settings: Its settings, single or in groups.
    """
    own = plain_arguments(flatten_arguments(kind, settings))

    def fits(card: ModelCard) -> bool:
        return all(own.get(key, value) == value for key, value in plain_arguments(card.hparams).items())

    return max(filter(fits, cards_of(kind)), key=lambda card: len(card.hparams), default=None)


def load_model_class(card: ModelCard) -> type[Any]:
    """Import the `ColoringModel` of a card (this imports torch).

    Raises:
        ColorzooError: The card names none.
    """
    if not card.model:
        raise ColorzooError(
            f"the card of {card.name} names only a task class (task={card.task!r}); it also needs "
            "model='package.module:Class', the ColoringModel that the task holds (see docs/paper.md)."
        )
    return _load(card.model)


def load_task_class(card: ModelCard) -> type[Any]:
    """Import the task of a card, a `ColorizationModule` (this imports torch and Lightning)."""
    return _load(card.task)


def task_paths() -> dict[str, str]:
    """Return the import paths of all tasks, ``package.module:Class``, by class name."""
    return {card.task.rpartition(":")[2]: card.task for card in all_cards().values()}


def refresh() -> None:
    """Scan for cards again, so that a package installed since is found."""
    plugins.cache_clear()
    _scan.cache_clear()


def _load(path: str) -> type[Any]:
    module_name, _, class_name = path.partition(":")
    loaded = getattr(importlib.import_module(module_name), class_name)
    assert isinstance(loaded, type), f"{path} is not a class"
    return loaded


@dataclass(frozen=True)
class SkippedPackage:
    """An installed package whose models are not used.

    Attributes:
        package: Its name, as pip knows it.
        reason: What is wrong with it.
    """

    package: str
    reason: str

    def __str__(self) -> str:
        return f"the models of the package {self.package} are skipped: {self.reason}"


def all_cards() -> dict[str, ModelCard]:
    """Return all cards by name.

    Raises:
        ValueError: Two models of the zoo have the same name or alias.
    """
    return _scan()[0]


def skipped_packages() -> list[SkippedPackage]:
    """Return the installed packages of papers whose cards cannot be used."""
    return _scan()[1]


@cache
def plugins() -> EntryPoints:
    """Return the entry points of the installed packages of papers."""
    return entry_points(group=ENTRY_POINT_GROUP)


def plugin_packages() -> set[str]:
    """Return the names by which Python imports the installed packages of papers."""
    return {each.module.partition(".")[0] for each in plugins()}


@cache
def _scan() -> tuple[dict[str, ModelCard], list[SkippedPackage]]:
    """Return all cards by name and the packages that are skipped, with a warning for each of these."""
    found: dict[str, ModelCard] = {}
    taken: dict[str, str] = {}
    _add_cards(_zoo_cards(), found, taken)
    skipped = []
    for entry_point in plugins():
        # a copy: of a package with a wrong card none is used
        more, names = dict(found), dict(taken)
        try:
            _add_cards(entry_point.load(), more, names)
        except Exception as error:  # a module of others may raise anything
            skipped.append(SkippedPackage(_package_of(entry_point), _reason(error)))
            warnings.warn(str(skipped[-1]), UserWarning, stacklevel=2)
        else:
            found, taken = more, names
    return found, skipped


def _add_cards(cards: Iterable[ModelCard], found: dict[str, ModelCard], taken: dict[str, str]) -> None:
    """Add cards to those found by name, and their names and aliases to those taken.

    Raises:
        TypeError: One is no card.
        ValueError: A name or an alias is taken.
    """
    for card in cards:
        if not isinstance(card, ModelCard):
            raise TypeError(f"{card!r} is no ModelCard")
        for name in (card.name, *card.aliases):
            if name in taken:
                raise ValueError(f"two models claim the name {name!r}: {taken[name]} and {card.name}")
            taken[name] = card.name
        found[card.name] = card


def _zoo_cards(name: str = "") -> Iterator[ModelCard]:
    """Yield the cards of the zoo; for a registered name those of its folder, with which it begins."""
    for folder in pkgutil.iter_modules(colorzoo.zoo.__path__):
        if folder.ispkg and (not name or name.startswith(folder.name)):
            yield from importlib.import_module(f"colorzoo.zoo.{folder.name}.card").CARDS


def _package_of(entry_point: EntryPoint) -> str:
    return entry_point.dist.name if entry_point.dist is not None else entry_point.module


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
