"""How soon a user sees something.

``import colorzoo`` and ``colorzoo --help`` against ``import torch``; ``colorize`` of a small picture against
the same with Lightning imported, as it was when every model was a LightningModule. ``--models a,b`` colors by
these instead of the default, with a reference where a model takes one; where ``COLORZOO_BEFORE`` names the
``src`` folder of an earlier state, as of a git worktree, they are compared with that.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks._harness import Options, Row, share_of, where
from colorzoo.registry import model_card

RUNS = 5
BEFORE = "COLORZOO_BEFORE"
GOAL = 0.6
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import colorzoo": ["-c", "import colorzoo"],
    "colorzoo --help": ["-m", "colorzoo", "--help"],
}
_COLORIZE = "import sys; from colorzoo.cli.main import main; sys.exit(main(['colorize', *sys.argv[1:]]))"


def run(options: Options) -> list[Row]:
    """Compare CPU seconds of fresh processes, in turn."""
    runs = options.repeats or RUNS
    with TemporaryDirectory() as folder:
        words = _pictures(Path(folder))
        if options.models:
            return [_colorize(_by(name, words), f"by {name}, ", runs) for name in options.models]
        return [_colorize([*words, "--fast"], "", runs), *_imports(runs)]


def _pictures(folder: Path) -> list[str]:
    """Write a picture of 96 x 64 pixels and a reference beside it; return how the picture is colored."""
    gray = Image.linear_gradient("L").resize((96, 64))
    gray.save(folder / "small.png")
    Image.merge("RGB", (gray, gray.transpose(Image.Transpose.ROTATE_180), gray)).save(folder / "look.png")
    return [str(folder / "small.png"), "--overwrite", "-o", str(folder / "small.color.png")]


def _by(name: str, words: list[str]) -> list[str]:
    """Return how the picture is colored by a model, with what it asks for."""
    kinds = model_card(name).guidance
    reference = ["--reference", str(Path(words[0]).with_name("look.png"))] if "exemplar" in kinds else []
    whole = ["--box", "none"] if "boxes" in kinds else []
    return [*words, "--model", name, *reference, *whole]


def _colorize(words: list[str], title: str, runs: int) -> Row:
    """Color the picture now and as before, in turn."""
    before = os.environ.get(BEFORE)
    ours, theirs = "now", f"at {before}" if before else "with Lightning imported"
    import_first = "" if before else "import lightning; "
    commands = {ours: ["-c", _COLORIZE, *words], theirs: ["-c", import_first + _COLORIZE, *words]}
    median = _medians(commands, runs, {theirs: before} if before else {})
    claim = f"colorize of a small picture {title}CPU seconds, against the same {theirs}"
    return share_of(claim, median[ours], median[theirs], GOAL, where())


def _imports(runs: int) -> list[Row]:
    """Import and ask for help, in at most a tenth of the import of torch: neither loads it."""
    median = _medians(COMMANDS, runs, {})
    torch = median.pop("import torch")
    return [
        share_of(f"{name}, CPU seconds, against import torch", ours, torch, 0.1, where())
        for name, ours in median.items()
    ]


def _medians(commands: dict[str, list[str]], runs: int, sources: dict[str, str]) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, words in commands.items():
            spent[name].append(_seconds(words, sources.get(name)))
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def _seconds(words: list[str], source: str | None) -> float:
    """Return the CPU seconds of a fresh process, of another state of the code where ``source`` names one."""
    there = {**os.environ, "PYTHONPATH": source} if source else None
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL, env=there)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
