"""Lines for people, on streams that may not know every letter; warnings among them."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


@contextmanager
def told_warnings() -> Iterator[None]:
    """Print what is warned of inside the block as lines of ours, when the block ends."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for warning in caught:
        print_line(f"colorzoo: {' '.join(str(warning.message).split())}", sys.stderr)


def print_line(text: str, stream: TextIO) -> None:
    """Print a line at once; a file name may hold bytes that are no text, or letters the terminal lacks."""
    encoding = stream.encoding or "utf-8"
    print(text.encode(encoding, "backslashreplace").decode(encoding), file=stream, flush=True)
