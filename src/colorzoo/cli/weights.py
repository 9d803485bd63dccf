"""``colorzoo weights``: list, download, verify, convert, export and pack weight files."""

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

HELP = "list, download, verify, convert, export and pack weight files"

_BEST: tuple[Use, ...] = ("automatic", "points", "exemplar", "sketch")  # the most common uses
_NAME = "model name or alias"
_LIST_HEADER = ("MODEL", "TAG", "SIZE", "LICENSE", "CODE", "SHA256", "FROM", "WHERE", "FILE")
_FETCH_HEADER = ("MODEL", "FOR", "SIZE", "LICENSE", "FROM", "STATE")


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Options of ``colorzoo weights list``."""

    json: bool = option(False, "print a JSON list")


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """Options of ``colorzoo weights fetch``."""

    name: str = argument(f"model name or alias, metrics, best, or a use: {', '.join(USES)}", "NAME")
    yes: bool = option(False, "with best or a use: download without confirmation")
    tag: str = option("published", "tag of the weights (default: published)")
    offline: bool = option(False, "check the file without network access")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``colorzoo weights verify``."""

    name: str | None = argument("model name or alias (default: all models)", "NAME", default=None)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``colorzoo weights convert``."""

    name: str = argument(_NAME, "NAME")
    source: Path = argument("file of the authors, or folder of files; no code in them is executed", "FILE")
    out: Path = argument("output file, NAME.safetensors", "OUT")
    half: bool = option(False, "store float16, which halves the size")
    set: list[str] = option(
        [],
        "constructor argument that is missing in the file, such as mask_center=0.5; may be repeated",
        metavar="KEY=VALUE",
    )
    overwrite: bool = option(False, "replace an existing file")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of ``colorzoo weights export``."""

    name: str = argument(_NAME, "NAME")
    out: Path = argument("output file, .onnx or .pt2", "OUT")
    weights: str = option("default", "tag or file of the weights (default: default)", metavar="W")
    overwrite: bool = option(False, "replace an existing file")


@dataclass(frozen=True, kw_only=True)
class PackOptions:
    """Options of ``colorzoo weights pack``."""

    name: str = argument(_NAME, "NAME")
    checkpoint: Path = argument("checkpoint of `colorzoo fit`", "CKPT")
    out: Path = argument("output file, NAME.safetensors", "OUT")
    overwrite: bool = option(False, "replace an existing file")


def _setting(text: str) -> tuple[str, Any]:
    """Parse ``key=value``; a value that is not JSON is a string."""
    key, separator, value = text.partition("=")
    if not key.isidentifier() or not separator:
        raise ColorzooError(f"--set must be KEY=VALUE such as mask_center=0.5, got {text!r}")
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


def _fetch(args: FetchOptions) -> int:
    """Download weights; return 1 if a download failed."""
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
        note = (
            f"{args.source} contains no weights for {random}; train these layers with --init_from {args.out}"
        )
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
    # a missing embedded file is an error; a missing download is not
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
            verdict = f"broken: {state.reason}; repair: {remedy}"
            broken = True
        elif state.status == "recorded":
            verdict = f"ok: sha256 {state.sha256}, recorded on first use ({_stated(row.weights)})"
        print(f"{row.model} {row.tag} {row.path} {verdict}")
    if not rows:
        print("no weight files found; download one with `colorzoo weights fetch NAME`")
    return int(broken)


def _stated(weights: Weights) -> str:
    return f"published hash: {weights.digest}" if weights.digest else "no published hash"


def _first_use(file: WeightFile) -> FileState:
    """Load an unchecked file into its model, record its hash if it fits, and return its new state."""
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
        print(f"{height}x{width}: maximum difference from the model {difference:.1e} of full scale")
    inputs = ",".join(exported.inputs)
    print(f"{exported.path} size={exported.path.stat().st_size} inputs={inputs}; {exported.sizes}")
    return 0 if max(exported.differences.values()) <= TOLERANCE else 1


