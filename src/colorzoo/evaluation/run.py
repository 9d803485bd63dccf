"""Evaluation in one or several processes, with a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from colorzoo.console import print_line, progress_bar
from colorzoo.errors import DataError
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.evaluator import Evaluator
from colorzoo.evaluation.images import BOXES_FILE, Item, hash_all, select_images
from colorzoo.evaluation.machine import shared_machine
from colorzoo.evaluation.measures import choose_measures
from colorzoo.evaluation.methods import TRUTH, Method, check_methods, open_methods, registered_name
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.report import write_report
from colorzoo.evaluation.summary import EvaluationSetup, Summary, summarize
from colorzoo.simulation import make_user

_TIMEOUT = timedelta(days=7)  # for collective operations, because processes differ in speed
_LOG_INTERVAL = 30.0  # seconds between progress lines in a log


@dataclass(frozen=True)
class Plan:
    """Configuration of an evaluation.

    Examples:
        >>> protocol = load_protocol("automatic")
        >>> plan = Plan(["gray"], Path("album/val"), Path("report"), protocol, metrics=("psnr",))
        >>> plan.models
        ['gray']

    Attributes:
        models: Registered names, ``truth``, ``gray``, or ``NAME=FOLDER`` for a folder of existing results.
        data: Folder of images.
        output: Folder of the report.
        protocol: Evaluation protocol.
        interactions: Numbers of interactions; None uses the numbers of the protocol.
        metrics: Names of metrics; None uses the metrics of the protocol.
        weights: Weight files by model name.
        compare: Names of two methods for a paired comparison.
        pairs: CSV file of image pairs in ``data``; ``pairs.csv`` by default.
        limit: Maximum number of images, from the start of the list; None evaluates all images.
        cache: Folder of the cache; by default a folder in ``output``.
        device: Device of the models.
        threads: Number of CPU threads for torch; affects the last digits of results.
        resamples: Number of bootstrap resamples.
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
    """Outcome of an evaluation.

    Examples:
        >>> Outcome(None, skipped=(("broken.png", "not an image"),)).skipped[0][0]
        'broken.png'

    Attributes:
        summary: The results; None in processes that do not write the report.
        skipped: Name and reason for each skipped image.
        notes: Notes for the user, such as skipped metrics.
    """

    summary: Summary | None
    skipped: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def evaluate(plan: Plan) -> Outcome:
    """Evaluate methods and write the report.

    Examples:
        >>> protocol = load_protocol("automatic")
        >>> val, report = Path("album/val"), Path("report")
        >>> plan = Plan(["gray"], val, report, protocol, metrics=("psnr",), resamples=10)
        >>> outcome = evaluate(plan)
        >>> (report / "report.html").is_file()
        True

    With torchrun, the images are distributed over the processes. The first process writes the same files as a
    single-process run.

    Args:
        plan: Configuration of the evaluation.

    Raises:
        ColorzooError: A setting of the plan is invalid, or a file is missing.
    """
    plan = _with_registered_names(plan)
    threads = torch.get_num_threads()
    torch.set_num_threads(plan.threads)
    try:
        with join_processes() as (rank, count):
            return _evaluate(plan, rank, count)
    finally:
        torch.set_num_threads(threads)


def _with_registered_names(plan: Plan) -> Plan:
    """Return the plan with registered names in place of aliases."""
    weights = {registered_name(name): file for name, file in plan.weights.items()}
    models = [registered_name(name) for name in plan.models]
    compare = None
    if plan.compare is not None:
        compare = registered_name(plan.compare[0]), registered_name(plan.compare[1])
        if compare[0] == compare[1]:
            raise DataError(f"--compare must list two different methods, got {compare[0]!r} twice")
    return replace(plan, models=models, weights=weights, compare=compare)


