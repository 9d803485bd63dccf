"""``colorzoo evaluate``: evaluate models with an evaluation protocol and write a report."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from colorzoo.apps.cli._options import Command
from colorzoo.console import print_line, print_table, resumable
from colorzoo.errors import ColorzooError
from colorzoo.options import option
from colorzoo.settings import PositiveInt, Range

if TYPE_CHECKING:
    from colorzoo.evaluation import Outcome

HELP = "evaluate models by a named protocol and write a report"
EXAMPLE = """
colorzoo evaluate --models zhang2017_local_small,gray,truth --data PHOTOS -o REPORT
colorzoo evaluate --models zhang2017_local_small --data PHOTOS --protocol zhang2017-hints -o REPORT
colorzoo evaluate --compare zhang2016_small zhang2017_local_small --data PHOTOS -o REPORT
colorzoo evaluate --models before=a.safetensors,zhang2017_local=b.ckpt --data PHOTOS -o REPORT
colorzoo evaluate --models gray,theirs=RESULTS --data PHOTOS --metrics psnr,lpips:vgg -o REPORT
colorzoo evaluate --models colorzoo2026,zhang2017_local_small --data PHOTOS --vote VOTE
colorzoo evaluate --vote VOTE --votes votes-1.json votes-2.json
colorzoo evaluate --models huang2022=unicolor.safetensors,gray --data PHOTOS --samples 8 -o REPORT
torchrun --standalone --nproc-per-node 2 -m colorzoo evaluate --models truth,gray --data PHOTOS -o REPORT
"""

_PROTOCOL, _TABLES = "protocol overrides", "tables and figures for papers"
_VOTE, _MACHINE = "blind vote", "machine"


@dataclass(frozen=True, kw_only=True)
class EvaluateOptions:
    """Options of ``colorzoo evaluate``."""

    models: str = option(
        "",
        "methods: model names, truth, gray, NAME=FILE (weights) or NAME=FOLDER (results or a saved model)",
        metavar="A,B",
    )
    data: Path | None = option(None, "folder of color images", metavar="DIR")
    output: Path | None = option(
        None, "folder of the report", "", "-o", "--output", metavar="REPORT", writes="path"
    )
    protocol: str | None = option(
        None,
        "name of a protocol, or YAML file (default: automatic, or blind-vote with --vote)",
        metavar="NAME",
    )
    compare: list[list[str]] | None = option(
        None, "test whether two methods differ significantly; repeatable", metavar=("A", "B"), nargs=2
    )
    baseline: str | None = option(
        None, "test whether any other model differs significantly from this method", metavar="A"
    )
    interactions: str | None = option(
        None, "numbers of hints per image to evaluate, such as 0,1,10", _PROTOCOL, metavar="N,N"
    )
    metrics: str | None = option(
        None, "names of metrics, such as psnr, fid:NETWORK or lpips:BACKBONE", _PROTOCOL, metavar="A,B"
    )
    pairs: str | None = option(
        None, "CSV table of target and reference files in DIR (default: pairs.csv)", _PROTOCOL, metavar="FILE"
    )
    limit: PositiveInt | None = option(None, "use only the first N images", _PROTOCOL, metavar="N")
    captions: Literal["first", "all"] = option(
        "first", "captions of an image that has several (default: first)", _PROTOCOL
    )
    samples: PositiveInt = option(
        1,
        "number of samples of each image by models that accept seeds (default: 1)",
        _PROTOCOL,
        metavar="K",
    )
    groups: Path | None = option(
        None,
        "CSV table of image and group; intervals and tests resample groups of dependent images",
        _PROTOCOL,
        metavar="FILE",
    )
    repeats: PositiveInt = option(
        1, "number of simulated users for each image (default: 1)", _PROTOCOL, metavar="N"
    )
    reach: list[str] | None = option(
        None,
        "report the number of hints at which METRIC reaches VALUE; repeatable",
        _TABLES,
        metavar="METRIC=VALUE",
    )
    columns: str | None = option(
        None,
        "columns of results.tex and results.md, such as psnr@0,psnr@10,parameters (default: all values)",
        _TABLES,
        metavar="A,B",
    )
    figure: Path | None = option(
        None,
        "draw input with points, results and ground truth of examples (.pdf, .svg or .png)",
        _TABLES,
        metavar="FILE",
        writes="path",
    )
    examples: str | None = option(
        None, "images of --figure, relative to DIR (default: the first four)", _TABLES, metavar="A,B"
    )
    resamples: Annotated[int, Range(100)] = option(
        2000, "number of bootstrap resamples for confidence intervals (default: 2000)", _PROTOCOL, metavar="N"
    )
    vote: Path | None = option(
        None,
        "write a page for a blind vote to FOLDER instead of a report",
        _VOTE,
        metavar="FOLDER",
        writes="path",
    )
    votes: list[Path] | None = option(
        None,
        "compute scores from files of votes (default of --vote: the folder of the first FILE)",
        _VOTE,
        metavar="FILE",
        nargs="+",
    )
    cache: Path | None = option(
        None, "folder of cached results (default: REPORT/cache)", _MACHINE, metavar="DIR", writes="path"
    )
    device: str = option("cpu", "auto, cpu, cuda or mps (default: cpu)", _MACHINE)
    threads: PositiveInt = option(1, "number of CPU threads for torch (default: 1)", _MACHINE, metavar="N")
    list_all: bool = option(False, "list protocols and metrics, then exit", "", "--list")


def _writes(args: EvaluateOptions) -> list[Path]:
    """Return the files of the report, or of the page for a blind vote."""
    if (args.output is None and args.vote is None) or args.votes is not None:
        return []
    from colorzoo.evaluation.report import REPORT_FILES
    from colorzoo.evaluation.vote import KEY_FILE, PAGE_FOLDER

    report = [] if args.output is None else [args.output / name for name in REPORT_FILES]
    report += [] if args.figure is None else [args.figure]
    return report if args.vote is None else [args.vote / KEY_FILE, args.vote / PAGE_FOLDER / "index.html"]


def run(args: EvaluateOptions) -> int:
    """Evaluate models and write a report, list protocols and metrics, or write or count a blind vote.

    Returns:
        1 if images were skipped, otherwise 0.

    Raises:
        ColorzooError: A model, file or folder does not exist, or nothing could be evaluated.
    """
    if args.list_all:
        from colorzoo.evaluation import list_metrics, list_protocols, load_protocol

        protocols = [load_protocol(name) for name in list_protocols()]
        print_table(
            ("protocol", "version", "title"),
            [(protocol.name, str(protocol.version), protocol.title) for protocol in protocols],
        )
        print(f"\nmetrics: {', '.join(list_metrics())}")
        return 0
    if args.votes is not None:
        _print_vote_scores(args.votes, args.vote or args.votes[0].parent)
        return 0
    if args.vote is not None:
        return _write_vote_page(args, args.vote)
    from colorzoo.evaluation import evaluate
    from colorzoo.evaluation.run import print_notes

    compared = args.compare or []
    models = _names(args.models) or list(dict.fromkeys(name for pair in compared for name in pair))
    if not models or args.data is None or args.output is None:
        raise ColorzooError("--models A,B (or --compare A B), --data DIR and -o REPORT are required")
    with resumable(True):
        outcome = evaluate(
            models,
            args.data,
            args.protocol or "automatic",
            output=args.output,
            interactions=_parse_interactions(args.interactions),
            metrics=_names(args.metrics) or None,
            compare=[(first, second) for first, second in compared],
            baseline=args.baseline,
            pairs=args.pairs,
            limit=args.limit,
            captions=args.captions,
            samples=args.samples,
            repeats=args.repeats,
            groups=args.groups,
            columns=_names(args.columns),
            goals=_parse_goals(args.reach or []),
            figure=args.figure,
            examples=_names(args.examples),
            cache=args.cache,
            device=args.device,
            threads=args.threads,
            resamples=args.resamples,
        )
    if outcome.summary is None:  # another process writes the report
        return 0
    print_notes(outcome)
    print_scores(outcome, args.output)
    return 1 if outcome.skipped else 0


def _parse_interactions(text: str | None) -> tuple[int, ...] | None:
    """Return the numbers of hints in the value of ``--interactions``; None if the option is omitted."""
    from colorzoo.evaluation.protocol import check_interactions

    if not text:
        return None
    try:
        return check_interactions([int(word) for word in text.split(",")])
    except ValueError as error:
        raise ColorzooError(
            f"--interactions must be a list of whole numbers (for example 0,1,10), got {text!r} ({error})"
        ) from error


def _parse_goals(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Return metric and value of each ``METRIC=VALUE``."""
    goals = []
    for text in texts:
        name, _, value = text.partition("=")
        try:
            goals.append((name, float(value)))
        except ValueError:
            raise ColorzooError(f"--reach must be METRIC=VALUE, such as psnr=28, got {text!r}") from None
    return goals