def _fetch_one(card: ModelCard, tag: str, *, offline: bool) -> Path:
    """Download a weight file unless it exists, verify it, and return its path.

    Raises:
        WeightsError: The file cannot be downloaded, is broken, or does not fit the model.
    """
    file = weight_file(card, tag)
    entry, path = file.weights, file.path
    if entry.file is not None:
        if not (state := inspect_file(entry, path, rehash=True)).trusted:
            problem = "missing" if state.status == "missing" else f"broken: {state.reason}"
            raise WeightsError(f"embedded file {path} is {problem}; reinstall colorzoo")
        return path
    fetch(entry, path, offline=offline)
    if inspect_file(entry, path).status == "unchecked":
        if not (state := _first_use(file)).trusted:
            raise WeightsError(f"{path} is not used: {state.reason}")
        print(f"{path.name}: sha256 {state.sha256}, recorded ({_stated(entry)})", file=sys.stderr)
    return path


def _fetch_metrics(*, offline: bool) -> int:
    """Download the networks of all metrics; return 1 if a download failed, after printing the reason."""
    from colorzoo.metrics.named import all_metrics, named_metric

    failed = False
    with offline_if(offline):
        for name, found in all_metrics().items():
            if not found.kind.default_network:
                continue
            try:
                named_metric(name)
                print(f"{name}: {found.kind.default_network} is available")
            except WeightsError as error:
                failed = True
                print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    return int(failed)


def _fetch_best(uses: Sequence[Use], *, yes: bool, offline: bool) -> int:
    """List the best weights for some uses, and download the missing files after a confirmation.

    Args:
        uses: Uses of the models.
        yes: Skip the confirmation.
        offline: Print the URLs instead of downloading.

    Returns:
        0 if all files are available, 1 if a download failed.

    Raises:
        WeightsError: No file could be downloaded, or confirmation is impossible without a terminal.
    """
    found: dict[str, tuple[RankedModel, WeightFile, list[Use]]] = {}
    for use in uses:
        best_for_use = next((each for each in rank_models(use) if each.file is not None), None)
        if best_for_use is not None and best_for_use.file is not None and best_for_use.fetchable:
            found.setdefault(best_for_use.card.name, (best_for_use, best_for_use.file, []))[2].append(use)
    best = list(found.values())
    if not best:
        print(f"the embedded weights are the best for {', '.join(uses)}")
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
        print("all files are available")
        return 0
    if offline or is_offline():
        for _, file in missing:
            print(f"{' or '.join(file.weights.urls)}\n  to {file.path}")
        print("then run `colorzoo weights verify`")
        raise WeightsError(f"offline: download the {len(missing)} files above manually")
    if not (yes or _confirm()):
        print("nothing was downloaded")
        return 0
    failures = []
    for card, file in missing:
        try:
            print_line(str(_fetch_one(card, file.tag, offline=offline)), sys.stdout)
        except WeightsError as error:  # continue with the other files
            failures.append(str(error))
    if len(failures) == len(missing):
        raise WeightsError("; ".join(failures))
    for failure in failures:
        print(f"colorzoo: error: {failure}", file=sys.stderr)
    return int(bool(failures))


def _confirm() -> bool:
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise WeightsError("confirmation requires a terminal; use --yes to download without it")
    try:
        return input("download? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False


COMMANDS = {
    "list": Command(
        "list all known weight files and their paths", "colorzoo weights list", ListOptions, _list
    ),
    "fetch": Command(
        "download the weights of a model, or the best weights for one use or for the most common uses",
        "colorzoo weights fetch best\ncolorzoo weights fetch zhang2017_local\ncolorzoo weights fetch metrics",
        FetchOptions,
        _fetch,
    ),
    "verify": Command(
        "check the hashes of the local files",
        "colorzoo weights verify zhang2017_local",
        VerifyOptions,
        _verify,
    ),
    "convert": Command(
        "convert a weight file of the authors (PyTorch or Caffe) to safetensors with settings",
        "colorzoo weights convert zhang2017_local model.caffemodel local.safetensors",
        ConvertOptions,
        _convert,
    ),
    "export": Command(
        "export the model to ONNX (.onnx) or torch.export (.pt2)",
        "colorzoo weights export colorzoo2026 small.onnx",
        ExportOptions,
        _export,
    ),
    "pack": Command(
        "convert a checkpoint to a float16 weight file",
        "colorzoo weights pack zhang2017_local last.ckpt local.safetensors",
        PackOptions,
        _pack,
    ),
}
