"""``colorzoo colorize``: colorize images, folders and globs."""

from __future__ import annotations

import os

from colorzoo.batch.settings import ColorizeOptions
from colorzoo.cli._options import Command
from colorzoo.environment import reuse_memory
from colorzoo.errors import ColorzooError

HELP = "colorize images; each result is written next to its source as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize old.jpg --histogram-of sunset.jpg
colorzoo colorize old.jpg --reference sunset.jpg --alpha 0.8
colorzoo colorize album/ -o colored/
colorzoo colorize album/ --fast -o colored/
colorzoo colorize album/ -o colored/ --report report.html
"""

_SPINS = "2000"  # iterations of busy waiting, a few microseconds


def share_cores() -> None:
    """Limit busy waiting of OpenMP threads; call this function before torch is imported.

    Threads that busy-wait occupy cores that the threads for reading and writing files need. On two cores,
    busy waiting doubles the time to colorize a folder. Environment variables that the user has set are not
    changed.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS


def run(args: ColorizeOptions) -> int:
    """Colorize every image; an image that fails does not stop the run.

    Returns:
        0 if no image failed, 1 if some images failed, 2 if all images failed.
    """
    share_cores()
    reuse_memory()
    if not args.images and args.from_list is None:
        raise ColorzooError("IMAGE must be a file, a folder or a glob. See `colorzoo colorize --help`.")
    from colorzoo.cli._colorize import color  # imports torch

    return color(args)


COMMANDS = {"": Command(HELP, EXAMPLE, ColorizeOptions, run)}
