"""``colorzoo models``: the list of papers, from their cards alone."""

from __future__ import annotations

import argparse
import json
import sys
from typing import get_args

from colorzoo.card import GuidanceKind, ModelCard
from colorzoo.cli._tables import print_table
from colorzoo.registry import list_models, model_card

NAME = "models"
HELP = "list the models of the zoo, what they take and what they give"
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
    if args.json:
        print(json.dumps([card.to_dict() for card in cards], indent=2))
    elif cards:
        print_table(HEADERS, [_row(card) for card in cards])
    else:
        print("colorzoo: no model matches", file=sys.stderr)
    return 0


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
