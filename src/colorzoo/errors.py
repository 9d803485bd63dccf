"""Errors that are the user's to mend.

The command line prints them as one line and exits with code 2; from Python they are ordinary exceptions.
"""

from __future__ import annotations

from colorzoo.environment import is_on

__all__ = [
    "ColorzooError",
    "CutShortError",
    "DataError",
    "DiskFullError",
    "GuidanceError",
    "ImageError",
    "UnknownModelError",
    "UntrainedWarning",
    "WeightsError",
]


class ColorzooError(Exception):
    """Base of all errors that name what is wrong, what was expected and what to do."""


class UnknownModelError(ColorzooError, KeyError):
    """A model name that the registry does not know."""

    def __str__(self) -> str:
        return str(self.args[0])


class WeightsError(ColorzooError):
    """Weights that are missing, broken, of another model, or cannot be fetched."""


class UntrainedWarning(UserWarning):
    """A model whose weights are random, with the reason."""


class ImageError(ColorzooError):
    """An image that cannot be read or written."""


class CutShortError(ImageError):
    """An image that is damaged or cut short; something of it may be left."""


class DiskFullError(ImageError):
    """A result cannot be written because no space is left."""


class GuidanceError(ColorzooError, ValueError):
    """A recipe or guidance that does not fit its schema, its image or the model."""


class DataError(ColorzooError):
    """A data set that is missing, empty or laid out differently than expected."""


def first_words(error: Exception, most: int = 120) -> str:
    """Return the first line of another library's message, cut between words if it is long."""
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    if len(line) <= most:
        return line
    return f"{line[:most].rpartition(' ')[0] or line[:most]} ..."


def failure(error: Exception, image: str, result: str) -> str:
    """Return the line that says why an image could not be colored; it names the image, or the result.

    Raises:
        Exception: The error itself, if it was not foreseen and ``COLORZOO_DEBUG`` is set.
    """
    if isinstance(error, ColorzooError):
        text = str(error)
        named = image in text or (result and result in text)
        return text if named else f"{image}: {text}"
    if isinstance(error, MemoryError):
        return f"{image} does not fit into memory"
    if is_on("COLORZOO_DEBUG"):
        raise error
    return (
        f"{image}: unexpected {type(error).__name__}: {error} (COLORZOO_DEBUG=1 shows where; "
        "please report it)"
    )
