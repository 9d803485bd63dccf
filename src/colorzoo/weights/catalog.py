"""The catalogue of weights: which files the model cards know, and where they are."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.registry import list_models, model_card

Where = Literal["embedded", "cached", "missing"]


@dataclass(frozen=True)
class WeightFile:
    """One row of the catalogue.

    Attributes:
        model: Registered name.
        tag: Tag of the weights on the model's card.
        weights: Entry of the card.
        path: Where the file is, or would be once fetched.
        where: ``"embedded"`` in the package, ``"cached"`` on this machine, or ``"missing"``.
    """

    model: str
    tag: str
    weights: Weights
    path: Path
    where: Where

    @property
    def code_license(self) -> str:
        """Licence of the code that the weights come from."""
        return self.weights.code_license or ("Apache-2.0" if self.weights.file else "unknown")

    @property
    def origin(self) -> str:
        """Where the file comes from: the package, or the host of its first address."""
        if self.weights.file is not None:
            return "package"
        return urlsplit(self.weights.urls[0]).hostname or "nowhere" if self.weights.urls else "nowhere"

    def to_dict(self) -> dict[str, Any]:
        """Return the row as plain JSON types."""
        entry = asdict(self.weights)
        row = {"model": self.model, "tag": self.tag, "path": str(self.path), "where": self.where}
        row |= entry | {"urls": list(self.weights.urls), "hparams": dict(self.weights.hparams)}
        return row | {"code_license": self.code_license, "origin": self.origin}


def list_weights(cards: Iterable[ModelCard] | None = None) -> list[WeightFile]:
    """List the weights of all models, or of the given cards.

    Returns:
        Rows in the order of the cards and of their tags.
    """
    if cards is None:
        cards = [model_card(name) for name in list_models()]
    return [_row(card, tag) for card in cards for tag in card.weights]


def cache_home() -> Path:
    """Return the folder of fetched files.

    ``COLORZOO_HOME`` if set, else ``colorzoo`` below ``XDG_CACHE_HOME`` or the platform's cache folder.
    """
    if home := os.environ.get("COLORZOO_HOME"):
        return Path(home).expanduser()
    return _user_cache() / "colorzoo"


def weights_path(card: ModelCard, tag: str) -> Path:
    """Return where a weight file of a card is, or would be once fetched.

    The hash is part of a fetched file's name, so a newer card never meets an older file.

    Raises:
        WeightsError: The card has no weights of that tag.
    """
    weights = weights_entry(card, tag)
    if weights.file is not None:
        return embedded_folder() / weights.file
    ending = PurePosixPath(urlsplit(weights.urls[0]).path).suffix if weights.urls else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,11}", ending):
        ending = ".weights"
    mark = f"-{weights.sha256[:8]}" if weights.sha256 else ""
    return cache_home() / "weights" / f"{card.name}-{tag}{mark}{ending}"


def weights_entry(card: ModelCard, tag: str) -> Weights:
    """Return the entry of a card by its tag.

    Raises:
        WeightsError: The card has no weights of that tag; the message lists those it has.
    """
    if tag not in card.weights:
        raise WeightsError(f"{card.name} has no weights {tag!r}; {known_tags(card)}")
    return card.weights[tag]


def known_tags(card: ModelCard) -> str:
    """Return the clause of a message that names the tags of a card."""
    if not card.trainable:
        return "it needs none"
    return f"it has {', '.join(map(repr, card.weights))}" if card.weights else "its card names none"


def embedded_folder() -> Path:
    """Return the folder of the weights that ship inside the package."""
    return Path(str(files("colorzoo.weights"))) / "embedded"


def _row(card: ModelCard, tag: str) -> WeightFile:
    weights, path = card.weights[tag], weights_path(card, tag)
    here: Where = "embedded" if weights.file is not None else "cached"
    return WeightFile(card.name, tag, weights, path, here if path.is_file() else "missing")


def _user_cache() -> Path:
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg)
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path.home() / ".cache"
    return cache
