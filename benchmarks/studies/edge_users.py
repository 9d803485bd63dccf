"""Measure how far strokes over bled edges help, for several simulated users or checkpoints of the add-on.

``python docs/measure_edges.py --data photos/val --photos 60`` writes ``docs/edges_users.csv``: the embedded
add-ons under five users who differ in the width, the unsteadiness and the coverage of their strokes. With
``--checkpoint NAME=FILE`` (repeated) the checkpoints of `Kim2021` are measured instead, by the first user:
that is the ablation of the losses. The paper's table: ``colorzoo evaluate --protocol kim2021-edges``.
"""

from __future__ import annotations

import argparse
import csv
import math
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.pages import DOCS
from benchmarks.studies.instances import largest
from colorzoo import create_model
from colorzoo.data import CocoStuffDataModule
from colorzoo.data.sources import Source, find_sources
from colorzoo.evaluation.measures import Bleeding, Shown, plain_measures
from colorzoo.evaluation.methods import model_painter
from colorzoo.evaluation.picture_list import Item, Truth, read_truth
from colorzoo.evaluation.protocol import load_protocol
from colorzoo.guidance import Boxes, Guidance, Points, uniform_points
from colorzoo.tasks import ColorizationModule
from colorzoo.users import BledEdgeScribbles, play
from colorzoo.zoo.kim2021.task import Kim2021

HINTS, MOST_BOXES = 10, 3
MODELS = ("kim2021_small", "kim2021_zhang2016_small", "kim2021_su2020_small")
USERS: Mapping[str, BledEdgeScribbles] = {
    "steady": BledEdgeScribbles(width=5),
    "thin": BledEdgeScribbles(width=3, jitter=0.5),
    "broad": BledEdgeScribbles(width=9, jitter=1.0),
    "trembling": BledEdgeScribbles(width=5, jitter=2.0),
    "hasty": BledEdgeScribbles(width=7, jitter=1.5, coverage=0.5),
}
MEASURES = ("psnr_k7_gain", "psnr_kfull_gain", "cdr_gain", "drift")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--boxes", action="store_true", help="--data is a COCO folder; its boxes are given")
    parser.add_argument("--photos", type=int, default=60, help="evenly spaced ones")
    parser.add_argument("--strokes", type=int, default=40, help="the worst edges; 40 are nearly all")
    parser.add_argument("--models", default=",".join(MODELS))
    parser.add_argument("--users", default=",".join(USERS))
    parser.add_argument("--hints", action="store_true", help=f"begin with {HINTS} color points")
    parser.add_argument("--checkpoint", action="append", default=[], metavar="NAME=FILE")
    parser.add_argument("--measures", default=",".join(MEASURES))
    parser.add_argument("--out", type=Path, default=DOCS / "edges_users.csv")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for model_name, user_name, model in _cases(args):
        values = measure(model, USERS[user_name], args)
        given = {"hints": HINTS * args.hints, "strokes": args.strokes}
        rows.append({"model": model_name, "user": user_name, **given, **values})
        print(rows[-1], flush=True)
    with args.out.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _cases(args: argparse.Namespace) -> Iterator[tuple[str, str, ColorizationModule]]:
    """Give what is measured: each checkpoint by the first user, or each model by all users."""
    for text in args.checkpoint:
        name, _, path = text.partition("=")
        yield name, "steady", Kim2021.load_from_checkpoint(path, compile_training=False).eval()
    for name in [] if args.checkpoint else args.models.split(","):
        model = create_model(name)
        yield from ((name, user, model) for user in args.users.split(","))


def _pictures(args: argparse.Namespace) -> Iterator[tuple[Source, Guidance]]:
    """Give the pictures, and what is known of each from the start: its largest boxes, if asked for."""
    if args.boxes:
        found = CocoStuffDataModule(str(args.data), boxes=True, only_with_boxes=True).find_pictures("val")
        assert found.boxes is not None
        for index in range(0, len(found.sources), max(1, len(found.sources) // args.photos)):
            source = found.sources[index]
            yield source, Guidance(boxes=Boxes.of([largest(found.boxes[index], MOST_BOXES)]))
        return
    sources = list(find_sources(args.data))
    for source in sources[:: max(1, len(sources) // args.photos)]:
        yield source, Guidance()


def measure(model: ColorizationModule, user: BledEdgeScribbles, args: argparse.Namespace) -> dict[str, Any]:
    """Return mean and half the width of its 95 % interval over pictures, for each measure."""
    names = args.measures.split(",")
    protocol = load_protocol(f"kim2021-edges{'-hints' * args.hints}")
    found: dict[str, list[float]] = {name: [] for name in names}
    for source, given in _pictures(args):
        truth = read_truth(Item("", source).hashed(), protocol, torch.device("cpu"))
        if args.hints:
            given = replace(given, points=hint_points(truth))
        shown = scribbled(model, user, truth, given, args.strokes)
        with torch.inference_mode():
            for name in names:
                total, _, count = plain_measures()[name]().run(shown)[0]
                found[name].append(total if count else math.nan)
    return {key: value for name in names for key, value in _summary(name, found[name]).items()}


def hint_points(truth: Truth) -> Points:
    """Return `HINTS` points of 6 x 6 pixels anywhere, the same for a picture every time."""
    return uniform_points(truth.ab, HINTS, torch.Generator().manual_seed(truth.seed))


def scribbled(
    model: ColorizationModule, user: BledEdgeScribbles, truth: Truth, given: Guidance, strokes: int
) -> Shown:
    """Return the result after some strokes on one picture, beside that without any."""
    paint = model_painter(model)(Item("", Source("")), truth)
    scene = truth.gray_scene
    first, last = play(paint, user, scene, (0, strokes), model=model, background=given)
    bleeding = Bleeding(first.answer, truth)
    return Shown(last.answer.rgb, last.answer.ab, truth, bleeding, last.guidance)


def _summary(name: str, values: list[float]) -> dict[str, float]:
    """Return mean and half the width of its interval over the pictures that have the number."""
    kept = [value for value in values if math.isfinite(value)]
    half = 1.96 * statistics.stdev(kept) / len(kept) ** 0.5 if len(kept) > 1 else float("nan")
    return {name: round(statistics.mean(kept), 4), f"{name}_half": round(half, 4), f"{name}_n": len(kept)}


if __name__ == "__main__":
    main()
