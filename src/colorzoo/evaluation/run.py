"""Evaluation in one or several processes, with a report: from models and images to a table."""

from __future__ import annotations

import io
import math
import os
import platform
import sys
from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from PIL import Image
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from colorzoo import __version__
from colorzoo._machine import LIBRARIES, processor_name
from colorzoo.abilities import DetectionModel
from colorzoo.console import print_line, progress_bar
from colorzoo.data.layouts import read_table
from colorzoo.environment import installed_version
from colorzoo.errors import DataError, ImageError
from colorzoo.evaluation.cache import REFERENCE, TRUE_IMAGE, Cache, Entry
from colorzoo.evaluation.figure import check_figure, draw_examples, point_marks
from colorzoo.evaluation.images import Captions, Item, Truth, hash_all, read_truth, select_images
from colorzoo.evaluation.measures import Bleeding, MeasuredImage, choose_measures
from colorzoo.evaluation.methods import (
    IN_MEMORY,
    TRUTH,
    Method,
    MethodSource,
    check_methods,
    missing_guidance,
    open_methods,
    parse_methods,
    proposer_of,
    truth_method,
)
from colorzoo.evaluation.protocol import Protocol, interaction_counts, load_protocol
from colorzoo.evaluation.report import create_report_folder, write_report
from colorzoo.evaluation.summary import EvaluationSetup, Summary, summarize
from colorzoo.evaluation.tables import image_rows, score_rows, table_columns
from colorzoo.guidance import Boxes, Guidance
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.inference.network import choose_device
from colorzoo.simulation import SessionResult, Turn, play
from colorzoo.simulation.session import merged

