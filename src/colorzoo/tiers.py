"""Which model colors when the user names none: the best whose weights are on this machine.

Cards say how good a model is for a use (`colorzoo.card.Quality`). The default is the one of the greatest rank
whose weights ship with the package, or lie in the cache and have the hash of the card or of their first use.
Nothing here imports torch or opens a connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from colorzoo.card import GuidanceKind, ModelCard, Quality, Use, Weights
from colorzoo.errors import UnknownModelError
from colorzoo.registry import list_models, model_card
from colorzoo.weights.catalog import weights_path
from colorzoo.weights.ledger import FileState, inspect

USES: tuple[Use, ...] = ("automatic", "sketch", "frames", *get_args(GuidanceKind))


@dataclass(frozen=True)
class Place:
    """A model in the order of one use.

    Attributes:
        card: The model.
        quality: What its card says of it for this use.
        tag: Tag of the weights that it takes by default; empty if its card names none.
        path: Where they are or would be; None without a tag.
        state: What is known of that file.
    """

    card: ModelCard
    quality: Quality
    tag: str
    path: Path | None
    state: FileState

    @property
    def weights(self) -> Weights | None:
        """The card's entry of these weights."""
        return self.card.weights.get(self.tag)

    @property
    def ready(self) -> bool:
        """Whether the model can be used at once."""
        return self.state.trusted

    @property
    def embedded(self) -> bool:
        """Whether the weights ship with the package."""
        return self.weights is not None and self.weights.file is not None

    @property
    def fetchable(self) -> bool:
        """Whether the weights are somebody else's to fetch."""
        return self.weights is not None and self.weights.file is None


@dataclass(frozen=True)
class Choice:
    """A default, and why it is that.

    Attributes:
        model: Registered name.
        why: Its rank, where its weights are, and what would go before it.
    """

    model: str
    why: str


def places(use: Use) -> list[Place]:
    """Return the models that serve a use, the best first, with the state of their weights.

    A fetched file that nobody looked at yet is hashed here, once.
    """
    found = [
        (quality, card)
        for card in map(model_card, list_models())
        for quality in card.quality
        if quality.use == use
    ]
    found.sort(key=lambda pair: -pair[0].rank)
    return [_place(card, quality) for quality, card in found]


def ready_places(use: Use, *, fast: bool = False) -> list[Place]:
    """Return the models that can serve a use at once, the best first.

    Args:
        use: What for.
        fast: Only those whose weights ship with the package.
    """
    return [place for place in places(use) if place.ready and (place.embedded or not fast)]


def default_model(use: Use = "automatic", *, fast: bool = False) -> str:
    """Return the model for users who name none; a use that no model serves falls back to automatic.

    Args:
        use: What for.
        fast: Only among models whose weights ship with the package.

    Raises:
        UnknownModelError: There is none.
    """
    for wanted in (use, "automatic"):
        if found := ready_places(wanted, fast=fast):
            return found[0].card.name
    raise UnknownModelError("no model is marked as default; name one.")


def all_defaults() -> dict[Use, Choice]:
    """Return the default of every use that some model serves on this machine, and why it is that."""
    orders = {use: places(use) for use in USES}
    firsts = {use: next((place for place in order if place.ready), None) for use, order in orders.items()}
    return {use: Choice(first.card.name, why_default(orders[use])) for use, first in firsts.items() if first}


def why_default(order: list[Place]) -> str:
    """Say in a sentence why the first one that is ready is the default, and what would go before it.

    Args:
        order: All of `places`.
    """
    first = next((place for place in order if place.ready), None)
    if first is None:
        return "no model that serves it has weights on this machine"
    better = [_obstacle(place) for place in order[: order.index(first)]]
    kinds = {
        "embedded": "its weights ship with colorzoo",
        "verified": "its weights are here and have the hash of the card",
        "recorded": "its weights are here and are those of the first use (no hash is stated)",
    }
    before = f"; before it would go {', '.join(better)}" if better else "; the best of all"
    return f"rank {first.quality.rank}, {kinds[first.state.verdict]}{before}"


def state_in_words(place: Place) -> str:
    """Return the state of a model's weights for people."""
    words = {
        "embedded": "embedded",
        "verified": "here, verified",
        "recorded": "here, hash recorded on first use",
        "unchecked": "here, unchecked until first use",
        "missing": "not here",
    }
    if not place.tag:
        return "none to fetch"
    return words.get(place.state.verdict) or f"here, but not used: {place.state.reason}"


def _place(card: ModelCard, quality: Quality) -> Place:
    if not card.trainable:
        return Place(card, quality, "", None, FileState("embedded"))
    tag = next((tag for tag in ("default", "published") if tag in card.weights), "")
    if not tag:
        return Place(card, quality, "", None, FileState("missing", reason="no weights on its card"))
    path = weights_path(card, tag)
    return Place(card, quality, tag, path, inspect(card.weights[tag], path))


def _obstacle(place: Place) -> str:
    return f"{place.card.name} ({state_in_words(place)})"
