"""What the regions of cho2023_small are worth: PSNR@n against shuffled order, superpixels and color points.

The numbers are those of ``colorzoo evaluate`` with the protocols ``cho2023-regions``, ``-shuffled``,
``-superpixels`` and ``cho2023-points`` (with ``--size 256``), in one pass, so that differences are paired:

    python docs/measure_regions.py --data sketch/val --points points_small.ckpt

writes ``docs/regions.md``, and with ``--rows FILE`` a CSV row for each picture, arm and number of answers.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks._stand_in import Looker, in_words
from benchmarks._stand_in import distance as distance_of
from benchmarks.pages import DOCS
from colorzoo import create_model
from colorzoo.evaluation.methods import model_painter
from colorzoo.evaluation.picture_list import hash_all, read_truth, select_pictures
from colorzoo.evaluation.protocol import Protocol, load_protocol
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks import ColorizationModule
from colorzoo.users import make_user, play

ARMS = {
    "asked": "cho2023-regions",
    "shuffled": "cho2023-regions-shuffled",
    "superpixels": "cho2023-regions-superpixels",
    "points": "cho2023-points",
}
LOOKED_AT, LOOKED_ARMS = (0, 1, 3, 10), ("asked", "points")  # where features are compared
DRAWS = 2000

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Row:
    """One picture after some answers of one arm."""

    picture: str
    arm: str
    count: int
    given: int
    psnr: float
    distance: float


def measure(
    arms: Mapping[str, tuple[ColorizationModule, Protocol]], data: Path, size: int, limit: int | None
) -> tuple[list[Row], dict[tuple[str, int], Values]]:
    """Play all arms on all pictures; return rows and the pooled features by arm and count, truth too."""
    protocol = load_protocol(ARMS["asked"])
    protocol = replace(protocol, resize=replace(protocol.resize, size=size))
    items, _ = hash_all(select_pictures(data, protocol, None, limit).items)
    looker = Looker()
    rows: list[Row] = []
    features: dict[tuple[str, int], list[Tensor]] = {}
    for number, item in enumerate(items):
        truth = read_truth(item, protocol, torch.device("cpu"))
        true_maps = looker(truth.rgb)
        features.setdefault(("truth", 0), []).append(_pooled(true_maps))
        for arm, (model, own) in arms.items():
            assert own.user is not None
            paint = model_painter(model)(item, truth)
            user = make_user(own.user.name, **own.user.options)
            with torch.inference_mode():
                for turn in play(paint, user, truth.sketch_scene, own.interactions, model=model):
                    distance = float("nan")
                    if turn.count in LOOKED_AT and arm in LOOKED_ARMS:
                        maps = looker(turn.answer.rgb)
                        distance = distance_of(maps, true_maps)
                        features.setdefault((arm, turn.count), []).append(_pooled(maps))
                    score = float(psnr_8bit(turn.answer.rgb, truth.rgb))
                    rows.append(Row(item.name, arm, turn.count, turn.interactions, score, distance))
        print(f"{number + 1} of {len(items)}", flush=True)
    return rows, {key: torch.stack(found).double().numpy() for key, found in features.items()}


def _pooled(maps: Sequence[Tensor]) -> Tensor:
    return torch.cat([one.float().mean(dim=(2, 3)).flatten() for one in maps])


def frechet(found: Values, truth: Values, dimensions: int = 32) -> float:
    """Return the Frechet distance in the leading principal components of the truth."""
    center, scale = truth.mean(0), truth.std(0).mean()
    axes = np.linalg.svd((truth - center) / scale, full_matrices=False)[2][:dimensions].T
    ours, theirs = ((one - center) / scale @ axes for one in (found, truth))
    first, second = np.cov(ours.T), np.cov(theirs.T)
    eigenvalues = np.linalg.eigvals(first @ second)
    root = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    return float(((ours.mean(0) - theirs.mean(0)) ** 2).sum() + np.trace(first) + np.trace(second) - 2 * root)


def interval(values: Values) -> tuple[float, float, float]:
    """Return the mean and its 95 % bootstrap interval over pictures."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(0, len(values), (DRAWS, len(values)))].mean(1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def table(rows: Sequence[Row], value: str = "psnr") -> dict[str, dict[int, Values]]:
    """Return a value of all pictures by arm and number of answers, pictures in the same order everywhere."""
    found: dict[str, dict[int, dict[str, float]]] = {}
    for row in rows:
        found.setdefault(row.arm, {}).setdefault(row.count, {})[row.picture] = getattr(row, value)
    return {
        arm: {n: np.array([each[name] for name in sorted(each)]) for n, each in sorted(counts.items())}
        for arm, counts in found.items()
    }