@contextmanager
def join_processes() -> Iterator[tuple[int, int]]:
    """Initialize the process group if necessary; yield the rank and the world size."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield 0, 1
        return
    initialized = dist.is_initialized()
    if not initialized:
        dist.init_process_group("gloo", timeout=_TIMEOUT)
    try:
        yield dist.get_rank(), dist.get_world_size()
    finally:
        if not initialized:
            dist.destroy_process_group()


def _evaluate(plan: Plan, rank: int, process_count: int) -> Outcome:
    _make_output_folder(plan.output, plan.data)
    names = [name.partition("=")[0] for name in plan.models]
    models = [*plan.models, *(name for name in plan.compare or () if name not in names)]
    listed = {*names, *(plan.compare or ())}
    check_methods(models, plan.weights)
    counts = _counts(plan)
    selected, deviation = select_images(plan.data, plan.protocol, plan.pairs, plan.limit)
    measures, notes = choose_measures(plan.protocol, plan.metrics, plan.device)
    if any(measure.features for measure in measures) and TRUTH not in listed:
        models.append(TRUTH)  # distances between image sets need the features of the truth
    methods = open_methods(models, plan.weights, plan.protocol, plan.device)
    notes = (*notes, *_missing_boxes(plan, methods, selected))
    items, unreadable = hash_all(selected)
    machine = shared_machine(plan.device, process_count)
    cache = Cache(plan.cache or plan.output / "cache", plan.protocol, machine)
    evaluator = Evaluator(plan.protocol, methods, measures, counts, cache, plan.device)
    part = items[rank::process_count]
    with progress_bar("evaluating", len(part), log_every=_LOG_INTERVAL) as step:
        for item in part:
            evaluator.evaluate(item)
            step()
    if process_count > 1:
        dist.barrier()
    if rank > 0:
        return Outcome(None)
    setup = EvaluationSetup(
        protocol=plan.protocol,
        methods=tuple(method for method in methods if method.name in listed),
        counts={method.name: evaluator.counts_of(method) for method in methods},
        measures=tuple(measures),
        deviation=deviation,
        notes=notes,
        resamples=plan.resamples,
        machine=machine,
        processes=process_count,
    )
    summary = summarize(setup, items, cache, plan.compare)
    summary = replace(summary, skipped=(*unreadable, *summary.skipped))
    write_report(summary, cache, plan.output)
    return Outcome(summary, summary.skipped, notes)


def _missing_boxes(plan: Plan, methods: Sequence[Method], items: Sequence[Item]) -> Iterator[str]:
    """Yield a note for each method that runs without the boxes that it accepts.

    Raises:
        DataError: The protocol requires boxes.
    """
    if any(item.boxes is not None for item in items):
        return
    for method in methods:
        if "boxes" in method.accepts and method.detector() is None:
            if plan.protocol.boxes == "required":
                raise DataError(
                    f"protocol {plan.protocol.name} requires boxes for {method.name}. Create {BOXES_FILE} in "
                    f"{str(plan.data)!r} with the columns 'image', 'left', 'top', 'right' and 'bottom' (in "
                    "pixels; images without rows have no objects)."
                )
            yield f"{method.name} ran without boxes, because {BOXES_FILE} is missing"


def _counts(plan: Plan) -> tuple[int, ...]:
    counts = plan.protocol.interactions if plan.interactions is None else plan.interactions
    if plan.protocol.user is None:
        if any(counts):
            raise DataError(f"--interactions must be 0 for protocol {plan.protocol.name}, got {max(counts)}")
        return (0,)
    make_user(plan.protocol.user.name, **plan.protocol.user.options)  # raises for an unknown user
    return counts


def _make_output_folder(output: Path, data: Path) -> None:
    if data.resolve() in (output.resolve(), *output.resolve().parents):
        raise DataError(f"-o must be a folder outside --data, got {str(output)!r}")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"-o {str(output)!r} cannot be created: {error.strerror}") from error


def warn(outcome: Outcome) -> None:
    """Print notes and skipped images to stderr, one line each."""
    summary = outcome.summary
    found = () if summary is None else (*summary.seen_notes, *summary.gray_notes)
    for note in (*outcome.notes, *found):
        print_line(f"colorzoo: note: {note}", sys.stderr)
    for _, reason in outcome.skipped:
        print_line(f"colorzoo: skipped: {' '.join(reason.split())}", sys.stderr)
