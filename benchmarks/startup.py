"""How soon a user sees something.

``import colorzoo`` and ``colorzoo --help`` against ``import torch``; ``colorize`` of a small picture against
the same with Lightning imported, as it was when every model was a LightningModule.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image

from benchmarks._harness import Options, Row, share_of, where

RUNS = 5
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import colorzoo": ["-c", "import colorzoo"],
    "colorzoo --help": ["-m", "colorzoo", "--help"],
}
_COLORIZE = "import sys; from colorzoo.cli.main import main; sys.exit(main(['colorize', *sys.argv[1:]]))"


def run(options: Options) -> list[Row]:
    """Compare CPU seconds of fresh processes, in turn."""
    del options
    with TemporaryDirectory() as folder:
        return [*_colorize(Path(folder)), *_imports()]


def _colorize(folder: Path) -> list[Row]:
    """Color a picture of 96 x 64 pixels by the embedded default."""
    Image.linear_gradient("L").resize((96, 64)).save(folder / "small.png")
    words = [str(folder / "small.png"), "--fast", "--overwrite", "-o", str(folder / "small.color.png")]
    ours, before = "colorize", "with Lightning"
    commands = {ours: ["-c", _COLORIZE, *words], before: ["-c", f"import lightning; {_COLORIZE}", *words]}
    median = _medians(commands)
    claim = "colorize of a small picture, CPU seconds, against the same with Lightning imported"
    return [share_of(claim, median[ours], median[before], 0.6, where())]


def _imports() -> list[Row]:
    """Import and ask for help, in at most a tenth of the import of torch: neither loads it."""
    median = _medians(COMMANDS)
    torch = median.pop("import torch")
    return [
        share_of(f"{name}, CPU seconds, against import torch", ours, torch, 0.1, where())
        for name, ours in median.items()
    ]


def _medians(commands: dict[str, list[str]]) -> dict[str, float]:
    spent: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(RUNS):
        for name, words in commands.items():
            spent[name].append(_seconds(words))
    return {name: statistics.median(seconds) for name, seconds in spent.items()}


def _seconds(words: list[str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
