"""``colorzoo models``: list the registered models."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from colorzoo.apps.cli._options import Command
from colorzoo.console import print_table
from colorzoo.registry import DEFAULT_MODELS, card_entry, list_models, model_card
from colorzoo.settings import argument, option

HELP = "list the models and the default model for each use"
EXAMPLE = """
colorzoo models
colorzoo models 'zhang*' --guidance points
colorzoo models --json
"""

_HEADERS = ("name", "aliases", "year", "input -> output", "guidance", "parameters", "weights", "summary")


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """Options of ``colorzoo models``."""

    pattern: str = argument("name, alias or shell pattern (default: all)", "PATTERN", default="*")
    guidance: str | None = option(None, "list only models that support this kind of guidance")
    json: bool = option(False, "print the model cards as a JSON list")


def run(args: ModelsOptions) -> int:
    """Print the models that match the options, and the default model for each use case.

    Raises:
        UnknownModelError: PATTERN has no wildcard and is not the name or alias of a model.
    """
    is_pattern = any(sign in args.pattern for sign in "*?[")
    pattern = args.pattern if is_pattern else model_card(args.pattern).name
    cards = [model_card(name) for name in list_models(pattern, args.guidance)]
    if args.json:  # each card with the uses of which the model is the default
        print(json.dumps(list(map(card_entry, cards)), indent=2))
    elif cards:
        table = [
            (
                card.name,
                ", ".join(card.aliases),
                str(card.year),
                f"{card.input} -> {card.output}",
                ", ".join(card.guidance) or "none",
                f"{card.parameters / 1e6:.1f} M" if card.parameters else "0",
                ", ".join(card.weights) or ("none" if card.trainable else "not needed"),
                card.summary,
            )
            for card in cards
        ]
        print_table(_HEADERS, table)
        supported = {use for card in cards for use in card.uses}
        defaults = map(model_card, dict.fromkeys(DEFAULT_MODELS.values()))
        rows = [
            (use, card.name, assessment)
            for card in defaults
            for use, assessment in card.uses.items()
            if DEFAULT_MODELS.get(use) == card.name and use in supported
        ]
        if rows:
            print()
            print_table(("use", "default model", "assessment"), rows)
    else:
        print("colorzoo: no matching model", file=sys.stderr)
    return 0


COMMANDS = {"": Command(HELP, EXAMPLE, ModelsOptions, run)}
