"""Evaluation in one or several processes, with a report."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
import torch.distributed as dist

from colorzoo.console import print_line, progress_bar
from colorzoo.errors import DataError
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.evaluator import evaluate_item, is_guided
from colorzoo.evaluation.images import Item, hash_all, require_outside, select_images
from colorzoo.evaluation.machine import describe_machine, require_identical_machines
from colorzoo.evaluation.measures import choose_measures
from colorzoo.evaluation.methods import (
    IN_MEMORY,
    TRUTH,
    MethodSource,
    check_boxes,
    check_methods,
    hint_notes,
    open_methods,
    parse_methods,
    truth_method,
)
from colorzoo.evaluation.protocol import Protocol, interaction_counts, load_protocol
from colorzoo.evaluation.report import check_report_folder, write_report
from colorzoo.evaluation.summary import EvaluationSetup, Summary, summarize
from colorzoo.evaluation.tables import image_rows, score_rows
from colorzoo.inference.network import choose_device

_TIMEOUT = timedelta(days=7)  # for collective operations, because processes differ in speed
_LOG_INTERVAL = 30.0  # seconds between progress lines in a log


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

    def table(self) -> list[dict[str, Any]]:
        """Return the values over all images, with a row for each method and number of interactions.

        The keys of a row are ``method``, ``interactions`` and the keys of the report columns.
        """
        return [] if self.summary is None else score_rows(self.summary)

    def per_image(self) -> list[dict[str, Any]]:
        """Return the values of single images: the rows of ``per_image.csv``, with NaN for missing values."""
        return [] if self.summary is None else image_rows(self.summary)


def evaluate(
    models: Mapping[str, MethodSource] | Sequence[str],
    data: str | Path,
    protocol: str | Protocol = "automatic",
    *,
    output: str | Path | None = None,
    interactions: Sequence[int] | None = None,
    metrics: Sequence[str] | None = None,
    compare: tuple[str, str] | None = None,
    pairs: str | None = None,
    limit: int | None = None,
    cache: str | Path | None = None,
    device: str = "cpu",
    threads: int = 1,
    resamples: int = 2000,
) -> Outcome:
    """Evaluate models and other methods on a folder of color images.

    Examples:
        >>> task = colorzoo.create_model("zhang2017_local_small")
        >>> outcome = evaluate({"mine": task, "gray": None}, "album/val", metrics=["psnr"])
        >>> [(row["method"], row["interactions"]) for row in outcome.table()]
        [('mine', 0), ('gray', 0)]
        >>> sorted(outcome.per_image()[0])[:3]
        ['actual_interactions', 'image', 'interactions']

    With torchrun, the images are distributed over the processes. The first process writes the same files as a
    single-process run and returns the results.

    Args:
        models: Sources of the methods by row name, or entries of ``--models``. The source None selects the
            registered model, ``truth`` or ``gray`` with the row name. A `ColoringModel` or
            `ColorizationModule` is evaluated as it is, without changes to the object. A path is a folder of
            existing results, a weight file, or a folder of `ColoringModel.save_pretrained`. The model of
            weights is the registered model with the row name. If the row name is not registered, the metadata
            of the weights must name the model.
        data: Folder of images.
        protocol: Evaluation protocol: a `Protocol`, a name from `list_protocols` or the path of a YAML file.
        output: Folder of the report; None writes no report.
        interactions: Numbers of interactions; None uses the numbers of the protocol.
        metrics: Names of metrics; None uses the metrics of the protocol.
        compare: Row names of two methods for a paired comparison.
        pairs: CSV file of image pairs in ``data``; ``pairs.csv`` by default.
        limit: Maximum number of images, from the start of the list; None evaluates all images.
        cache: Folder of cached results; by default a folder in ``output``. Without ``output`` and ``cache``,
            no results are cached. Results of models that were passed as objects are never reused.
        device: Device of the models.
        threads: Number of CPU threads for torch; affects the last digits of results.
        resamples: Number of bootstrap resamples.

    Raises:
        ColorzooError: An argument is invalid, or a file is missing. Names of methods, metrics and files are
            checked before the first download, and weight files before the first image.
    """
    sources, compare = parse_methods(models, compare)
    if not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol)
    counts = interaction_counts(protocol, interactions)
    if compare is not None:
        if compare[0] == compare[1]:
            raise DataError(f"--compare must list two different methods, got {compare[0]!r} twice")
        if missing := [name for name in compare if name not in sources]:
            rows = ", ".join(sources)
            raise DataError(f"--compare must list rows of the report ({rows}), got {missing[0]!r}")
    check_methods(sources)
    data = Path(data)
    if output is not None:
        # create the folder of the report before the models are loaded
        output = Path(output)
        require_outside(output, data, "-o")
        check_report_folder(output)
        try:
            output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(f"-o {str(output)!r} cannot be created: {error.strerror}") from error
        cache = cache or output / "cache"
    torch_device = choose_device(device)
    with _torch_threads(threads), join_processes() as (rank, processes), TemporaryDirectory() as temporary:
        if cache is None and processes > 1:
            raise DataError("'output' or 'cache' must be set for an evaluation in several processes")
        selected, deviation = select_images(data, protocol, pairs, limit)
        measures, metric_notes = choose_measures(protocol, metrics, torch_device)
        methods = open_methods(sources, protocol, torch_device)
        side_notes = check_boxes(protocol, data, methods, selected) + hint_notes(methods, selected)
        machine = describe_machine(torch_device)
        require_identical_machines(machine, processes)
        method_counts = {method.name: counts if is_guided(method, protocol) else (0,) for method in methods}
        setup = EvaluationSetup(
            protocol=protocol,
            methods=methods,
            counts=method_counts,
            measures=measures,
            deviation=deviation,
            notes=(*metric_notes, *side_notes),
            resamples=resamples,
            machine=machine,
            processes=processes,
        )
        versions = sorted({measure.version for measure in measures})
        store = Cache(Path(cache or temporary), protocol, machine, versions)
        # each process evaluates a part of the images, and the first process returns the results
        items, unreadable = hash_all(selected)
        _fill_cache(setup, items, store, torch_device, rank)
        if rank > 0:
            return Outcome(None)
        summary = summarize(setup, items, store, compare)
        summary = replace(summary, skipped=(*unreadable, *summary.skipped))
        if output is not None:
            write_report(summary, store, output)
        return Outcome(summary, summary.skipped, setup.notes)


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    """Set the number of CPU threads of torch, and restore it at the end."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


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


