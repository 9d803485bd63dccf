"""``colorzoo evaluate``: measure models by a protocol and write a report."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.cli._options import add_device_argument
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from colorzoo.evaluation.run import Outcome, Plan

NAME = "evaluate"
HELP = "measure models by a named protocol and write a report"
EXAMPLE = """
colorzoo evaluate --models zhang2017_local_small,gray,truth --data PHOTOS -o REPORT
colorzoo evaluate --models zhang2017_local_small --data PHOTOS --protocol zhang2017-hints -o REPORT
colorzoo evaluate --compare zhang2016_small zhang2017_local_small --data PHOTOS -o REPORT
colorzoo evaluate --models gray,theirs=RESULTS --data PHOTOS --metrics psnr,lpips:vgg -o REPORT
torchrun --nproc-per-node 2 -m colorzoo evaluate --models truth,gray --data PHOTOS -o REPORT
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "--models",
        metavar="A,B",
        default="",
        help="models by name; also truth, gray, and NAME=FOLDER of finished results",
    )
    parser.add_argument("--data", metavar="DIR", type=Path, help="folder of color pictures")
    parser.add_argument("-o", "--output", metavar="REPORT", type=Path, help="folder of the report")
    parser.add_argument(
        "--protocol", metavar="NAME", default="automatic", help="name or YAML file (default: %(default)s)"
    )
    parser.add_argument(
        "--compare", nargs=2, metavar=("A", "B"), help="test which differences of two methods are significant"
    )
    group = parser.add_argument_group("changes to the protocol")
    group.add_argument("--interactions", metavar="N,N", help="numbers of interactions to measure at")
    group.add_argument("--metrics", metavar="A,B", help="metrics to measure; fid:NETWORK, lpips:BACKBONE")
    group.add_argument(
        "--pairs", metavar="FILE", help="list of targets and references below DIR (default: pairs.csv)"
    )
    group.add_argument("--limit", metavar="N", type=int, help="use only the first N pictures")
    group.add_argument(
        "--resamples", metavar="N", type=int, default=2000, help="of the bootstrap (default: %(default)s)"
    )
    group = parser.add_argument_group("weights and machine")
    group.add_argument(
        "--weights",
        metavar="NAME=FILE",
        action="append",
        default=[],
        help="weight file of a model or a metric; may be repeated",
    )
    group.add_argument(
        "--cache", metavar="DIR", type=Path, help="folder that keeps results (default: REPORT/cache)"
    )
    add_device_argument(group, "cpu")
    group.add_argument(
        "--threads", metavar="N", type=int, default=1, help="of torch on a CPU (default: %(default)s)"
    )
    parser.add_argument(
        "--bibtex", action="store_true", help="print what to cite for these models and metrics, too"
    )
    parser.add_argument("--list", action="store_true", help="list protocols and metrics")


def run(args: argparse.Namespace) -> int:
    """Evaluate; return 1 if pictures were skipped.

    Raises:
        ColorzooError: A model, file or folder does not exist, or nothing could be evaluated.
    """
    if args.list:
        return _list()
    from colorzoo.evaluation.run import evaluate, warn

    outcome = evaluate(_plan(args))
    if outcome.summary is None:  # another process writes the report
        return 0
    warn(outcome)
    print_scores(outcome, args.output)
    if args.bibtex:
        print((args.output / "references.bib").read_text(encoding="utf-8"), end="")
    return 1 if outcome.skipped else 0


def _plan(args: argparse.Namespace) -> Plan:
    from colorzoo.engines.device import choose_device
    from colorzoo.evaluation.protocol import load_protocol
    from colorzoo.evaluation.run import Plan

    compare = tuple(args.compare) if args.compare else None
    models = _names(args.models) or list(compare or ())
    _require(bool(models), "name at least one model: --models A,B")
    _require(args.data is not None, "name a folder of color pictures: --data DIR")
    _require(args.output is not None, "name the folder of the report: -o REPORT")
    _require(args.limit is None or args.limit > 0, f"--limit must be at least 1, got {args.limit}")
    _require(args.threads > 0, f"--threads must be at least 1, got {args.threads}")
    _require(args.resamples >= 100, f"--resamples must be at least 100, got {args.resamples}")
    return Plan(
        models=models,
        data=args.data,
        output=args.output,
        protocol=load_protocol(args.protocol),
        interactions=_counts(args.interactions),
        metrics=tuple(_names(args.metrics)) or None,
        weights=_weights(args.weights),
        compare=compare,
        pairs=args.pairs,
        limit=args.limit,
        cache=args.cache,
        device=choose_device(args.device),
        threads=args.threads,
        resamples=args.resamples,
    )


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _counts(text: str | None) -> tuple[int, ...] | None:
    from colorzoo.evaluation.protocol import check_interactions

    if text is None:
        return None
    try:
        return check_interactions([int(word) for word in text.split(",")])
    except ValueError as error:
        raise ColorzooError(
            f"--interactions {text!r}: expected whole numbers such as 0,1,10 ({error})"
        ) from error


def _weights(texts: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in texts]
    for name, sign, file in pairs:
        _require(bool(name and sign and file), f"--weights must be NAME=FILE, got {name + sign + file!r}")
    return {name: file for name, _, file in pairs}


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise ColorzooError(f"{message}; see `colorzoo evaluate --help`")


def _list() -> int:
    from colorzoo.cli._output import print_table
    from colorzoo.evaluation.measures import list_metrics
    from colorzoo.evaluation.protocol import list_protocols, load_protocol

    protocols = [load_protocol(name) for name in list_protocols()]
    print_table(("protocol", "version", "title"), [(p.name, str(p.version), p.title) for p in protocols])
    print(f"\nmetrics: {', '.join(list_metrics())}")
    return 0


def print_scores(outcome: Outcome, folder: Path) -> None:
    """Print the scores of an evaluation, and the place of its report."""
    from colorzoo.cli._output import print_table
    from colorzoo.evaluation.tables import heading, score_cell

    assert outcome.summary is not None
    outputs = outcome.summary.setup.outputs
    rows = []
    for row in outcome.summary.rows:
        cells = (score_cell(row.scores[output.key], output).text for output in outputs)
        rows.append((row.method, str(row.count), *cells))
    print_table(("method", "interactions", *(heading(output) for output in outputs)), rows)
    tests = sum(not math.isnan(found.adjusted) for found in outcome.summary.comparisons)
    for found in outcome.summary.comparisons:
        value = found.difference.estimate
        one, other = outcome.summary.compared or ("", "")
        numbers = ""
        if not math.isnan(found.adjusted):
            interval = f"({value.low:.4g} to {value.high:.4g})"
            numbers = f"{value.value:+.4g} {interval}, p {found.adjusted:.3g} adjusted for {tests} tests: "
        print(f"{one} minus {other}, {found.output.title} at {found.count}: {numbers}{found.verdict}")
    print(folder / "report.html")