def _print_vote_scores(votes: Sequence[Path], folder: Path) -> None:
    """Print the scores of a blind vote.

    Args:
        votes: Files of votes.
        folder: Folder of the vote.

    Raises:
        ColorzooError: The folder contains no vote, or the votes cannot be counted.
    """
    from colorzoo.evaluation.tables import format_interval, format_number
    from colorzoo.evaluation.vote import KEY_FILE, count_votes

    key = folder / KEY_FILE
    if not key.is_file():
        raise ColorzooError(f"{str(key)!r} does not exist. Set --vote to the folder of the vote.")
    rows = [
        (
            row.name,
            format_number(row.score.value, 2),
            format_interval(row.score, 2),
            str(row.won),
            str(row.same),
            str(row.lost),
        )
        for row in count_votes(key, votes)
    ]
    print_table(("method", "score", "95 % interval", "won", "same", "lost"), rows)


def _write_vote_page(args: EvaluateOptions, folder: Path) -> int:
    """Write the page of a blind vote and print its path; return 1 if images were skipped."""
    from colorzoo.evaluation.vote import PAGE_FOLDER, write_vote
    from colorzoo.inference import choose_device

    if args.data is None:
        raise ColorzooError("--vote requires --models A,B and --data DIR")
    reported = ("-o", args.output), ("--metrics", args.metrics), ("--baseline", args.baseline)
    for flag, value in (*reported, ("--compare", args.compare)):
        if value is not None:
            raise ColorzooError(f"{flag} cannot be combined with --vote, because a vote writes no report")
    skipped = write_vote(
        _names(args.models),
        args.data,
        folder,
        args.protocol or "blind-vote",
        pairs=args.pairs,
        interactions=_parse_interactions(args.interactions),
        limit=args.limit,
        device=choose_device(args.device),
    )
    for _, reason in skipped:
        one_line = " ".join(reason.split())
        print_line(f"colorzoo: skipped: {one_line}", sys.stderr)
    print_line(str(folder / PAGE_FOLDER / "index.html"), sys.stdout)
    return 1 if skipped else 0