THUMBNAIL = 128  # pixels of the longer side
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
    compare: Sequence[tuple[str, str]] = (),
    baseline: str | None = None,
    pairs: str | None = None,
    limit: int | None = None,
    captions: Captions = "first",
    samples: int = 1,
    repeats: int = 1,
    columns: Sequence[str] = (),
    goals: Sequence[tuple[str, float]] = (),
    groups: str | Path | None = None,
    figure: str | Path | None = None,
    examples: Sequence[str] = (),
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
        compare: Pairs of row names for paired comparisons, such as ``[("mine", "gray")]``.
        baseline: Row name of a method with which all methods except ``truth`` and ``gray`` are compared.
        pairs: CSV file of image pairs in ``data``; ``pairs.csv`` by default.
        limit: Maximum number of images, from the start of the list; None evaluates all images.
        captions: ``"all"`` evaluates an image with each of its captions, or other hints, and averages over
            all of them. ``"first"`` uses the first.
        samples: Number of samples of each image by models that accept seeds. With several samples, the report
            also contains the best value, the mean and the standard deviation over the samples, and their
            diversity; see `sample_measures`.
        repeats: Number of simulated users for each image. The value of an image is the mean over its users,
            so the intervals contain the variance of this mean.
        columns: Columns of ``results.md`` and ``results.tex``, such as ``psnr@10`` for the PSNR after 10
            interactions, with a row for each method. Without columns, the tables contain all values.
        goals: Pairs of metric and value, such as ``("psnr", 28)``. The report contains the number of
            interactions at which each method reaches the value.
        groups: CSV file with the columns ``image`` and ``group``. Images of a group, such as photos of one
            scene, are dependent, so intervals and tests resample groups instead of images.
        figure: File of a figure (PDF, SVG or PNG) with the results of all methods except ``truth`` after
            their largest numbers of interactions, and with the color points.
        examples: Names of the images in the figure; by default the first four images.
        cache: Folder of cached results; by default a folder in ``output``. Without ``output`` and ``cache``,
            no results are cached. Results of models that were passed as objects are never reused.
        device: Device of the models.
        threads: Number of CPU threads for torch; affects the last digits of results.
        resamples: Number of bootstrap resamples.

    Raises:
        ColorzooError: An argument is invalid, or a file is missing. Names of methods, metrics and files are
            checked before the first download, and weight files before the first image.
    """
    for option, number in (("--samples", samples), ("--repeats", repeats)):
        if number < 1:
            raise DataError(f"{option} must be at least 1, got {number}")
    sources, compare = parse_methods(models, compare, baseline)
    if not isinstance(protocol, Protocol):
        protocol = load_protocol(protocol)
    counts = interaction_counts(protocol, interactions)
    check_methods(sources)
    data = Path(data)
    if output is not None:
        output = Path(output)
        create_report_folder(output, data, protocol)  # before the models are loaded
        cache = cache or output / "cache"
    torch_device = choose_device(device)
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(threads)
        temporary = stack.enter_context(TemporaryDirectory())
        rank, processes = 0, 1
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            if not dist.is_initialized():
                dist.init_process_group("gloo", timeout=_TIMEOUT)
                stack.callback(dist.destroy_process_group)
            rank, processes = dist.get_rank(), dist.get_world_size()
        if cache is None and processes > 1:
            raise DataError("'output' or 'cache' must be set for an evaluation in several processes")
        # select the images, and load the metrics and the models
        selected, deviation = select_images(data, protocol, pairs, limit, captions)
        if groups is not None:
            group_of = {row["image"]: row["group"] for _, row in read_table(Path(groups), ("image", "group"))}
            if missing := [item.name for item in selected if not group_of.get(item.name)]:
                raise DataError(
                    f"{str(groups)!r} must list a group for each image, got none for {missing[0]!r}"
                )
            if protocol.layout == "clips":
                raise DataError(f"--groups cannot be used with {protocol.name}, whose groups are clips")
            selected = [replace(item, clip=group_of[item.name]) for item in selected]
        measures, metric_notes = choose_measures(protocol, metrics, torch_device)
        methods = open_methods(sources, protocol, torch_device)
        side_notes = missing_guidance(protocol, data, methods, selected)
        if protocol.changes:
            side_notes.append(f"settings of the built-in protocol were changed: {protocol.label}")
        machine = describe_machine(torch_device)
        if processes > 1:
            machines = [machine] * processes
            dist.all_gather_object(machines, machine)
            for other in machines:
                if other != machine:
                    raise DataError(
                        "all processes must run on identical machines, because results can differ between "
                        f"machines; got {machine} and {other}"
                    )
        setup = EvaluationSetup(
            protocol=protocol,
            methods=methods,
            counts={method.name: counts if is_guided(method, protocol) else (0,) for method in methods},
            measures=measures,
            deviation=deviation,
            notes=(*metric_notes, *side_notes),
            samples=samples,
            repeats=repeats if protocol.user is not None else 1,
            columns=tuple(columns),
            goals=tuple(goals),
            resamples=resamples,
            machine=machine,
            processes=processes,
        )
        table_columns(setup)  # raises an error for a column that the report does not contain
        for name, _ in goals:
            setup.find_output(name)
        if figure is not None:
            check_figure(Path(figure), examples, selected, [data])
        versions = sorted({measure.version for measure in measures})
        versions += [f"repeats {setup.repeats}"] if setup.repeats > 1 else []
        store = Cache(Path(cache or temporary), protocol, machine, versions)
        items, unreadable = hash_all(selected)
        # evaluate a part of the images in each process; all processes share the cache
        cached_methods = list(methods)
        if any(measure.features for measure in measures) and TRUTH not in setup.counts:
            cached_methods.append(truth_method())  # distances between image sets need its features
        if rank == 0:
            for method in cached_methods:
                if method.identity == IN_MEMORY:  # the code of the model can have changed
                    store.delete(method.key)
        if processes > 1:
            dist.barrier()
        part = items[rank::processes]
        with progress_bar("evaluating", len(part), log_every=_LOG_INTERVAL) as step:
            for item in part:
                evaluate_item(setup, cached_methods, item, store, torch_device)
                step()
        if processes > 1:
            dist.barrier()
        if rank > 0:
            return Outcome(None)
        # compute the table from the cached results, and write the report
        summary = summarize(setup, items, store, compare)
        summary = replace(summary, skipped=(*unreadable, *summary.skipped))
        if figure is not None:
            names = examples or [item.name for item in summary.items[:4]]
            shown = [item for name in names for item in summary.items if item.name == name]
            drawn = []
            for item in shown:
                truth = read_truth(item, protocol, torch_device)
                results = {}
                for method in methods:
                    if method.name != TRUTH:
                        count = setup.counts[method.name][-1]
                        (turn,) = colorize_with_protocol(protocol, method, item, truth, [count])
                        marks = point_marks(turn.guidance.points, truth.lab[:, :1])
                        results[summary.label(method.name)] = (turn.result.rgb, marks)
                drawn.append((item, truth, results))
            if drawn:  # the selected images can be skipped
                draw_examples(drawn, Path(figure))
        if output is not None:
            write_report(summary, store, output)
        return Outcome(summary, summary.skipped, setup.notes)


def evaluate_item(
    setup: EvaluationSetup, methods: Sequence[Method], item: Item, cache: Cache, device: torch.device
) -> None:
    """Evaluate an image with several methods and cache the results; skip methods with cached values.

    Args:
        setup: Setup of the evaluation.
        methods: Methods of the setup, or these methods and the ground truth.
        item: The image.
        cache: Cache of the measured values.
        device: Device of the image.
    """
    all_keys = [output.key for output in setup.outputs]
    truth = None
    for method in methods:
        counts = setup.counts.get(method.name, (0,))  # the ground truth need not be a row of the report
        entry = cache.read(method.key, item.key)
        if not entry.lacks(counts, all_keys):
            continue
        try:
            truth = truth or read_truth(item, setup.protocol, device)
            turns = colorize_with_protocol(setup.protocol, method, item, truth, sorted({0, *counts}))
        except ImageError as error:
            cache.write(method.key, item.key, Entry(skipped=str(error)))
            continue
        # measure the results, except for values in the cache
        entry.gray, entry.skipped = truth.is_gray, ""
        bleeding = Bleeding(turns[0].result, truth)  # the result without interactions
        # results of other seeds
        more_turns: list[list[Turn]] = []
        if setup.samples > 1 and "seed" in method.accepts:
            first_seed = truth.hints.get("seed", 0)
            for seed in range(first_seed, first_seed + setup.samples):
                seeded = replace(truth, hints={**truth.hints, "seed": seed})
                more_turns.append(
                    colorize_with_protocol(setup.protocol, method, item, seeded, sorted({0, *counts}))
                )
        # results of other simulated users
        all_turns = [turns]
        for repeat in range(1, setup.repeats if is_guided(method, setup.protocol) else 1):
            all_turns.append(
                colorize_with_protocol(setup.protocol, method, item, truth, sorted({0, *counts}), repeat)
            )
        for index, turn in enumerate(turns):
            if turn.count not in counts:
                continue
            results = []
            for repeated in all_turns:
                each = repeated[index]
                cost = partial(_cost, method, item, truth, each)
                results.append(
                    MeasuredImage(each.result.rgb, each.result.ab, truth, bleeding, each.guidance, cost)
                )
            entry.actual_interactions[turn.count] = turn.interactions
            moments = entry.moments.setdefault(turn.count, {})
            features = entry.features.setdefault(turn.count, {})
            for measure in setup.measures:
                keys = [output.key for output in measure.outputs]
                if all(key in moments or key in features for key in keys):
                    continue
                with torch.inference_mode():
                    # distances between image sets use the first user
                    runs = [measure.run(each) for each in results[: 1 if measure.features else None]]
                for key, *values in zip(keys, *runs, strict=True):
                    if measure.features:
                        features[key] = values[0]
                    else:
                        moments[key] = np.sum(values, axis=0).tolist()
            sampled = [each[index] for each in more_turns] or [turn]
            images = [
                MeasuredImage(each.result.rgb, each.result.ab, truth, bleeding, each.guidance)
                for each in sampled
            ]
            for sample_measure in setup.sample_measures:
                with torch.inference_mode():
                    values = sample_measure.run(images)
                moments |= zip((output.key for output in sample_measure.outputs), values, strict=True)
        entry.thumbnails[counts[-1]] = thumbnail(turns[-1].result.rgb)
        entry.points = point_marks(turns[-1].guidance.points, truth.lab[:, :1])
        entry.thumbnails[TRUE_IMAGE] = thumbnail(truth.rgb)
        if truth.reference is not None:
            entry.thumbnails[REFERENCE] = thumbnail(truth.reference)
        cache.write(method.key, item.key, entry)


def _cost(method: Method, item: Item, truth: Truth, turn: Turn, name: str) -> float:
    """Return the number of parameters in millions, or repeat a turn and return its GFLOPs or seconds."""
    if method.model is None:
        return math.nan
    if name == "parameters":
        return sum(parameter.numel() for parameter in method.model.parameters()) / 1e6
    scene = truth.sketch_scene if method.model.input_kind == "sketch" else truth.gray_scene
    color = method.color_function(item, truth)
    if name == "gflops":
        with FlopCounterMode(display=False) as counter:
            color(scene, turn.guidance)
        return float(counter.get_total_flops()) / 1e9
    start = perf_counter()
    color(scene, turn.guidance).rgb.cpu()  # waits for the device
    return perf_counter() - start


def is_guided(method: Method, protocol: Protocol) -> bool:
    """Return whether a method accepts the guidance of the protocol's simulated user."""
    return protocol.user is not None and protocol.user.kind in method.accepts


