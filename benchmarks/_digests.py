"""What weights a number or a picture was made with: a digest of all embedded files behind a model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from colorzoo.card import ModelCard
from colorzoo.registry import list_models, model_card

NONE = "no weights"


def weights_digest(name: str) -> str:
    """Return a digest of the embedded weights of a model and of those it stands on, or `NONE`.

    The card's hashes are what loading checks, so no file is read.
    """
    hashes = sorted(set(_hashes(model_card(name))))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16] if hashes else NONE


def _hashes(card: ModelCard) -> Iterator[str]:
    entry = card.weights.get("default")
    if entry is None:
        return
    yield entry.sha256 or ""
    names = set(list_models())
    for value in card.hparams.values():
        if isinstance(value, str) and value in names:
            yield from _hashes(model_card(value))
