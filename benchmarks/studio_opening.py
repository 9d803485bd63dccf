"""Opening 24 megapixels on the pad, against an earlier state of the code in the same run.

``COLORZOO_BEFORE`` names the ``src`` folder of that state, as of a git worktree. Nothing is measured without.
"""

from __future__ import annotations

import io
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks._harness import Options, Row, SkippedError, share_of, where

BEFORE = "COLORZOO_BEFORE"
SIZE = (6000, 4000)
ROUNDS = 3
GOAL = 0.3
_WORK = """
import json, sys, time
import torch
from colorzoo.studio.limits import Limits
from colorzoo.studio import photo
torch.set_num_threads(1)
data = sys.stdin.buffer.read()
for _ in range({rounds}):
    began, ran, first = time.perf_counter(), time.process_time(), None
    if hasattr(photo, "opening"):
        for step in photo.opening(data, "a.jpg", Limits(), 256):
            first = first or (time.perf_counter() - began, time.process_time() - ran)
    else:
        photo.open_photo(data, "a.jpg", Limits(), 256)
    whole = (time.perf_counter() - began, time.process_time() - ran)
    print(json.dumps({{"first": first or whole, "whole": whole}}), flush=True)
"""


def run(options: Options) -> list[Row]:
    """Open the same photo by both states in turn; seconds are those of the processor."""
    del options
    before = os.environ.get(BEFORE)
    if before is None:
        raise SkippedError(f"{BEFORE} names no earlier src folder")
    rows = []
    for kind in ("gray", "color"):
        data = _photo(kind)
        ours, theirs = _seconds(Path("src"), data), _seconds(Path(before), data)
        title = f"opening a {kind} JPEG of {SIZE[0]}x{SIZE[1]}, processor seconds: {{}}"
        rows += [
            share_of(title.format("until it is seen"), ours["first"], theirs["first"], GOAL, where()),
            share_of(title.format("until it can be colored"), ours["whole"], theirs["whole"], GOAL, where()),
        ]
    return rows


def _seconds(source: Path, data: bytes) -> dict[str, float]:
    """Return the medians of a state's rounds."""
    environment = {**os.environ, "PYTHONPATH": str(source.resolve()), "OMP_NUM_THREADS": "1"}
    work = [sys.executable, "-c", _WORK.format(rounds=ROUNDS)]
    done = subprocess.run(work, input=data, env=environment, capture_output=True, check=True)
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    return {name: statistics.median(one[name][1] for one in rounds) for name in ("first", "whole")}


def _photo(kind: str) -> bytes:
    rows, columns = np.mgrid[0 : SIZE[1], 0 : SIZE[0]].astype(np.float32) / SIZE[0]
    level = 0.5 + 0.3 * np.sin(40 * columns + 17 * rows) + 0.1 * np.sin(900 * rows * columns)
    gray = (level.clip(0, 1) * 255).astype(np.uint8)
    image = Image.fromarray(gray if kind == "gray" else np.dstack([gray, gray // 2 + 60, 255 - gray]))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=90)
    return file.getvalue()
