"""Run the stages of one image: record each call and cache its result by its inputs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from colorzoo.lru_cache import LRUCache, key_of

T = TypeVar("T")


@dataclass(frozen=True)
class StageRun:
    """Record of one stage, for ``--explain``.

    Attributes:
        name: Name of the stage.
        about: Sizes and counts of its inputs; may be empty.
        seconds: Duration; 0 for a cached result.
        cached: Whether the result came from the cache.
    """

    name: str
    about: str = ""
    seconds: float = 0.0
    cached: bool = False


class StageRunner:
    """Call pure functions, the stages of one image, and record and cache their results.

    Examples:
        >>> run = StageRunner()
        >>> run(max, 3, 5), run(max, 3, 5), [each.cached for each in run.log]
        (5, 5, [False, True])

    Attributes:
        cache: Results of earlier stages. The pad passes one cache for all edits of an image, so that an edit
            runs only the stages whose inputs changed.
        log: The stages so far, in the order of their calls.

    Args:
        cache: See above; None starts with an empty cache.
    """

    def __init__(self, cache: LRUCache | None = None) -> None:
        self.cache = LRUCache() if cache is None else cache
        self.log: list[StageRun] = []

    def __call__(self, stage: Callable[..., T], *inputs: Any, **settings: Any) -> T:
        """Return the result of a stage for its inputs and settings, computed at most once."""
        seconds: float | None = None

        def compute() -> T:
            nonlocal seconds
            started = time.perf_counter()
            result = stage(*inputs, **settings)
            seconds = time.perf_counter() - started
            return result

        key = key_of(stage.__module__, stage.__qualname__, inputs, *settings.items())
        result = self.cache.get(key, compute)
        name = stage.__name__.replace("_", " ")
        self.log.append(StageRun(name, seconds=seconds or 0.0, cached=seconds is None))
        return result

    def uncached(self, stage: Callable[..., T], *inputs: Any, about: str = "", **settings: Any) -> T:
        """Return the result of a stage on full-size data, whose hash would take longer than the stage."""
        started = time.perf_counter()
        result = stage(*inputs, **settings)
        self.log.append(StageRun(stage.__name__.replace("_", " "), about, time.perf_counter() - started))
        return result
