"""``colorzoo weights``: list, fetch, verify, convert, export and pack weight files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from colorzoo.card import ModelCard, Use, Weights
from colorzoo.cli._options import Command, check_output
from colorzoo.cli._output import print_line, print_table
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.registry import list_models, model_card
from colorzoo.settings import argument, option
from colorzoo.weights.catalog import (
    FileState,
    WeightFile,
    inspect_file,
    list_weights,
    recorded_sha256,
    weight_file,
)
from colorzoo.weights.choice import USES, RankedModel, describe_state, rank_models
from colorzoo.weights.files import megabytes, sha256_of
from colorzoo.weights.load import UNTRAINED
from colorzoo.weights.resolve import fetch, is_offline, offline_if

HELP = "list, fetch, verify, convert, export and pack the weight files of the models"

_BEST: tuple[Use, ...] = ("automatic", "points", "exemplar", "sketch")  # the most common uses
_LIST_HEADER = ("MODEL", "TAG", "SIZE", "LICENSE", "CODE", "SHA256", "FROM", "WHERE", "FILE")
_FETCH_HEADER = ("MODEL", "FOR", "SIZE", "LICENSE", "FROM", "STATE")


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Options of ``colorzoo weights list``."""

    json: bool = option(False, "print a JSON list")


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """Options of ``colorzoo weights fetch``."""

    name: str = argument(f"model or one of its aliases, metrics, best, or a use: {', '.join(USES)}", "NAME")
    yes: bool = option(False, "with best or a use: do not ask")
    tag: str = option("published", "tag of the weights (default: published)")
    offline: bool = option(False, "open no connection, only check the file")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``colorzoo weights verify``."""

    name: str | None = argument("only this model (default: all)", "NAME", default=None)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``colorzoo weights convert``."""

    name: str = argument("model, or one of its aliases", "NAME")
    source: Path = argument("the authors' file, or folder of files; no code in it is run", "FILE")
    out: Path = argument("file to write, NAME.safetensors", "OUT")
    half: bool = option(False, "store float16, half the size")
    set: list[str] = option(
        [],
        "constructor argument that the file does not contain, such as mask_center=0.5; may be repeated",
        metavar="KEY=VALUE",
    )
    overwrite: bool = option(False, "replace an existing file")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of ``colorzoo weights export``."""

    name: str = argument("model, or one of its aliases", "NAME")
    out: Path = argument("file to write, .onnx or .pt2", "OUT")
    weights: str = option("default", "tag or file (default: default)", metavar="W")
    overwrite: bool = option(False, "replace an existing file")


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """Options of ``colorzoo weights pack``."""

    name: str = argument("model, or one of its aliases", "NAME")
    checkpoint: Path = argument("checkpoint of `colorzoo fit`", "CKPT")
    out: Path = argument("file to write, NAME.safetensors", "OUT")
    overwrite: bool = option(False, "replace an existing file")


def _setting(text: str) -> tuple[str, Any]:
    """Read ``key=value``, where the value is JSON or else a string."""
    key, separator, value = text.partition("=")
    if not key.isidentifier() or not separator:
        raise ColorzooError(f"--set {text!r} is not KEY=VALUE, such as mask_center=0.5")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _fetch(args: FetchOptions) -> int:
    """Fetch weights; return 1 if some could not be fetched."""
    if args.name == "metrics":
        return _fetch_metrics(offline=args.offline)
    uses = _BEST if args.name == "best" else tuple(use for use in USES if use == args.name)
    if uses:
        return _fetch_best(uses, yes=args.yes, offline=args.offline)
    print(_fetch_one(model_card(args.name), args.tag, offline=args.offline))
    return 0


def _convert(args: ConvertOptions) -> int:
    card = model_card(args.name)
    check_output(args.out, overwrite=args.overwrite)

    from colorzoo.weights.convert import convert_weights

    settings = dict(map(_setting, args.set))
    metadata = convert_weights(args.source, card, args.out, hparams=settings, half=args.half)
    size = args.out.stat().st_size
    print(f"{args.out} sha256={sha256_of(args.out)} size={size} hparams={metadata['hparams']}")
    if random := metadata.get(UNTRAINED):
        note = f"{args.source} has no weights of {random}; train them with --init_from {args.out}"
        print(f"colorzoo: note: {note}", file=sys.stderr)
    return 0


def _pack(args: PackOptions) -> int:
    card = model_card(args.name)
    check_output(args.out, overwrite=args.overwrite)

    from colorzoo.weights.convert import pack_checkpoint

    entry = pack_checkpoint(args.checkpoint, card, args.out)
    print(f"{args.out} sha256={entry.sha256} size={entry.size}")
    return 0


def _list(args: ListOptions) -> int:
    rows = list_weights()
    if args.json:
        print(json.dumps([row.to_dict() for row in rows], indent=2))
        return 0
    cells = []
    for row in rows:
        digest = row.weights.sha256[:12] if row.weights.sha256 else row.weights.digest or "not stated"
        if row.weights.sha256 is None and (recorded := recorded_sha256(row.path)):
            digest = f"{recorded[:12]} (recorded on first use)"
        size, licenses = megabytes(row.weights.size), (row.weights.license, row.code_license)
        cells.append((row.model, row.tag, size, *licenses, digest, row.origin, row.where, str(row.path)))
    print_table(_LIST_HEADER, cells)
    return 0


def _verify(args: VerifyOptions) -> int:
    cards = [model_card(model) for model in ([args.name] if args.name else list_models())]
    # A missing file of the package is a broken installation; a missing download is not.
    rows = [row for row in list_weights(cards) if row.where != "missing" or row.weights.file is not None]
    broken = False
    for row in rows:
        state = inspect_file(row.weights, row.path, rehash=True)
        if state.status == "unchecked":
            state = _first_use(row)
        verdict = "ok"
        if not state.trusted:
            fetch_again = f"colorzoo weights fetch {row.model} --tag {row.tag}"
            remedy = "reinstall colorzoo" if row.weights.file else fetch_again
            verdict = f"broken: {state.reason}; to repair it: {remedy}"
            broken = True
        elif state.status == "recorded":
            verdict = f"ok: sha256 {state.sha256}, recorded on first use ({_stated(row.weights)})"
        print(f"{row.model} {row.tag} {row.path} {verdict}")
    if not rows:
        print("no weight files here; `colorzoo weights fetch NAME` downloads one")
    return int(broken)


def _stated(weights: Weights) -> str:
    return f"its authors state {weights.digest}" if weights.digest else "its authors state none"


def _first_use(file: WeightFile) -> FileState:
    """Load an unchecked file into its model and return its new state; its hash is recorded if it fits."""
    from colorzoo.factory import create_coloring_model

    try:
        create_coloring_model(file.model, file.tag, offline=True)
    except ColorzooError as error:
        return FileState("refused", reason=str(error))
    return inspect_file(file.weights, file.path)


def _export(args: ExportOptions) -> int:
    card = model_card(args.name)
    check_output(args.out, overwrite=args.overwrite)
    from colorzoo.engines.export import TOLERANCE, export_model

    exported = export_model(replace(card, guidance=card.plain_guidance), args.out, weights=args.weights)
    for (height, width), difference in exported.differences.items():
        print(f"{height}x{width}: largest difference from the model {difference:.1e} of the full scale")
    inputs = ",".join(exported.inputs)
    print(f"{exported.path} size={exported.path.stat().st_size} inputs={inputs}; {exported.sizes}")
    return 0 if max(exported.differences.values()) <= TOLERANCE else 1


def _fetch_one(card: ModelCard, tag: str, *, offline: bool) -> Path:
    """Make sure that a weight file of a card is on this machine and intact; return its path.

    Raises:
        WeightsError: It cannot be fetched, is broken, or does not fit the model.
    """
    file = weight_file(card, tag)
    entry, path = file.weights, file.path
    if entry.file is not None:
        if not (state := inspect_file(entry, path, rehash=True)).trusted:
            problem = "missing" if state.status == "missing" else f"broken: {state.reason}"
            raise WeightsError(f"{path} ships inside the package but is {problem}; reinstall colorzoo")
        return path
    fetch(entry, path, offline=offline)
    if inspect_file(entry, path).status == "unchecked":
        if not (state := _first_use(file)).trusted:
            raise WeightsError(f"{path} is not used: {state.reason}")
        print(f"{path.name}: sha256 {state.sha256}, recorded ({_stated(entry)})", file=sys.stderr)
    return path


def _fetch_metrics(*, offline: bool) -> int:
    """Fetch the networks of all metrics, so that `colorzoo evaluate` needs no connection.

    Returns:
        0 if all are here now, 1 if some are not; the reason of each is printed.
    """
    from colorzoo.metrics.named import all_metrics, named_metric

    here, missing = [], []
    with offline_if(offline):
        for name, found in all_metrics().items():
            network = found.kind.default_network
            if not network:
                continue
            try:
                named_metric(name)
                here.append((name, network))
            except WeightsError as error:
                missing.append((name, " ".join(str(error).split())))
    for name, network in here:
        print(f"{name}: {network} is here")
    for name, reason in missing:
        print(f"{name}: {reason}", file=sys.stderr)
    return int(bool(missing))


def _fetch_best(uses: Sequence[Use], *, yes: bool, offline: bool) -> int:
    """Show the best weights for some uses, ask for confirmation, and fetch those that are missing.

    Args:
        uses: Uses of the models.
        yes: Do not ask.
        offline: Open no connection; print the manual steps.

    Returns:
        0 if all are here now, 1 if some could not be fetched.

    Raises:
        WeightsError: None could be fetched, there is no room, or there is no terminal on which to ask.
    """
    best = _best_files(uses)
    if not best:
        print(f"no weights better than those that ship with colorzoo exist for {', '.join(uses)}")
        return 0
    cells = []
    for ranked, file, served in best:
        size, entry = megabytes(file.weights.size), file.weights
        about = size if entry.sha256 or entry.size_stated else f"about {size}"
        cells.append(
            (file.model, ", ".join(served), about, entry.license, file.origin, describe_state(ranked))
        )
    print_table(_FETCH_HEADER, cells)
    missing = [(ranked.card, file) for ranked, file, _ in best if not ranked.state.trusted]
    if not missing:
        print("all of them are here")
        return 0
    if offline or is_offline():
        for _, file in missing:
            print(f"{' or '.join(file.weights.urls)}\n  to {file.path}")
        print("then run `colorzoo weights verify`")
        raise WeightsError(f"offline: fetch the {len(missing)} files above by hand")
    if not (yes or _confirm()):
        print("nothing was fetched")
        return 0
    failures = []
    for card, file in missing:
        try:
            print_line(str(_fetch_one(card, file.tag, offline=offline)), sys.stdout)
        except WeightsError as error:  # the others are still fetched
            failures.append(str(error))
    if len(failures) == len(missing):
        raise WeightsError("; ".join(failures))
    for failure in failures:
        print(f"colorzoo: error: {failure}", file=sys.stderr)
    return int(bool(failures))


def _best_files(uses: Sequence[Use]) -> list[tuple[RankedModel, WeightFile, list[Use]]]:
    """Return the best models whose weights can be fetched, with their uses; none where the best one ships."""
    found: dict[str, tuple[RankedModel, WeightFile, list[Use]]] = {}
    for use in uses:
        ranked = next((ranked for ranked in rank_models(use) if ranked.file is not None), None)
        if ranked is not None and ranked.file is not None and ranked.fetchable:
            found.setdefault(ranked.card.name, (ranked, ranked.file, []))[2].append(use)
    return list(found.values())


def _confirm() -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WeightsError("there is no terminal on which to confirm; add --yes to fetch them")
    try:
        return input("fetch them? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


COMMANDS = {
    "list": Command("show all known weights and where they are", "colorzoo weights list", ListOptions, _list),
    "fetch": Command(
        "download the weights of a model, or the best weights for one use or for the most common uses",
        "colorzoo weights fetch best\ncolorzoo weights fetch zhang2017_local\ncolorzoo weights fetch metrics",
        FetchOptions,
        _fetch,
    ),
    "verify": Command(
        "check the hashes of the files on this machine",
        "colorzoo weights verify zhang2017_local",
        VerifyOptions,
        _verify,
    ),
    "convert": Command(
        "turn a file of the authors (PyTorch or Caffe) into safetensors that include their settings",
        "colorzoo weights convert zhang2017_local model.caffemodel local.safetensors",
        ConvertOptions,
        _convert,
    ),
    "export": Command(
        "write a graph for other programs: OUT.onnx, or OUT.pt2 of torch.export",
        "colorzoo weights export colorzoo2026 small.onnx",
        ExportOptions,
        _export,
    ),
    "pack": Command(
        "turn a checkpoint into a float16 weight file",
        "colorzoo weights pack zhang2017_local last.ckpt local.safetensors",
        PackOptions,
        _pack,
    ),
}
