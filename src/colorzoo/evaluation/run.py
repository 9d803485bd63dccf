"""`evaluate`: plan in, folder of reports out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from colorzoo.errors import DataError
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.choose import choose_measures
from colorzoo.evaluation.measures import Measure
from colorzoo.evaluation.methods import TRUTH, Method, open_methods, registered_name
from colorzoo.evaluation.picture_list import Item, Selection, hash_all, select_pictures
from colorzoo.evaluation.processes import Processes, join_processes
from colorzoo.evaluation.progress import progress
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.report import write_report
from colorzoo.evaluation.stopwatch import Stopwatch
from colorzoo.evaluation.summarize import summarize
from colorzoo.evaluation.summary import Evaluated, Summary
from colorzoo.evaluation.work import Work
from colorzoo.users import make_user


@dataclass(frozen=True)
class Plan:
    """What to evaluate and how.

    Attributes:
        models: Registered names, ``truth``, ``gray``, or ``NAME=FOLDER``.
        data: Folder of pictures.
        output: Folder of the report.
        protocol: How.
        interactions: Numbers of interactions in place of the protocol's.
        metrics: Names in place of the protocol's.
        weights: Files by model or metric.
        compare: Two methods to compare picture by picture.
        pairs: List of pairs below ``data``.
        limit: Take only the first pictures.
        cache: Where results are kept; by default in ``output``.
        device: Where models run.
        threads: Of torch; results are the same to the last digit only for the same number.
        resamples: Of the bootstrap.
    """

    models: Sequence[str]
    data: Path
    output: Path
    protocol: Protocol
    interactions: tuple[int, ...] | None = None
    metrics: tuple[str, ...] | None = None
    weights: Mapping[str, str] = field(default_factory=dict)
    compare: tuple[str, str] | None = None
    pairs: str | None = None
    limit: int | None = None
    cache: Path | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    threads: int = 1
    resamples: int = 2000


@dataclass(frozen=True)
class Outcome:
    """What became of an evaluation.

    Attributes:
        summary: The numbers; None in a process that writes no report.
        skipped: Name and reason of pictures that were left out.
        notes: What the user should know.
        seconds: By stage, of this process.
    """

    summary: Summary | None
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)


def evaluate(plan: Plan) -> Outcome:
    """Evaluate and write the report.

    Started by torchrun, every process does its share and the first one writes; the files are the same.

    Args:
        plan: What and how.

    Raises:
        ColorzooError: Something in the plan is not there or does not fit.
    """
    plan = _with_registered_names(plan)
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    try:
        with join_processes() as processes:
            return _evaluate(plan, processes)
    finally:
        torch.set_num_threads(threads)


def _with_registered_names(plan: Plan) -> Plan:
    """Return the plan with the registry's names in place of aliases, where a name refers to a model."""
    weights = {registered_name(name): file for name, file in plan.weights.items()}
    if plan.compare is None:
        return replace(plan, weights=weights)
    one, other = map(_shown_name, plan.compare)
    return replace(plan, weights=weights, compare=(one, other))


def _evaluate(plan: Plan, processes: Processes) -> Outcome:
    watch = Stopwatch()
    with watch.stage("start"):
        _check_output(plan.output)
        selection = select_pictures(plan.data, plan.protocol, plan.pairs, plan.limit)
        measures, notes = choose_measures(plan.protocol, plan.metrics, plan.weights, plan.device)
        methods = open_methods(_method_names(plan, measures), plan.weights, plan.protocol, plan.device)
        _check_compare(plan, methods)
        _check_weights(plan, methods, measures)
        items, unreadable = hash_all(selection.items)
    cache = Cache(plan.cache or plan.output / "cache", plan.protocol)
    counts = _counts(plan)
    work = Work(plan.protocol, methods, measures, counts, cache, plan.device, watch)
    share = items[processes.rank :: processes.count]
    with progress("evaluating", len(share)) as step:
        for item in share:
            work.do(item)
            step()
    processes.wait()
    if processes.rank > 0:
        return Outcome(None, seconds=watch.seconds)
    summary, skipped = _report(plan, work, selection, items, unreadable, notes)
    return Outcome(summary, skipped, notes, watch.seconds)


def _report(
    plan: Plan,
    work: Work,
    selection: Selection,
    items: list[Item],
    unreadable: list[tuple[str, str]],
    notes: tuple[str, ...],
) -> tuple[Summary, tuple[tuple[str, str], ...]]:
    with work.watch.stage("summary"):
        evaluated = Evaluated(
            protocol=plan.protocol,
            methods=tuple(method for method in work.methods if method.name in _names(plan)),
            counts={method.name: work.counts_of(method) for method in work.methods},
            measures=tuple(work.measures),
            deviation=selection.deviation,
            notes=notes,
            resamples=plan.resamples,
        )
        summary = summarize(evaluated, items, work.cache, plan.compare)
        summary = replace(summary, skipped=(*unreadable, *summary.skipped))
    with work.watch.stage("report"):
        write_report(summary, work.cache, plan.output)
    return summary, summary.skipped


def _names(plan: Plan) -> list[str]:
    """Return the methods that reports show, under the names of the registry."""
    return list(dict.fromkeys([*map(_shown_name, plan.models), *(plan.compare or ())]))


def _shown_name(name: str) -> str:
    return registered_name(name.partition("=")[0])


def _method_names(plan: Plan, measures: Sequence[Measure]) -> list[str]:
    """Return all methods to run: those of the plan, and the truth whose features others are held against."""
    listed = {_shown_name(name) for name in plan.models}
    names = [*plan.models, *(name for name in plan.compare or () if name not in listed)]
    if any(measure.features for measure in measures) and TRUTH not in names:
        names.append(TRUTH)
    return names


def _counts(plan: Plan) -> tuple[int, ...]:
    counts = plan.protocol.interactions if plan.interactions is None else plan.interactions
    if plan.protocol.user is None:
        if any(counts):
            raise DataError(f"protocol {plan.protocol.name} is automatic; it takes no --interactions but 0")
        return (0,)
    make_user(plan.protocol.user.name, **plan.protocol.user.options)  # an unknown user fails before any work
    return counts


def _check_output(output: Path) -> None:
    if output.exists() and not output.is_dir():
        raise DataError(f"the report {str(output)!r} is a file; -o names a folder")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make the folder {str(output)!r}: {error.strerror}") from error


def _check_compare(plan: Plan, methods: Sequence[Method]) -> None:
    if plan.compare is not None and plan.compare[0] == plan.compare[1]:
        raise DataError(f"--compare needs two different methods, got {plan.compare[0]!r} twice")
    assert all(name in {method.name for method in methods} for name in _names(plan))


def _check_weights(plan: Plan, methods: Sequence[Method], measures: Sequence[Measure]) -> None:
    known = {method.name for method in methods} | {measure.name for measure in measures}
    known |= {name.partition(":")[0] for name in plan.metrics or plan.protocol.metrics}
    for name in plan.weights:
        if name not in known:
            raise DataError(f"--weights {name}=...: neither a model nor a metric of this evaluation")


def warn(outcome: Outcome) -> None:
    """Print notes and skipped pictures to the error stream, one line each."""
    gray = () if outcome.summary is None else outcome.summary.gray_notes
    for note in (*outcome.notes, *gray):
        print(f"colorzoo: note: {note}", file=sys.stderr)
    for _, reason in outcome.skipped:
        print(f"colorzoo: skipped: {' '.join(reason.split())}", file=sys.stderr)