def _names(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def print_scores(outcome: Outcome, folder: Path) -> None:
    """Print the scores of an evaluation, its comparisons, and the path of ``report.html``.

    Args:
        outcome: Outcome with a summary.
        folder: Folder of the report.
    """
    from colorzoo.evaluation.tables import curve_digits, curve_heading, format_number, metric_heading

    summary = outcome.summary
    assert summary is not None
    outputs = summary.setup.outputs
    rows = []
    for row in summary.rows:
        cells = []
        for output in outputs:
            score = row.scores[output.key]
            text = format_number(score.estimate.value, output.digits)
            cells.append(f"{text} ({score.omitted})" if score.omitted else text)
        rows.append((summary.label(row.method), str(row.count), *cells))
    print_table(("method", "interactions", *map(metric_heading, outputs)), rows)
    for curve in summary.curves:
        number = format_number(curve.estimate.value, curve_digits(curve))
        print(f"{summary.label(curve.method)}, {curve_heading(curve)}: {number}")
    for comparison in summary.comparisons:
        name = f"{summary.pair_label(comparison)}, {comparison.output.title} at {comparison.count}"
        print(f"{name}: {comparison.difference.estimate.value:+.4g}, {comparison.verdict}")
    print_line(str(folder / "report.html"), sys.stdout)


COMMANDS = {"": Command(HELP, EXAMPLE, EvaluateOptions, run, writes=_writes)}
