"""Helpers for tests of `colorzoo evaluate`: a small protocol, generated images, files of a report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from colorzoo.evaluation import Outcome, Protocol, evaluate
from colorzoo.evaluation.methods import MethodSource
from colorzoo.testing import sample_image
from colorzoo.testing.processes import in_processes

PROTOCOL = """
name: tiny-hints
version: 3
title: Points on small images
source: tests
resize: {mode: squash, size: 32}
user: {name: uniform_points, side: 4}
interactions: [0, 3]
metrics: [psnr, cdr, colorfulness]
"""
FILES = ["manifest.json", "per_image.csv", "references.bib", "report.html"]
FILES += ["results.json", "results.md", "results.tex"]


@dataclass(frozen=True)
class Plan:
    """Arguments of `evaluate`, which tests replace one by one."""

    models: Mapping[str, MethodSource] | Sequence[str]
    data: Path
    protocol: Protocol
    output: Path
    interactions: Sequence[int] | None = None
    metrics: Sequence[str] | None = None
    compare: Sequence[tuple[str, str]] = ()
    baseline: str | None = None
    resamples: int = 200
    repeats: int = 1
    columns: Sequence[str] = ()
    goals: Sequence[tuple[str, float]] = ()
    groups: Path | None = None
    figure: Path | None = None
    examples: Sequence[str] = ()

    def run(self) -> Outcome:
        return evaluate(**vars(self))


def write_image(path: Path, seed: int, size: tuple[int, int] = (40, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = (sample_image(size, seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a report, with the manifest's ``run`` entry removed."""
    found = {name: (folder / name).read_bytes() for name in FILES}
    manifest = json.loads(found["manifest.json"])
    del manifest["run"]
    return {**found, "manifest.json": json.dumps(manifest).encode()}


def evaluate_in_two_processes(plan: Plan) -> list[int | None]:
    """Evaluate as torchrun would in two processes, and return their exit codes."""
    return in_processes(_evaluate_share, plan, processes=2)


def _evaluate_share(plan: Plan) -> int:
    outcome = plan.run()
    return 0 if (outcome.summary is not None) == (os.environ["RANK"] == "0") else 3
