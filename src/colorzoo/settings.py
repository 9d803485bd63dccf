"""Types of settings: ranges of constructor arguments.

Settings are constructor parameters or dataclass fields with a default and a type annotation, which may
contain a `Range`. YAML files, checkpoints, cards, weight files and `create_model` use the same names:
``create_model(name, width=0.25)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import NoneType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from colorzoo.errors import ColorzooError

__all__ = [
    "Engine",
    "Fraction",
    "NonNegativeFloat",
    "NonNegativeInt",
    "Positive",
    "PositiveInt",
    "Precision",
    "Probability",
    "Range",
    "Width",
    "check_choice",
]

Precision = Literal["auto", "float32", "bfloat16"]
"""Numeric precision of a model."""
Engine = Literal["torch", "onnxruntime"]
"""Inference library."""


@dataclass(frozen=True)
class Range:
    """Range of a number, for type annotations such as ``Annotated[int, Range(1)]``.

    Attributes:
        low: Minimum.
        high: Maximum; None if there is no maximum.
        open: Whether the minimum itself is excluded.
        unit: Unit for error messages.
        step: Values must be multiples of this number; 0 allows all values.
    """

    low: float
    high: float | None = None
    open: bool = False
    unit: str = ""
    step: int = 0

    def contains(self, value: float) -> bool:
        """Return whether a value is in the range."""
        above = value > self.low if self.open else value >= self.low
        divides = not self.step or value % self.step == 0
        return above and divides and (self.high is None or value <= self.high)

    def __str__(self) -> str:
        low = f"above {self.low:g}" if self.open else f"at least {self.low:g}"
        limits = low if self.high is None else f"{low} and at most {self.high:g}"
        step = f" and a multiple of {self.step}" if self.step else ""
        return f"{limits} {self.unit}".rstrip() + step


Fraction = Annotated[float, Range(0, 1)]
"""Number from 0 to 1."""
Probability = Annotated[float, Range(0, 1, open=True)]
"""Probability above 0 and at most 1."""
NonNegativeFloat = Annotated[float, Range(0)]
"""Number that is at least 0."""
Positive = Annotated[float, Range(0, open=True)]
"""Number above 0."""
Width = Annotated[float, Range(0, 4, open=True, unit="times the published channels")]
"""Multiplier of the published number of channels."""
NonNegativeInt = Annotated[int, Range(0)]
"""Integer that is at least 0."""
PositiveInt = Annotated[int, Range(1)]
"""Integer that is at least 1."""


def check_choice(name: str, value: Any, hint: Any) -> None:
    """Raise `ColorzooError` if a value is not one of the listed values of a `Literal` type.

    Examples:
        >>> check_choice("engine", "torch", Engine)

    Args:
        name: Name of the argument in the error message.
        value: The value.
        hint: Type annotation; other types than ``Literal[...]`` and ``Literal[...] | None`` are not checked.
    """
    if get_origin(hint) is Union:  # such as Literal[...] | None
        members = [each for each in get_args(hint) if each is not NoneType]
        hint = members[0] if len(members) == 1 else Any
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if choices and value not in choices:
        raise ColorzooError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")
