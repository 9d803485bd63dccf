"""PyAV, which only moving pictures need."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from colorzoo.errors import ColorzooError


class VideoError(ColorzooError):
    """A moving picture cannot be read, colored or written."""


def load_av() -> Any:
    """Import PyAV.

    Raises:
        VideoError: It is not installed.
    """
    try:
        return importlib.import_module("av")
    except ImportError as error:
        raise VideoError(
            f'video files need PyAV ({error}); install it with: pip install "colorzoo[video]"'
        ) from error


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what a full disk or an encoder raises into one line.

    Raises:
        VideoError: The block failed to write.
    """
    try:
        yield
    except (OSError, load_av().FFmpegError) as error:
        raise VideoError(f"{path} cannot be written: {error.strerror or error}") from error
