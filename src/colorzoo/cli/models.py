"""``colorzoo models``: list the models, read from their cards alone."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from colorzoo.card import GuidanceKind
from colorzoo.cli._options import Command
from colorzoo.cli._output import print_table
from colorzoo.registry import list_models, model_card
from colorzoo.settings import argument, option
from colorzoo.weights.choice import all_defaults

HELP = "list the models of the zoo, and which one is used by default"
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
    guidance: GuidanceKind | None = option(None, "only models that accept this guidance")
    json: bool = option(False, "print a JSON list of whole cards")


def run(args: ModelsOptions) -> int:
    """Print the models that match, and the defaults of the uses that they serve.

    Raises:
        UnknownModelError: The given name is not a pattern, and no model has it.
    """
    is_pattern = any(sign in args.pattern for sign in "*?[")
    pattern = args.pattern if is_pattern else model_card(args.pattern).name
    cards = [model_card(name) for name in list_models(pattern, args.guidance)]
    defaults = all_defaults()
    if args.json:
        entries = [
            card.to_dict()
            | {
                "default_for": {
                    use: default.why for use, default in defaults.items() if default.model == card.name
                }
            }
            for card in cards
        ]
        print(json.dumps(entries, indent=2))
        return 0
    if not cards:
        print("colorzoo: no model matches", file=sys.stderr)
        return 0
    rows = [
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
    print_table(_HEADERS, rows)
    served = {quality.use for card in cards for quality in card.quality}
    if found := [(use, default.model, default.why) for use, default in defaults.items() if use in served]:
        print()
        print_table(("use", "default here", "why"), found)
    return 0


COMMANDS = {"": Command(HELP, EXAMPLE, ModelsOptions, run)}
