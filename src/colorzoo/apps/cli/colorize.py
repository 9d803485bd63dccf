"""``colorzoo colorize``: colorize images, folders and globs."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

from colorzoo.apps.cli._file_options import ColorizeOptions
from colorzoo.apps.cli._options import Command, named_outputs
from colorzoo.console import resumable
from colorzoo.errors import ColorzooError

HELP = "colorize images; each result is written next to its source as NAME.color.EXT"
EXAMPLE = """
colorzoo colorize old.jpg
colorzoo colorize old.jpg --point 120,80=#c04020 --point 300,200=#3060a0
colorzoo colorize old.jpg --recipe hints.json -o new.png
colorzoo colorize old.jpg --histogram-of sunset.jpg
colorzoo colorize old.jpg --reference sunset.jpg --alpha 0.8
colorzoo colorize album/ -o colored/
colorzoo colorize album/ -o colored/ --report report.html
"""

_SPINS = "2000"  # iterations of busy waiting, a few microseconds
_TIMEOUT = "4"  # binary logarithm of the clock cycles of busy waiting, the minimum of OpenBLAS


def import_torch() -> None:
    """Configure the threads of the process for colorization, then import torch.

    Busy waiting of OpenMP and OpenBLAS threads is limited, because it occupies cores that the threads for
    reading and writing files need. On two cores, busy waiting doubles the time to colorize a folder.

    If the user has configured OpenMP or OpenBLAS with environment variables, these settings are not changed.

    Garbage collection is disabled during the import, and the imported objects are excluded from later
    collections. Otherwise, scanning these objects during the import and at exit takes 0.5 s.
    """
    if not {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"} & os.environ.keys():
        os.environ["GOMP_SPINCOUNT"] = _SPINS
    os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", _TIMEOUT)
    if "torch" not in sys.modules:
        gc.disable()
        import torch  # noqa: F401

        gc.freeze()
        gc.enable()


def _writes(args: ColorizeOptions) -> list[Path]:
    """Return the list of failed images; the other outputs depend on the images."""
    if args.failed and Path(args.failed).suffix.lower() != ".txt":  # prevents overwriting an image
        raise ColorzooError(f"--failed must be a .txt file, got {args.failed}")
    return named_outputs(args)


def run(args: ColorizeOptions) -> int:
    """Colorize every image; an image that fails does not stop the run.

    Returns:
        0 if no image failed, 1 if some images failed, 2 if all images failed.
    """
    if not args.images and args.from_list is None:
        raise ColorzooError("IMAGE or --from is required. See `colorzoo colorize --help`.")
    if args.dry_run and (args.sign or args.report):
        raise ColorzooError("--dry-run cannot be combined with --sign or --report")
    import_torch()
    from colorzoo.apps.cli._colorize import colorize_images

    # finished images are recognized by their provenance record
    with resumable(args.provenance == "embed" and not (args.overwrite or args.dry_run)):
        return colorize_images(args)


COMMANDS = {"": Command(HELP, EXAMPLE, ColorizeOptions, run, writes=_writes)}
