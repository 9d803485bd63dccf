"""``colorzoo weights``: which weight files there are; fetch, verify, convert, export and pack them."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from colorzoo.cli._tables import print_table
from colorzoo.cli._weights_fetch import BEST, fetch_best, fetch_one, first_use
from colorzoo.registry import list_models, model_card
from colorzoo.tiers import USES
from colorzoo.weights._files import megabytes
from colorzoo.weights.catalog import WeightFile, list_weights
from colorzoo.weights.ledger import inspect, read_note
from colorzoo.weights.pack import pack_checkpoint

NAME = "weights"
HELP = "list, fetch, verify, convert, export and pack the weight files of the models"
EXAMPLE = """
colorzoo weights list
colorzoo weights fetch best
colorzoo weights fetch zhang2017_local
colorzoo weights verify
colorzoo weights convert zhang2017_local model.caffemodel local.safetensors
colorzoo weights export zhang2017_local_small small.onnx
"""

_HEADER = ("MODEL", "TAG", "SIZE", "LICENSE", "CODE", "SHA256", "FROM", "WHERE", "FILE")
_ACTIONS = ("list", "fetch", "verify", "convert", "export", "pack")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions and their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar=f"{{{','.join(_ACTIONS)}}}")

    listing = _action(actions, "list", "show all known weights and where they are", "--json")
    listing.add_argument("--json", action="store_true", help="print a JSON list")

    text = "download the weights of a model, or the best ones for a use, or for all"
    fetching = _action(actions, "fetch", text, "best")
    fetching.add_argument(
        "name", metavar="NAME", help=f"model, one of its aliases, best, or a use: {', '.join(USES)}"
    )
    fetching.add_argument("--yes", action="store_true", help="with best or a use: do not ask")
    fetching.add_argument("--tag", default="published", help="which of its weights (default: %(default)s)")
    fetching.add_argument("--offline", action="store_true", help="open no connection, only check the file")

    verifying = _action(actions, "verify", "check the hashes of the files on this machine", "zhang2017_local")
    verifying.add_argument("name", metavar="NAME", nargs="?", help="only this model (default: all)")
    _add_convert(actions)
    _add_export(actions)

    packing = _action(actions, "pack", "turn a checkpoint into a float16 weight file", "NAME last.ckpt OUT")
    _add_name(packing)
    packing.add_argument("checkpoint", metavar="CKPT", type=Path, help="checkpoint of `colorzoo fit`")
    packing.add_argument("out", metavar="OUT", type=Path, help="file to write, NAME.safetensors")


def run(args: argparse.Namespace) -> int:
    """Run the chosen action.

    Returns:
        Exit code: 0, or 1 when ``verify`` finds a broken file or ``export`` a graph that answers otherwise.

    Raises:
        ColorzooError: Unknown model or tag, or weights that cannot be fetched or read.
    """
    if args.action == "list":
        return _list(args.json)
    if args.action == "fetch":
        return _fetch(args)
    if args.action == "convert":
        return _convert(args)
    if args.action == "export":
        return _export(args)
    if args.action == "pack":
        return _pack(args.name, args.checkpoint, args.out)
    return _verify(args.name)


def _add_convert(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "turn a file of the authors (PyTorch or Caffe) into safetensors that bring their settings along"
    converting = _action(actions, "convert", text, "zhang2017_local model.caffemodel local.safetensors")
    _add_name(converting)
    converting.add_argument(
        "source", metavar="FILE", type=Path, help="the authors' file, or folder of files; it runs no code"
    )
    converting.add_argument("out", metavar="OUT", type=Path, help="file to write, NAME.safetensors")
    converting.add_argument("--half", action="store_true", help="store float16, half the size")
    converting.add_argument(
        "--set",
        metavar="KEY=VALUE",
        type=_setting,
        action="append",
        default=[],
        help="record a constructor argument that the file cannot tell, such as mask_center=0.5",
    )


def _add_export(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    text = "write a graph for other programs: OUT.onnx, or OUT.pt2 of torch.export"
    exporting = _action(actions, "export", text, "zhang2017_local_small small.onnx")
    _add_name(exporting)
    exporting.add_argument("out", metavar="OUT", type=Path, help="file to write, .onnx or .pt2")
    exporting.add_argument(
        "--weights", metavar="W", default="default", help="tag or file (default: %(default)s)"
    )


def _add_name(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="model, or one of its aliases")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str, example: str
) -> argparse.ArgumentParser:
    epilog = f"example: colorzoo weights {name} {example}"
    return actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=epilog)


def _setting(text: str) -> tuple[str, Any]:
    """Read ``key=value``, where the value is JSON or, failing that, a word."""
    key, separator, value = text.partition("=")
    if not key.isidentifier() or not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE, such as mask_center=0.5")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _list(as_json: bool) -> int:
    rows = list_weights()
    if as_json:
        print(json.dumps([row.to_dict() for row in rows], indent=2))
    else:
        print_table(_HEADER, [_cells(row) for row in rows])
    return 0


def _cells(row: WeightFile) -> tuple[str, ...]:
    entry = row.weights
    licenses = entry.license, row.code_license
    digest = entry.sha256[:12] if entry.sha256 else _recorded(row)
    return (
        row.model,
        row.tag,
        megabytes(entry.size),
        *licenses,
        digest,
        row.origin,
        row.where,
        str(row.path),
    )


def _recorded(row: WeightFile) -> str:
    """Say what stands in for a hash that the authors do not state."""
    note = read_note(row.path) if row.where == "cached" else None
    return f"{note.sha256[:12]} (recorded on first use)" if note and not note.refused else "not stated"


def _fetch(args: argparse.Namespace) -> int:
    if args.name == "best" or args.name in USES:
        return fetch_best(BEST if args.name == "best" else (args.name,), yes=args.yes, offline=args.offline)
    print(fetch_one(model_card(args.name), args.tag, offline=args.offline))
    return 0


def _convert(args: argparse.Namespace) -> int:
    from colorzoo.weights.convert import convert_weights

    written = convert_weights(
        args.source, model_card(args.name), args.out, hparams=dict(args.set), half=args.half
    )
    print(f"{written.path} sha256={written.sha256} size={written.size} hparams={written.metadata['hparams']}")
    return 0


def _export(args: argparse.Namespace) -> int:
    from colorzoo.inference.export import TOLERANCE, export_model

    card = model_card(args.name)
    exported = export_model(card, args.out, weights=args.weights)
    for size, difference in exported.differences.items():
        height, width = size
        print(f"{height}x{width}: largest difference from the model {difference:.1e} of the full scale")
    inputs = ",".join(exported.inputs)
    print(f"{exported.path} size={exported.path.stat().st_size} inputs={inputs}; {exported.sizes}")
    return 0 if max(exported.differences.values()) <= TOLERANCE else 1


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
    state = inspect(row.weights, row.path, thorough=True)
    if state.verdict == "unchecked":
        state = first_use(row)
    verdict = "ok"
    if not state.trusted:
        fetch = f"colorzoo weights fetch {row.model} --tag {row.tag}"
        remedy = "reinstall colorzoo" if row.weights.file else fetch
        verdict = f"broken: {state.reason}; mend with: {remedy}"
    elif state.verdict == "recorded":
        verdict = f"ok: sha256 {state.sha256}, recorded on first use (its authors state none)"
    print(f"{row.model} {row.tag} {row.path} {verdict}")
    return not state.trusted
