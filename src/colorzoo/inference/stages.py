"""Stages of coloring one image: each call is recorded, and its result is cached by its inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from colorzoo.lru_cache import LRUCache, key_of

T = TypeVar("T")


@dataclass(frozen=True)
class Ran:
    """One stage that ran, or whose result came from the cache.

    Attributes:
        name: Name of the stage.
        about: Sizes and counts that the stage worked on; may be empty.
        seconds: Duration; 0 for a cached result.
        remembered: Whether the result came from the cache.
    """

    name: str
    about: str = ""
    seconds: float = 0.0
    remembered: bool = False


class Stages:
    """Runner of the stages of one image.

    A stage is a pure function. An edit in the drawing pad passes the cache of the image, so that only the
    stages whose inputs changed run again.

    Examples:
        >>> stages = Stages()
        >>> stages(max, 3, 5), stages(max, 3, 5), [each.remembered for each in stages.ran]
        (5, 5, [False, True])

    Attributes:
        ran: The stages so far, in the order of their calls.

    Args:
        cache: Results of earlier runs; None starts with an empty cache.
    """

    def __init__(self, cache: LRUCache | None = None) -> None:
        self._cache = LRUCache() if cache is None else cache
        self.ran: list[Ran] = []

    def __call__(self, stage: Callable[..., T], *inputs: Any, **settings: Any) -> T:
        """Return the result of a stage for its inputs and settings, computed at most once."""
        seconds: float | None = None

        def compute() -> T:
            nonlocal seconds
            started = time.perf_counter()
            found = stage(*inputs, **settings)
            seconds = time.perf_counter() - started
            return found

        found = self._cache.get(
            key_of(stage.__module__, stage.__qualname__, inputs, *settings.items()), compute
        )
        name = stage.__name__.replace("_", " ")
        self.ran.append(Ran(name, seconds=seconds or 0.0, remembered=seconds is None))
        return found
