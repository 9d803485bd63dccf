"""Start-up: ``import colorzoo`` and ``--help`` against ``import torch``; ``colorize`` against Lightning.

The reference of ``colorize`` is the same call with Lightning imported. ``--models a,b`` measures these models
instead of the default, with a reference where required.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks._common import Options, Row, share_of, where
from colorzoo.registry import model_card

RUNS = 5
GOAL, GOAL_IMPORT = 0.6, 0.1
IMPORTS = {
    "import torch": ("-c", "import torch"),
    "import colorzoo": ("-c", "import colorzoo"),
    "colorzoo --help": ("-m", "colorzoo", "--help"),
}
COLORIZE = "import sys; from colorzoo.apps.cli.main import main; sys.exit(main(['colorize', *sys.argv[1:]]))"


def run(options: Options) -> list[Row]:
    """Compare the CPU seconds of fresh processes alternately."""
    runs = options.repeats or RUNS
    rows = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        gray = Image.linear_gradient("L").resize((96, 64))
        gray.save(folder / "small.png")
        Image.merge("RGB", (gray, gray.rotate(180), gray)).save(folder / "look.png")
        files = [str(folder / "small.png"), "--overwrite", "-o", str(folder / "small.color.png")]
        for model in options.models or ("",):
            words = files
            if model:
                guidance = model_card(model).guidance
                words = [*files, "--model", model]
                words += ["--reference", str(folder / "look.png")] if "exemplar" in guidance else []
                words += ["--box", "none"] if "boxes" in guidance else []
            ways = {
                "ours": ("-c", COLORIZE, *words),
                "theirs": ("-c", f"import lightning; {COLORIZE}", *words),
            }
            seconds = median_seconds(ways, runs)
            claim = (
                f"colorize of a small image {model}, CPU seconds, against the same with Lightning imported"
            )
            rows.append(share_of(claim, seconds["ours"], seconds["theirs"], GOAL, where()))
    if options.models:
        return rows
    seconds = median_seconds(IMPORTS, runs)
    torch = seconds.pop("import torch")
    claims = (f"{name}, CPU seconds, against import torch" for name in seconds)
    spent = seconds.values()
    rows += [share_of(*each, torch, GOAL_IMPORT, where()) for each in zip(claims, spent, strict=True)]
    return rows


def median_seconds(commands: Mapping[str, Sequence[str]], runs: int) -> dict[str, float]:
    """Return the median CPU seconds of Python commands, each in a fresh process, alternately."""
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, words in commands.items():
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            spent[name].append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return {name: statistics.median(seconds) for name, seconds in spent.items()}
