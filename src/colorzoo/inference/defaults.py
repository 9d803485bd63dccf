"""The model for users who name none, where torch may look at weights that nobody has used yet."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

from colorzoo.card import Use
from colorzoo.errors import ColorzooError, UnknownModelError
from colorzoo.factory import create_model
from colorzoo.registry import load_class
from colorzoo.tiers import places, ready_places


def choose_default(
    uses: Use | Sequence[Use] = "automatic", *, fast: bool = False, able: type | None = None
) -> str:
    """Return the best model whose weights are on this machine.

    A file without a stated hash that somebody put into the cache, and that would make its model the default,
    is tried first: it is used from then on if it fits, and warned of if it does not.

    Args:
        uses: What for. Of several kinds of guidance the first one counts, but a model that takes more of them
            goes first. Where no model serves them, or none is given, it is ``"automatic"``.
        fast: Only among models whose weights ship with the package.
        able: Protocol that the model's class must have.

    Raises:
        UnknownModelError: There is none.
    """
    wanted = (uses,) if isinstance(uses, str) else tuple(uses)
    for use in () if fast else wanted or ("automatic",):
        _try_unchecked(use)
    found = [place.card for use in wanted for place in ready_places(use, fast=fast)]
    found = found or [place.card for place in ready_places("automatic", fast=fast)]
    if able is not None:
        found = [card for card in found if issubclass(load_class(card), able)]
    if not found:
        raise UnknownModelError(f"no model for {', '.join(wanted)} has weights on this machine; name one.")
    return max(found, key=lambda card: len({*card.guidance} & {*wanted})).name


def _try_unchecked(use: Use) -> None:
    """Load the files that nobody has used yet and whose models would go first, until one fits."""
    for place in places(use):
        if place.ready:
            return
        if place.state.verdict == "unchecked":
            try:
                create_model(place.card.name, place.tag, offline=True)
            except ColorzooError as error:
                warnings.warn(f"{place.card.name} is not used: {error}", UserWarning, stacklevel=4)
            else:
                return