def colorize_with_protocol(
    protocol: Protocol, method: Method, item: Item, truth: Truth, counts: Sequence[int], repeat: int = 0
) -> list[Turn]:
    """Colorize an image with the guidance of a protocol: labels, boxes, text, references and simulated hints.

    Args:
        protocol: Evaluation protocol.
        method: Method that colorizes the image.
        item: The image.
        truth: Ground truth of the image.
        counts: Numbers of interactions, ascending.
        repeat: Number of the simulated user; other users have other random numbers.

    Returns:
        A result for each number of interactions. All results are equal if the method does not accept the
        guidance of the simulated user.
    """
    color = method.color_function(item, truth)
    model = method.model
    if model is None:
        return list(play(color, None, truth.gray_scene, counts))
    scene = truth.sketch_scene if model.input_kind == "sketch" else truth.gray_scene
    scene = replace(scene, seed=scene.seed + repeat)
    # guidance before the first interaction: label, boxes and `Protocol.background`
    label = None
    if truth.label is not None and "label" in model.accepts:
        label = torch.tensor([truth.label], device=scene.lightness.device)
    boxes = None
    if "boxes" in model.accepts:
        boxes = truth.boxes
        if boxes is None and isinstance(model, DetectionModel) and model.detects:
            with torch.inference_mode():
                boxes = model.find_boxes(scene.lightness)
        elif boxes is None:  # no box
            boxes = Boxes.of([torch.zeros(0, 4)]).to(scene.lightness.device)
    background = Guidance(boxes=boxes, label=label)
    height, width = scene.lightness.shape[2:]
    for kind, value in truth.hints.items():
        if kind in model.accepts:
            tensors = guidance_kind(kind).tensors(value, scene.lightness, (width, height))
            background = background.with_hints(**{kind: tensors.to(scene.lightness.device)})
    background_user = protocol.background
    if background_user is not None and background_user.kind in model.accepts:
        nothing = SessionResult(scene.rgb, scene.ab)  # users of `Protocol.background` do not use results
        give_input = background_user.begin(scene, nothing, proposer_of(model))
        background = merged(background, give_input(protocol.background_count, nothing)[0])
    user = protocol.user if is_guided(method, protocol) else None
    proposer = None if user is None else proposer_of(model)
    return list(play(color, user, scene, counts, model=proposer, background=background))


