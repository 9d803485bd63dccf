"""What a page without a server knows: its models, what keeps the others out, and tables that Python has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from colorzoo import __version__
from colorzoo.card import ModelCard
from colorzoo.color import grid_centers, hull_centers, hull_mask
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models, model_card
from colorzoo.studio.limits import Limits
from colorzoo.studio.models import facts_of
from colorzoo.studio.runtime import RUNTIMES, VERSION
from colorzoo.tasks import ColorizationModule
from colorzoo.weights.catalog import list_weights

STANDARD = ("zhang2017_local_small", "zhang2016_small", "zhang2017_global_small", "xu2020_small")
_STARTS, _MOST_COLORS = 5, 32  # of the clusters of a palette; the first start draws nothing
_CARRIED = frozenset({"points", "statistics", "exemplar"})
_FULL_PIXELS = 50_000_000


def page_models(names: Sequence[str] | None) -> list[ModelCard]:
    """Return the models of a page, the default one first.

    Args:
        names: Registered names or aliases; None for all that a page can run.

    Raises:
        ColorzooError: One of them cannot run in a page; the message says why.
    """
    cards = [model_card(name) for name in names or STANDARD]
    for card in cards:
        if reason := obstacle(card):
            raise ColorzooError(f"{card.name} cannot be put into a page: {reason}.")
    return cards


def obstacle(card: ModelCard) -> str:
    """Return why a model does not run in a page, empty if it does."""
    if "export" in card.limits:
        return "no graph can be made of it"
    if card.input == "sketch":
        return "the regions that it asks for and the lines that it reads are found by Python"
    if more := sorted(set(card.guidance) - _CARRIED):
        return f"its {' and '.join(more)} cannot be given there"
    if not _is_embedded(card):
        return "its weights do not ship with the package"
    return ""


def catalog(
    cards: Sequence[ModelCard], about: dict[str, dict[str, Any]], photos: Sequence[dict[str, str]]
) -> dict[str, Any]:
    """Return what ``catalog.json`` says.

    Args:
        cards: The models of the page, the default one first.
        about: Of each of them ``file``, ``distribution``, ``size``, ``weights``, and ``exemplar_file`` of one
            that takes a reference.
        photos: ``upload``, ``name`` and ``sha256`` of those that it offers; it opens the first at once, or
            the one that its address names.
    """
    limits = Limits(full_pixels=_FULL_PIXELS).to_dict()
    del limits["head"]  # nothing is sent anywhere, so there is nothing to refuse before it is
    return {
        "version": __version__,
        "runtime": VERSION,
        "runtimes": {
            kind: {"script": script, "binary": f"{binary}.packed"}
            for kind, (script, binary) in RUNTIMES.items()
        },
        "photos": list(photos),
        "network": ColorizationModule.working_size,
        "view": Limits().view_side,
        "limits": limits | {"formats": ["png", "jpeg"]},
        "models": _entries(cards, about),
        "hull": hull_centers().int().tolist(),
        "grid": grid_centers().int().tolist(),
        "shown": hull_mask().nonzero().flatten().tolist(),
        "draws": [np.random.default_rng(seed).random(_MOST_COLORS).tolist() for seed in range(1, _STARTS)],
    }


def _entries(cards: Sequence[ModelCard], about: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    chosen = [card.name for card in cards]
    others = [
        card for card in map(model_card, list_models()) if card.name not in chosen and _is_embedded(card)
    ]
    entries = [_entry(card) | about[card.name] | {"ready": True} for card in cards]
    entries[0]["default"] = True
    left_out = "left out when this page was made"
    return entries + [
        _entry(card) | {"ready": False, "missing": obstacle(card) or left_out} for card in others
    ]


def _entry(card: ModelCard) -> dict[str, Any]:
    return facts_of(card) | {"aliases": list(card.aliases), "default": False, "detects": False}


def _is_embedded(card: ModelCard) -> bool:
    return any(row.where == "embedded" for row in list_weights([card]))
