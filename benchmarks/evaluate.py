"""Where the time of an evaluation goes: no stage but the networks may take more than a fifth.

The five largest models of the registry that color without help (random weights), on 256 x 256 pictures with
all metrics that need no network; `Options.pictures` says on how many, 400 if nothing else does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks._harness import Options, Row, share_of, where
from colorzoo.color import lab_to_rgb
from colorzoo.evaluation import load_protocol
from colorzoo.evaluation.cache import Cache
from colorzoo.evaluation.measures import Measure, plain_measures
from colorzoo.evaluation.methods import Method, gray_method, model_painter, truth_method
from colorzoo.evaluation.picture_list import Item, hash_all, select_pictures
from colorzoo.evaluation.report import write_report
from colorzoo.evaluation.stopwatch import Stopwatch
from colorzoo.evaluation.summarize import summarize
from colorzoo.evaluation.summary import Evaluated
from colorzoo.evaluation.work import Work
from colorzoo.factory import create_model
from colorzoo.registry import list_models, model_card

PICTURES, METHODS = 400, 5
GOAL = 0.2
NETWORKS = "networks"


def run(options: Options) -> list[Row]:
    """Evaluate and return a row for each stage but the networks."""
    count = options.pictures or PICTURES
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or _write_pictures(Path(folder) / "pictures", count)
        names, seconds = _evaluate(data, Path(folder), count)
    total = sum(seconds.values())
    split = ", ".join(f"{name} {100 * spent / total:.1f} %" for name, spent in _sorted(seconds))
    print(f"{count} pictures, {', '.join(names)}: {split}", file=sys.stderr)
    return [
        share_of(
            f"evaluating {count} pictures with {METHODS} methods, CPU seconds of '{name}' against all",
            spent,
            total,
            GOAL,
            where(),
        )
        for name, spent in _sorted(seconds)
        if name != NETWORKS
    ]


def _sorted(seconds: dict[str, float]) -> list[tuple[str, float]]:
    return sorted(seconds.items(), key=lambda item: -item[1])


def _evaluate(data: Path, folder: Path, count: int) -> tuple[list[str], dict[str, float]]:
    protocol = load_protocol("automatic")
    watch = Stopwatch()
    with watch.stage("start"):
        items, _ = hash_all(select_pictures(data, protocol, None, count).items)
    methods = _methods()
    measures = [make() for name, make in plain_measures().items() if name in protocol.metrics]
    cache = Cache(folder / "cache", protocol)
    work = Work(protocol, methods, measures, (0,), cache, torch.device("cpu"), watch)
    for item in items:
        work.do(item)
    with watch.stage("summary and report"):
        _report(work, methods, measures, items, folder / "report")
    return [method.name for method in methods], watch.seconds


def _report(
    work: Work, methods: Sequence[Method], measures: Sequence[Measure], items: Sequence[Item], folder: Path
) -> None:
    counts = {method.name: (0,) for method in methods}
    evaluated = Evaluated(work.protocol, tuple(methods), counts, tuple(measures), "benchmark", (), 2000)
    write_report(summarize(evaluated, items, work.cache, None), work.cache, folder)


def _methods() -> list[Method]:
    """Return the largest models that read lightness and need no guidance, then gray and the truth."""
    cards = [model_card(name) for name in list_models()]
    usable = [card for card in cards if card.input == "gray" and "exemplar" not in card.guidance]
    largest = sorted(usable, key=lambda card: -card.parameters)[:METHODS]
    methods = [Method(card.name, card.name, model_painter(create_model(card.name, None))) for card in largest]
    return [*methods, truth_method(), gray_method()][:METHODS]


def _write_pictures(folder: Path, count: int) -> Path:
    """Write pictures with the smooth colors and the grain of photos."""
    folder.mkdir()
    generator = np.random.default_rng(0)
    for index in range(count):
        coarse = torch.from_numpy(generator.normal(0, 1, (1, 3, 9, 9))).float()
        smooth = torch.nn.functional.interpolate(coarse, (256, 256), mode="bicubic")
        scale, center = torch.tensor([20.0, 15.0, 18.0]), torch.tensor([55.0, 2.0, 6.0])
        lab = smooth * scale.view(1, 3, 1, 1) + center.view(1, 3, 1, 1)
        grain = torch.from_numpy(generator.normal(0, 0.02, (256, 256, 3))).float()
        rgb = (lab_to_rgb(lab)[0].permute(1, 2, 0) + grain).clamp(0, 1)
        Image.fromarray((rgb * 255).byte().numpy()).save(folder / f"{index:04d}.jpg", quality=92)
    return folder
