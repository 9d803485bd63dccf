"""Trust on first use: a file without a stated hash is judged by the model that loads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from colorzoo.errors import WeightsError
from colorzoo.weights.apply import ResolvedWeights
from colorzoo.weights.ledger import take_note, write_note


@contextmanager
def on_trial(found: ResolvedWeights) -> Iterator[None]:
    """Load a file inside: if it was never used, its hash is noted when it fits, and why when it does not.

    Args:
        found: The file; nothing happens to one that is known or the user's own.

    Raises:
        WeightsError: What happens inside.
    """
    if found.state is None or found.state.verdict != "unchecked":
        yield
        return
    note = take_note(found.path)  # before it is read: what was loaded is what was hashed
    try:
        yield
    except WeightsError as error:
        reason = " ".join(str(error).split())
        write_note(found.path, take_note(found.path, refused=reason))
        raise
    write_note(found.path, note)
