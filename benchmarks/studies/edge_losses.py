"""Measure checkpoints of the edge-aware add-on by strokes over what bled: the ablation of its losses.

``python -m benchmarks.studies.edge_losses --data photos/val --checkpoint NAME=FILE ...`` prints gains with
ten color points, means with 95 % intervals. The add-ons that ship are measured by ``python -m
benchmarks.claims kim2021``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks._command import run_command
from benchmarks._harness import single_thread
from benchmarks.claims._experiment import Setup
from benchmarks.claims._numbers import Result
from benchmarks.claims._pictures import evenly
from benchmarks.claims.kim2021 import MEASURES, gains, truth_of
from colorzoo.zoo.kim2021.task import Kim2021


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photos")
    parser.add_argument("--photos", type=int, default=16, help="evenly spaced ones")
    parser.add_argument("--checkpoint", action="append", required=True, metavar="NAME=FILE")
    args = parser.parse_args()
    single_thread()
    setup = Setup(args.data, args.data)
    for text in args.checkpoint:
        name, _, path = text.partition("=")
        model = Kim2021.load_from_checkpoint(path, compile_training=False).eval()
        rows = []
        for item in evenly(".", args.photos)(setup):
            truth, given = truth_of(item.files[0], setup, points=True)
            with torch.inference_mode():
                rows.append(gains(model, truth, given))
        means = {measure: Result(rows).mean(measure) for measure in MEASURES}
        print(
            name, ", ".join(f"{k} {m.value:+.4f} ({m.low:+.4f} to {m.high:+.4f})" for k, m in means.items())
        )


if __name__ == "__main__":
    run_command(main)
