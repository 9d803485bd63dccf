"""What the first process of a run finds out for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lightning.pytorch import Trainer

from colorzoo.errors import DataError

Found = TypeVar("Found")


def found_once(trainer: Trainer | None, find: Callable[[], Found]) -> Found:
    """Return what ``find`` returns in the first process; all processes of a run must call this together.

    Args:
        trainer: The run; None is a run of one process.
        find: Called in the first process alone; its result is pickled for the others.

    Raises:
        DataError: In all processes, if ``find`` raises it in the first one.
    """
    if trainer is None or trainer.world_size == 1:
        return find()
    answer: tuple[Found] | DataError | None = None
    if trainer.is_global_zero:
        try:
            answer = (find(),)
        except DataError as error:  # else the others would wait for an answer
            answer = error
    answer = trainer.strategy.broadcast(answer)
    if isinstance(answer, DataError):
        raise answer
    assert answer is not None
    return answer[0]
