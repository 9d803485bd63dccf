"""One line, once on a machine: better weights exist than those that ship, and how to get them."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from colorzoo.card import Use
from colorzoo.environment import is_on
from colorzoo.tiers import Place, places
from colorzoo.weights._files import megabytes, write_atomic
from colorzoo.weights.catalog import cache_home

_MARK = "told-of-better-weights"


def tell_of_better(uses: Sequence[Use], name: str) -> None:
    """Say it on standard error, if the model ships with colorzoo and this was never said on this machine.

    ``COLORZOO_QUIET=1`` silences it. Where the cache cannot be written it is said again, and nothing fails.

    Args:
        uses: What the model colors by; none is coloring without help.
        name: The model.
    """
    if is_on("COLORZOO_QUIET"):
        return
    use: Use = next(iter(uses), "automatic")
    order = places(use)
    mine = next((place for place in order if place.card.name == name), None)
    better = _best_to_fetch(order, mine)
    if mine is None or not mine.embedded or better is None or not _first_time():
        return
    assert better.weights is not None
    print(
        f"colorzoo: {name}, a small model that ships with colorzoo, does this; {better.card.name} is better: "
        f"`colorzoo weights fetch {use}` downloads it ({megabytes(better.weights.size)}; said once)",
        file=sys.stderr,
    )


def _best_to_fetch(order: Sequence[Place], mine: Place | None) -> Place | None:
    """Return the best place that goes before ``mine`` and whose weights can be fetched."""
    before = order[: order.index(mine)] if mine is not None else ()
    return next((place for place in before if place.fetchable), None)


def _first_time() -> bool:
    """Leave the mark; say whether it was not there."""
    mark = cache_home() / _MARK
    try:
        if mark.exists():
            return False
        write_atomic(mark, b"")
    except OSError:
        return True
    return True
