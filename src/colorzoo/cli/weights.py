"""``colorzoo weights``: which weight files there are; fetch, verify and pack them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from colorzoo.errors import WeightsError
from colorzoo.registry import list_models, model_card
from colorzoo.weights._files import megabytes, sha256_of
from colorzoo.weights.catalog import WeightFile, list_weights, weights_entry, weights_path
from colorzoo.weights.download import fetch
from colorzoo.weights.pack import pack_checkpoint

NAME = "weights"
HELP = "list, fetch, verify and pack the weight files of the models"
EXAMPLE = """
colorzoo weights list
colorzoo weights fetch zhang2017_local
colorzoo weights verify
"""

_HEADER = ("MODEL", "TAG", "SIZE", "LICENSE", "WHERE", "FILE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions ``list``, ``fetch``, ``verify`` and ``pack`` and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="{list,fetch,verify,pack}")

    listing = _action(actions, "list", "show all known weights and where they are", "--json")
    listing.add_argument("--json", action="store_true", help="print a JSON list")

    fetching = _action(actions, "fetch", "download the weights of a model", "zhang2016")
    fetching.add_argument("name", metavar="NAME", help="model, or one of its aliases")
    fetching.add_argument("--tag", default="published", help="which of its weights (default: %(default)s)")
    fetching.add_argument("--offline", action="store_true", help="open no connection, only check the file")

    verifying = _action(actions, "verify", "check the hashes of the files on this machine", "zhang2016")
    verifying.add_argument("name", metavar="NAME", nargs="?", help="only this model (default: all)")

    packing = _action(actions, "pack", "turn a checkpoint into a float16 weight file", "NAME last.ckpt OUT")
    packing.add_argument("name", metavar="NAME", help="model, or one of its aliases")
    packing.add_argument("checkpoint", metavar="CKPT", type=Path, help="checkpoint of `colorzoo fit`")
    packing.add_argument("out", metavar="OUT", type=Path, help="file to write, NAME.safetensors")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action.

    Returns:
        Exit code: 0, or 1 when ``verify`` finds a broken file.

    Raises:
        ColorzooError: Unknown model or tag, or weights that cannot be fetched.
    """
    if args.action == "list":
        return _list(args.json)
    if args.action == "fetch":
        return _fetch(args.name, args.tag, args.offline)
    if args.action == "pack":
        return _pack(args.name, args.checkpoint, args.out)
    return _verify(args.name)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, example: str
) -> argparse.ArgumentParser:
    epilog = f"example: colorzoo weights {name} {example}"
    return actions.add_parser(name, help=text, description=f"{text.capitalize()}.", epilog=epilog)


def _list(as_json: bool) -> int:
    rows = list_weights()
    if as_json:
        print(json.dumps([row.to_dict() for row in rows], indent=2))
        return 0
    table = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())
    return 0


def _cells(row: WeightFile) -> tuple[str, ...]:
    entry = row.weights
    return row.model, row.tag, megabytes(entry.size), entry.license, row.where, str(row.path)


def _fetch(name: str, tag: str, offline: bool) -> int:
    card = model_card(name)
    entry, path = weights_entry(card, tag), weights_path(card, tag)
    if entry.file is None:
        fetch(entry, path, offline=offline)
    elif (problem := _problem(path.is_file() and sha256_of(path), entry.sha256)) is not None:
        raise WeightsError(f"{path} ships inside the package but is {problem}; reinstall colorzoo")
    print(path)
    return 0


def _pack(name: str, checkpoint: Path, out: Path) -> int:
    entry = pack_checkpoint(checkpoint, model_card(name), out)
    print(f"{out} sha256={entry.sha256} size={entry.size}")
    return 0


def _verify(name: str | None) -> int:
    cards = [model_card(model) for model in ([name] if name else list_models())]
    # A file of the package that is missing is broken; one that nobody fetched is not.
    rows = [row for row in list_weights(cards) if row.where != "missing" or row.weights.file is not None]
    problems = [_verify_row(row) for row in rows]
    if not rows:
        print("no weight files here; `colorzoo weights fetch NAME` downloads one")
    return 1 if any(problems) else 0


def _verify_row(row: WeightFile) -> bool:
    """Print the state of one file; return True when it is broken."""
    problem = _problem(row.path.is_file() and sha256_of(row.path), row.weights.sha256)
    remedy = (
        "reinstall colorzoo" if row.weights.file else f"colorzoo weights fetch {row.model} --tag {row.tag}"
    )
    verdict = "ok" if problem is None else f"broken: {problem}; mend with: {remedy}"
    print(f"{row.model} {row.tag} {row.path} {verdict}")
    return problem is not None


def _problem(found: str | bool, expected: str) -> str | None:
    """Say what is wrong with a hash (False: there is no file), or None when it is right."""
    if found == expected:
        return None
    return f"expected sha256 {expected}, found {found}" if found else "missing"
