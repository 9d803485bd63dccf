"""Deprecation of public names; the policy is in docs/release.md."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")


def deprecated(since: str, advice: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Return a decorator for a public function or method that a later version removes.

    Each call warns with a `DeprecationWarning` that points to the line of the caller. The function is removed
    two minor versions after ``since``, or in the next major version. To deprecate a class, decorate its
    ``__init__``.

    Examples:
        >>> @deprecated("1.1", "Call colorize with strength=0.5.")
        ... def colorize_weakly(image): ...
        >>> colorize_weakly.__deprecated__
        'colorize_weakly is deprecated since 1.1 and will be removed in 1.3. Call colorize with strength=0.5.'

    Args:
        since: First version that warns, as ``MAJOR.MINOR``.
        advice: Sentence that names the replacement.
    """
    major, minor = map(int, since.split("."))
    removal = f"{major}.{minor + 2}"

    def decorate(function: Callable[_P, _R]) -> Callable[_P, _R]:
        name = function.__qualname__.removesuffix(".__init__")
        message = f"{name} is deprecated since {since} and will be removed in {removal}. {advice}"

        @wraps(function)
        def run(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            warnings.warn(message, DeprecationWarning, stacklevel=2)
            return function(*args, **kwargs)

        run.__deprecated__ = message  # type: ignore[attr-defined]  # name of PEP 702
        return run

    return decorate