def thumbnail(rgb: Tensor) -> str:
    """Downscale RGB ``(1, 3, H, W)`` in [0, 1] and return the ``data:`` URL of a JPEG."""
    image = eight_bit_image(rgb)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return "data:image/jpeg;base64," + b64encode(stream.getvalue()).decode("ascii")


def eight_bit_image(rgb: Tensor) -> Image.Image:
    """Round RGB ``(1, 3, H, W)`` in [0, 1] to 8 bits."""
    return Image.fromarray((rgb[0] * 255 + 0.5).byte().permute(1, 2, 0).cpu().numpy())


def describe_machine(device: torch.device) -> dict[str, Any]:
    """Return a dict with the hardware and the package versions that affect results.

    The keys are ``device`` (name of the GPU, or ``cpu``), ``threads`` (number of CPU threads of torch),
    ``processor``, ``instructions`` (largest CPU instruction set used by torch) and ``versions``.
    """
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "processor": f"{processor_name()} ({platform.machine()})",
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "versions": {"colorzoo": __version__, **{name: installed_version(name) for name in LIBRARIES}},
    }


def print_notes(outcome: Outcome) -> None:
    """Print notes and skipped images to stderr, one line each."""
    summary = outcome.summary
    found = () if summary is None else (*summary.seen_notes, *summary.gray_notes)
    for note in (*outcome.notes, *found):
        print_line(f"colorzoo: note: {note}", sys.stderr)
    for _, reason in outcome.skipped:
        print_line(f"colorzoo: skipped: {' '.join(reason.split())}", sys.stderr)
