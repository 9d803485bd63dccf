"""``colorzoo weights``: list, download, verify and convert weight files; export models."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from colorzoo.apps.cli._options import Command
from colorzoo.console import print_line, print_table
from colorzoo.errors import ColorzooError, WeightsError
from colorzoo.files import megabytes, sha256_of
from colorzoo.options import argument, option
from colorzoo.registry import list_models, model_card
from colorzoo.weights.catalog import fetch, file_problem, list_weights, weight_file
from colorzoo.weights.load import UNTRAINED, StoredType

HELP = "list, download, verify, convert and export weight files"

_NAME = "model name or alias"
_LIST_HEADER = ("MODEL", "TAG", "SIZE", "LICENSE", "CODE", "DATA", "SHA256", "FROM", "WHERE", "FILE")


@dataclass(frozen=True, kw_only=True)
class ListOptions:
    """Options of ``colorzoo weights list``."""

    json: bool = option(False, "print the table as a JSON list")


@dataclass(frozen=True, kw_only=True)
class FetchOptions:
    """Options of ``colorzoo weights fetch``."""

    name: str = argument("model name or alias, or 'metrics' (networks of all metrics)", "NAME")
    tag: str = option("published", "tag of the weights (default: published)")


@dataclass(frozen=True, kw_only=True)
class VerifyOptions:
    """Options of ``colorzoo weights verify``."""

    name: str | None = argument("model name or alias (default: all models)", "NAME", default=None)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions:
    """Options of ``colorzoo weights convert``."""

    name: str = argument(_NAME, "NAME")
    source: Path = argument(
        "weight file of the authors, folder of such files, or checkpoint of `colorzoo fit`; code in files is "
        "never executed",
        "FILE",
    )
    out: Path = argument("output file, NAME.safetensors", "OUT", writes="file")
    dtype: StoredType | None = option(
        None, "type of the stored weights: float16 halves the file size, int8 quarters it"
    )
    keep: list[str] = option(
        [],
        "name of a tensor that --dtype int8 stores as float16; may be repeated",
        metavar="TENSOR",
    )
    set: list[str] = option(
        [],
        "model setting that FILE does not contain, such as mask_center=0.5; may be repeated",
        metavar="KEY=VALUE",
    )
    overwrite: bool = option(False, "replace an existing file")


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """Options of ``colorzoo weights export``."""

    name: str = argument(_NAME, "NAME")
    out: Path = argument("output file, NAME.onnx", "OUT", writes="file")
    weights: str = option("default", "tag or path of the weights (default: default)", metavar="W")
    part: Literal["model", "denoiser"] = option(
        "model", "exported part: model (default), or denoiser for one step of a diffusion model"
    )
    guidance: list[str] = option(
        [],
        "kind of guidance that becomes an input of the graph, such as points or exemplar, or none; may be "
        "repeated (default: all that the model accepts, except optional references and classes)",
        metavar="KIND",
    )
    overwrite: bool = option(False, "replace an existing file")


def _fetch(args: FetchOptions) -> int:
    """Download weights; return 1 if the download of a metric network failed."""
    if args.name != "metrics":
        file = weight_file(model_card(args.name), args.tag)
        fetch(file)
        print_line(str(file.path), sys.stdout)
        return 0
    from colorzoo.metrics.named import all_metrics, named_metric

    failed = False
    for name, metric in all_metrics().items():
        if not metric.default_network:
            continue
        try:
            named_metric(name)
            print(f"{name}: {metric.default_network} is available")
        except WeightsError as error:
            failed = True  # continue with the other networks
            print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
    return int(failed)


def _convert(args: ConvertOptions) -> int:
    card = model_card(args.name)

    from colorzoo.weights import convert_weights

    settings: dict[str, Any] = {}
    for text in args.set:
        key, separator, value = text.partition("=")
        if not key.isidentifier() or not separator:
            raise ColorzooError(f"--set must be KEY=VALUE such as mask_center=0.5, got {text!r}")
        try:
            settings[key] = json.loads(value)
        except ValueError:  # not valid JSON: a string
            settings[key] = value
    metadata = convert_weights(
        args.source, card, args.out, hparams=settings, dtype=args.dtype, keep=args.keep
    )
    size = args.out.stat().st_size
    print(f"{args.out} sha256={sha256_of(args.out)} size={size}")
    if random := metadata.get(UNTRAINED):
        note = (
            f"{args.source} contains no weights for {random}; train these layers with --init_from {args.out}"
        )
        print(f"colorzoo: note: {note}", file=sys.stderr)
    return 0


def _list(args: ListOptions) -> int:
    rows = list_weights()
    if args.json:
        print(json.dumps([row.to_dict() for row in rows], indent=2))
        return 0
    table = []
    for row in rows:
        digest = "none" if row.sha256 is None else row.sha256[:12]
        if row.sha256 is not None and row.weights.sha256 is None:
            digest += " (recorded)"
        size = megabytes(row.weights.size)
        licenses = (row.weights.license, row.code_license, row.data_license)
        table.append((row.model, row.tag, size, *licenses, digest, row.origin, row.where, str(row.path)))
    print_table(_LIST_HEADER, table)
    return 0


def _verify(args: VerifyOptions) -> int:
    cards = [model_card(model) for model in ([args.name] if args.name else list_models())]
    # weights in the package must exist; other weights may not be downloaded yet
    rows = [row for row in list_weights(cards) if row.where != "missing" or row.weights.file is not None]
    broken = False
    for row in rows:
        reason = row.weights.no_hash or "The model card contains no hash."
        verdict = "ok" if row.sha256 else f"not verified: {reason}"
        if problem := file_problem(row):
            fetch_again = f"colorzoo weights fetch {row.model} --tag {row.tag}"
            remedy = "reinstall colorzoo" if row.weights.file else fetch_again
            verdict = f"broken: {problem}; repair: {remedy}"
            broken = True
        print(f"{row.model} {row.tag} {row.path} {verdict}")
    if not rows:
        print("no weight files found; download one with `colorzoo weights fetch NAME`")
    return int(broken)


def _export(args: ExportOptions) -> int:
    card = model_card(args.name)
    from colorzoo.engines import TOLERANCE, export_model

    exported = export_model(
        card,
        args.out,
        weights=args.weights,
        part=args.part,
        guidance=[] if args.guidance == ["none"] else args.guidance or None,
        report=lambda step: print_line(f"colorzoo: {step}", sys.stderr),
    )
    for (height, width), difference in exported.differences.items():
        print(f"{height}x{width}: maximum difference from the model: {difference:.1e} of the full scale")
    inputs = ",".join(exported.inputs)
    print(f"{exported.path} size={exported.path.stat().st_size} inputs={inputs}")
    return 0 if max(exported.differences.values()) <= TOLERANCE else 1


COMMANDS = {
    "list": Command(
        "list all known weight files and their paths", "colorzoo weights list", ListOptions, _list
    ),
    "fetch": Command(
        "download the weights of a model, or the networks of the metrics",
        "colorzoo weights fetch zhang2017_local\ncolorzoo weights fetch metrics",
        FetchOptions,
        _fetch,
    ),
    "verify": Command(
        "verify the hashes of local weight files",
        "colorzoo weights verify zhang2017_local",
        VerifyOptions,
        _verify,
    ),
    "convert": Command(
        "convert a weight file of the authors or a checkpoint to safetensors, and store the model settings",
        "colorzoo weights convert zhang2017_local model.caffemodel local.safetensors\n"
        "colorzoo weights convert zhang2017_local last.ckpt local.safetensors --dtype float16",
        ConvertOptions,
        _convert,
    ),
    "export": Command(
        "export a model to ONNX",
        "colorzoo weights export colorzoo2026 small.onnx\n"
        "colorzoo weights export colorzoo2026_drawing reference.onnx --guidance points --guidance exemplar",
        ExportOptions,
        _export,
    ),
}