def curves(scores: Mapping[str, Mapping[int, Values]]) -> Iterator[str]:
    """Yield the lines of the table of PSNR@n and of the differences."""
    others = [arm for arm in scores if arm != "asked"]
    yield "| n | asked (95 %) | " + " | ".join(f"{arm} | asked - {arm} (95 %)" for arm in others) + " |"
    yield "|---" * (2 + 2 * len(others)) + "|"
    for count, asked in scores["asked"].items():
        cells = ["{:.2f} ({:.2f} .. {:.2f})".format(*interval(asked))]
        for arm in others:
            gain = interval(asked - scores[arm][count])
            cells += [f"{scores[arm][count].mean():.2f}", "{:+.2f} ({:+.2f} .. {:+.2f})".format(*gain)]
        yield f"| {count} | " + " | ".join(cells) + " |"


def needed(scores: Mapping[str, Mapping[int, Values]], target: float) -> Iterator[str]:
    """Yield the lines of how many answers pictures need to reach a PSNR."""
    yield "| arm | first n whose mean reaches it | mean n of the pictures that reach it | share that does |"
    yield "|---|---|---|---|"
    for arm, counts in scores.items():
        first = next((str(n) for n, values in counts.items() if values.mean() >= target), "never")
        reached = np.stack([values >= target for values in counts.values()])
        order = np.array(list(counts))[reached.argmax(0)]
        does = reached.any(0)
        yield f"| {arm} | {first} | {order[does].mean():.2f} | {does.mean():.0%} |"


def order_of_gains(scores: Mapping[int, Values]) -> tuple[float, list[float]]:
    """Return the rank correlation of index and gain on the average curve, n = 1 .. 10, and the gains."""
    means = [scores[n].mean() for n in range(11)]
    gains = [float(step) for step in np.diff(means)]
    return float(spearmanr(range(1, 11), gains).statistic), gains


def page(rows: Sequence[Row], frechets: Mapping[str, str], size: int, note: Sequence[str]) -> str:
    """Return the page."""
    scores, distances = table(rows), table(rows, "distance")
    target = float(scores["points"][10].mean())
    correlation, gains = order_of_gains(scores["asked"])
    pictures = len(next(iter(scores["asked"].values())))
    lines = [  # of the page
        "<!-- Written by docs/measure_regions.py; do not edit. -->",
        "",
        "# What regions are worth",
        "",
        f"PSNR (dB, 8-bit RGB, {size} x {size}) of `cho2023_small` after n answers, mean over {pictures}",
        "held-out illustrations with bootstrap intervals. *Asked*: regions in the order of the model.",
        "*Shuffled*: the same regions in random order. *Superpixels*: 30 SLIC superpixels of the sketch,",
        "largest first, given to the same painter beside its own segments. *Points*: 6 x 6 points at random",
        "places for `cho2023_points_small`, the same painter trained on points for about as many steps.",
        "The order of the small model is measured on training pictures, not learned: see its page.",
        "",
        *curves(scores),
        "",
        f"Answers needed for {target:.2f} dB, the mean that points reach with 10:",
        "",
        *needed(scores, target),
        "",
        "Gain of each answer (dB): " + ", ".join(f"{gain:.2f}" for gain in gains) + ".",
        f"Rank correlation of index and gain: {correlation:.2f}.",
        "",
        f"Features offline: {in_words()};",
        "Frechet distance in 32 components (lower is better), mean squared distance of normalized maps,",
        "which stands in for LPIPS:",
        "",
        "| arm, n | Frechet | distance (95 %) |",
        "|---|---|---|",
    ]
    for key, value in frechets.items():
        arm, count = key.split(",")
        span = "{:.4f} ({:.4f} .. {:.4f})".format(*interval(distances[arm][int(count)]))
        lines.append(f"| {arm}, {count} | {value} | {span} |")
    return "\n".join([*lines, "", *note]) + "\n"


def load(name: str, weights: str | None) -> ColorizationModule:
    """Return a trained model."""
    return create_model(name, weights or "default", offline=True).eval()


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write one line a row."""
    with path.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(Row.__dataclass_fields__)
        for r in rows:
            writer.writerow([r.picture, r.arm, r.count, r.given, f"{r.psnr:.3f}", f"{r.distance:.5f}"])


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--weights", help="of cho2023_small; by default those that ship")
    parser.add_argument("--points", help="weights of cho2023_points_small")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures (the protocols' is 256)")
    parser.add_argument("--pictures", type=int)
    parser.add_argument("--out", type=Path, default=DOCS)
    parser.add_argument("--rows", type=Path)
    parser.add_argument("--note", type=Path, help="a file whose lines end the page, such as an ablation")
    args = parser.parse_args()
    model, control = load("cho2023_small", args.weights), load("cho2023_points_small", args.points)
    arms = {arm: (control if arm == "points" else model, load_protocol(name)) for arm, name in ARMS.items()}
    rows, features = measure(arms, args.data, args.size, args.pictures)
    truth = features.pop(("truth", 0))
    frechets = {f"{arm},{n}": f"{frechet(found, truth):.2f}" for (arm, n), found in features.items()}
    if args.rows:
        write_rows(args.rows, rows)
    note = args.note.read_text().splitlines() if args.note else []
    (args.out / "regions.md").write_text(page(rows, frechets, args.size, note))


if __name__ == "__main__":
    main()
