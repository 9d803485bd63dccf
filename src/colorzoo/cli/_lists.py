"""Lists of pictures in and out of ``colorzoo colorize``, and the line that ends a run over many."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.errors import PictureError
from colorzoo.inference.write import write_whole

if TYPE_CHECKING:
    from colorzoo.cli._coloring import Report

_WORDS = {"colored": "colored", "skipped": "left alone", "failed": "failed", "planned": "planned"}
_FAILED = ("failed", "full")


def named_in(path: str | None) -> list[str]:
    """Return the pictures that a file names, one a line; empty lines do not count.

    Raises:
        PictureError: The file cannot be read, or names none.
    """
    if path is None:
        return []
    try:
        text = Path(path).read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        raise PictureError(f"--from {path}: {error.strerror or error}") from error
    names = [line for line in text.splitlines() if line.strip()]
    if not names:
        raise PictureError(f"--from {path}: names no picture")
    return names


def tell_end(reports: Sequence[Report], failed: str | None) -> None:
    """Say in one line what became of several pictures, and write the list of those that failed.

    Raises:
        PictureError: The list cannot be written.
    """
    if failed is not None:
        names = [report.source for report in reports if report.status in _FAILED]
        text = "".join(f"{name}\n" for name in names)
        write_whole(Path(failed), text.encode("utf-8", "surrogateescape"))
    if len(reports) > 1:
        count: Counter[str] = Counter(
            "failed" if report.status in _FAILED else report.status for report in reports
        )
        told = ", ".join(f"{count[status]} {word}" for status, word in _WORDS.items() if count[status])
        print(f"colorzoo: {told}", file=sys.stderr)
