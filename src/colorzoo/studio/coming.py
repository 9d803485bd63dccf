"""A studio that is still being loaded while the server already answers: importing torch takes seconds."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from colorzoo.studio.limits import Limits

if TYPE_CHECKING:
    from colorzoo.studio.desk import Studio


class Coming:
    """Hands a studio to who waits for it, once it is there.

    Args:
        limits: Of the studio; the server needs them before.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.recipe: dict[str, Any] | None = None
        self._future: Future[Studio] = Future()

    @classmethod
    def of(cls, studio: Studio, recipe: dict[str, Any] | None = None) -> Coming:
        """Return one that is there already.

        Args:
            studio: What does the work.
            recipe: A document that new pads begin with.
        """
        coming = cls(studio.limits)
        coming.arrive(studio, recipe)
        return coming

    @property
    def here(self) -> Studio | None:
        """The studio, or None while it is loaded."""
        done = self._future.done() and self._future.exception() is None
        return self._future.result() if done else None

    def arrive(self, studio: Studio, recipe: dict[str, Any] | None = None) -> None:
        """Hand over the studio, and a document that new pads begin with."""
        self.recipe = recipe
        self._future.set_result(studio)

    def fail(self, error: BaseException) -> None:
        """Tell all who wait that there will be none."""
        self._future.set_exception(error)

    async def wait(self) -> Studio:
        """Return the studio as soon as it is there.

        Raises:
            Exception: What `fail` was told.
        """
        # shielded: one page that goes must not end the waiting of the others
        return await asyncio.shield(asyncio.wrap_future(self._future))
