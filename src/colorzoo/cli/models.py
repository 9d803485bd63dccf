"""``colorzoo models``: the list of papers, from their cards alone."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from colorzoo.card import GuidanceKind, ModelCard, Use
from colorzoo.cli._tables import print_table
from colorzoo.registry import list_models, model_card
from colorzoo.tiers import Choice, all_defaults

NAME = "models"
HELP = "list the models of the zoo, and which one is used by default"
EXAMPLE = """
colorzoo models
colorzoo models 'zhang*' --guidance points
colorzoo models --json
"""

HEADERS = ("name", "aliases", "year", "input -> output", "guidance", "parameters", "weights", "summary")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument("pattern", nargs="?", default="*", help="name, alias or shell pattern (default: all)")
    parser.add_argument("--guidance", choices=get_args(GuidanceKind), help="only models that take this kind")
    parser.add_argument("--json", action="store_true", help="print a JSON list of whole cards")


def run(args: argparse.Namespace) -> int:
    """Print the models that match.

    Raises:
        UnknownModelError: A plain name was given that no model has.
    """
    pattern = args.pattern if _is_pattern(args.pattern) else model_card(args.pattern).name
    cards = [model_card(name) for name in list_models(pattern, args.guidance)]
    defaults = all_defaults()
    if args.json:
        print(json.dumps([_entry(card, defaults) for card in cards], indent=2))
    elif cards:
        print_table(HEADERS, [_row(card) for card in cards])
        _print_defaults(cards, defaults)
    else:
        print("colorzoo: no model matches", file=sys.stderr)
    return 0


def _entry(card: ModelCard, defaults: Mapping[Use, Choice]) -> dict[str, Any]:
    """Return a card as JSON, with the uses for which it is the default here, and why."""
    mine = {use: choice.why for use, choice in defaults.items() if choice.model == card.name}
    return {**card.to_dict(), "default_for": mine}


def _print_defaults(cards: Sequence[ModelCard], defaults: Mapping[Use, Choice]) -> None:
    """Print who colors when no model is named, for the uses that the listed models serve."""
    served = {quality.use for card in cards for quality in card.quality}
    rows = [(use, choice.model, choice.why) for use, choice in defaults.items() if use in served]
    if rows:
        print()
        print_table(("use", "default here", "why"), rows)


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")


def _row(card: ModelCard) -> tuple[str, ...]:
    return (
        card.name,
        ", ".join(card.aliases),
        str(card.year),
        f"{card.input} -> {card.output}",
        ", ".join(card.guidance) or "none",
        f"{card.parameters / 1e6:.1f} M" if card.parameters else "0",
        ", ".join(card.weights) or ("none" if card.trainable else "not needed"),
        card.summary,
    )
