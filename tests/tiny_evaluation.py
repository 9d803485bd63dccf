"""Helpers for tests of `colorzoo evaluate`: a small protocol, generated pictures, files of a report."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path

from PIL import Image

from colorzoo.evaluation import Plan, evaluate
from colorzoo.testing.distributed import fork_server
from colorzoo.testing.samples import sample_image

PROTOCOL = """
name: tiny-hints
version: 3
title: Points on small pictures
source: tests
resize: {mode: squash, size: 32}
user: {name: uniform_points, side: 4}
interactions: [0, 3]
metrics: [psnr, cdr, cf]
target: {metric: psnr, value: 15}
"""
FILES = (
    "manifest.json",
    "per_image.csv",
    "references.bib",
    "report.html",
    "results.json",
    "results.md",
    "results.tex",
)


def write_picture(path: Path, seed: int, size: tuple[int, int] = (40, 48)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = (sample_image(size, seed=seed)[0] * 255).byte().permute(1, 2, 0).numpy()
    Image.fromarray(rgb).save(path)


def contents(folder: Path) -> dict[str, bytes]:
    """Return the files of a report, without what the manifest says of the run itself."""
    found = {name: (folder / name).read_bytes() for name in FILES}
    manifest = json.loads(found["manifest.json"])
    del manifest["run"]
    return {**found, "manifest.json": json.dumps(manifest).encode()}


def evaluate_in_two_processes(plan: Plan) -> list[int | None]:
    """Evaluate as torchrun would in two processes, and return their exit codes."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    context = fork_server()
    processes = [context.Process(target=_worker, args=(plan, rank, port), daemon=True) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(250)
    return [process.exitcode for process in processes]


def _worker(plan: Plan, rank: int, port: str) -> None:
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": "2", "RANK": str(rank)}
    outcome = evaluate(plan)
    sys.exit(0 if (outcome.summary is None) == (rank == 1) else 3)