def _fill_cache(
    setup: EvaluationSetup, items: Sequence[Item], cache: Cache, device: torch.device, rank: int
) -> None:
    """Evaluate the images of this process, and wait for the other processes.

    Args:
        setup: Setup of the evaluation.
        items: Images of all processes.
        cache: Cache for results of single images, which all processes share.
        device: Device of the models.
        rank: Rank of this process.
    """
    methods = list(setup.methods)
    needs_truth = any(measure.features for measure in setup.measures)
    if needs_truth and TRUTH not in setup.counts:
        methods.append(truth_method())  # distances between image sets need the features of the truth
    if rank == 0:
        for method in methods:
            if method.identity == IN_MEMORY:  # the code of the model can have changed
                cache.delete(method.key)
    if setup.processes > 1:
        dist.barrier()
    part = items[rank :: setup.processes]
    with progress_bar("evaluating", len(part), log_every=_LOG_INTERVAL) as step:
        for item in part:
            evaluate_item(setup, methods, item, cache, device)
            step()
    if setup.processes > 1:
        dist.barrier()


def print_notes(outcome: Outcome) -> None:
    """Print notes and skipped images to stderr, one line each."""
    summary = outcome.summary
    found = () if summary is None else (*summary.seen_notes, *summary.gray_notes)
    for note in (*outcome.notes, *found):
        print_line(f"colorzoo: note: {note}", sys.stderr)
    for _, reason in outcome.skipped:
        print_line(f"colorzoo: skipped: {' '.join(reason.split())}", sys.stderr)
