"""Errors caused by invalid input or usage.

The command line prints the message of such an error in one line and exits with code 2.
"""

from __future__ import annotations

__all__ = [
    "ColorzooError",
    "DataError",
    "DiskFullError",
    "GuidanceError",
    "ImageError",
    "OtherImageError",
    "RecipeVersionError",
    "UnknownModelError",
    "UntrainedWarning",
    "WeightsError",
]


class ColorzooError(Exception):
    """Base class of errors; messages describe the problem, the expected value and the remedy."""


class UnknownModelError(ColorzooError, KeyError):
    """Error for a model name that is not registered."""

    def __str__(self) -> str:
        return str(self.args[0])


class WeightsError(ColorzooError):
    """Error for weights that are missing, damaged or from another model."""


class UntrainedWarning(UserWarning):
    """Warning about a model with random weights."""


class ImageError(ColorzooError):
    """Error for an image that cannot be read or written.

    Args:
        problem: Description of the problem, with a remedy that does not require an option.
        option: Alternative remedy with a command-line option, which the studio does not print.

    Attributes:
        problem: The message without ``option``.
    """

    def __init__(self, problem: str, option: str = "") -> None:
        super().__init__(f"{problem} {option}".rstrip())
        self.problem = problem


class DiskFullError(ImageError):
    """Error for a result that cannot be written because the disk is full."""


class GuidanceError(ColorzooError, ValueError):
    """Error for a recipe or guidance that does not match its schema, the image or the model."""


class OtherImageError(GuidanceError):
    """Error for a recipe that does not match the image, such as a point outside the image."""


class RecipeVersionError(GuidanceError):
    """Error for a recipe that requires a newer version of colorzoo."""


class DataError(ColorzooError):
    """Error for a data set that is missing or empty, or has an unexpected layout."""
