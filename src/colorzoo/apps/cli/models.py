"""``colorzoo models``: list the registered models."""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import colorzoo
from colorzoo.apps.cli._options import Command
from colorzoo.card import ModelCard
from colorzoo.console import print_table
from colorzoo.errors import ColorzooError
from colorzoo.files import write_atomic
from colorzoo.options import argument, option
from colorzoo.registry import DEFAULT_MODELS, card_entry, list_models, model_card
from colorzoo.weights.catalog import list_weights

HELP = "list the models and the default model for each use"
EXAMPLE = """
colorzoo models
colorzoo models 'zhang*' --guidance points
colorzoo models --license 'research only'
colorzoo models --json
colorzoo models smith2030 --update
"""

_HEADERS = ("name", "aliases", "year", "input -> output", "guidance", "parameters", "weights", "summary")


@dataclass(frozen=True, kw_only=True)
class ModelsOptions:
    """Options of ``colorzoo models``."""

    pattern: str = argument("name, alias or shell pattern (default: all)", "PATTERN", default="*")
    guidance: str | None = option(None, "list only models that support this kind of guidance")
    license: str | None = option(
        None, "list only models with weights whose license, or license of training data, contains this text"
    )
    json: bool = option(False, "print the model cards as a JSON list")
    update: bool = option(False, "write the number of parameters of the models into their card files")


def run(args: ModelsOptions) -> int:
    """Print the models that match the options, and the default model for each use case.

    Raises:
        UnknownModelError: PATTERN has no wildcard and is not the name or alias of a model.
    """
    is_pattern = any(sign in args.pattern for sign in "*?[")
    pattern = args.pattern if is_pattern else model_card(args.pattern).name
    cards = [model_card(name) for name in list_models(pattern, args.guidance)]
    if (text := args.license) is not None:
        cards = [
            card
            for card in cards
            if any(
                text.lower() in each.lower()
                for file in list_weights([card])
                for each in (file.weights.license, file.data_license)
            )
        ]
    if args.update:
        update_parameters(cards)
    elif args.json:  # each card with the uses of which the model is the default
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


def update_parameters(cards: Iterable[ModelCard]) -> None:
    """Write the argument ``parameters`` of cards into the file ``card.py`` beside their tasks.

    Raises:
        ColorzooError: The file does not contain a call ``ModelCard(name="NAME", ...)`` with a number.
    """
    import torch  # not needed to list models

    for card in cards:
        with torch.device("meta"):  # allocates no memory
            model = colorzoo.create_model(card.name, None).model
        count = sum(parameter.numel() for parameter in model.parameters())
        if count == card.parameters:
            continue
        package = card.task.partition(":")[0].rpartition(".")[0]
        spec = find_spec(f"{package}.card") if package else None
        path = Path(spec.origin) if spec is not None and spec.origin else None
        lines = [] if path is None else path.read_text(encoding="utf-8").splitlines(keepends=True)
        for call in ast.walk(ast.parse("".join(lines))):
            keywords = {each.arg: each for each in call.keywords} if isinstance(call, ast.Call) else {}
            name, old = keywords.get("name"), keywords.get("parameters")
            if name is None or not isinstance(name.value, ast.Constant) or name.value.value != card.name:
                continue
            # replace the number, or add it before the name; offsets count bytes
            text = f"parameters={count:_}"
            if old is None:
                row = lines[name.lineno - 1].encode()
                start, end = row[: name.col_offset].decode(), row[name.col_offset :].decode()
                separator = f",\n{start}" if start.isspace() else ", "
                lines[name.lineno - 1] = f"{start}{text}{separator}{end}"
            elif isinstance(old.value, ast.Constant):
                row = lines[old.lineno - 1].encode()
                start_bytes, end_bytes = row[: old.col_offset], row[old.end_col_offset :]
                lines[old.lineno - 1] = (start_bytes + text.encode() + end_bytes).decode()
            else:
                continue
            assert path is not None
            write_atomic(path, "".join(lines).encode())
            print(f"{path}: {text} ({card.name})")
            break
        else:
            raise ColorzooError(
                f"set parameters={count:_} in the card of {card.name}, because its file contains no number"
            )


COMMANDS = {"": Command(HELP, EXAMPLE, ModelsOptions, run)}
