"""Catalog of the weight files on the model cards, and their paths on this machine."""

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
    """A weight file of a model card.

    Examples:
        >>> entry = list_weights([colorzoo.model_card("zhang2017_local_small")])[0]
        >>> entry.model, entry.path.suffix
        ('zhang2017_local_small', '.safetensors')

    Attributes:
        model: Registered name.
        tag: Tag of the weights on the model's card.
        weights: Entry of the card.
        path: Path of the file, or the path to which it would be downloaded.
    """

    model: str
    tag: str
    weights: Weights
    path: Path

    @property
    def where(self) -> Where:
        """``"embedded"`` in the package, ``"cached"`` on this machine, or ``"missing"``."""
        if not self.path.is_file():
            return "missing"
        return "cached" if self.weights.file is None else "embedded"

    @property
    def code_license(self) -> str:
        """License of the code that the weights come from."""
        return self.weights.code_license or ("Apache-2.0" if self.weights.file else "unknown")

    @property
    def origin(self) -> str:
        """Source of the file: ``"package"``, or the host of its first address."""
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
    """List the weight files of all models, or of the given cards, in the order of cards and tags.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> [(entry.tag, entry.where) for entry in list_weights([card])]
        [('default', 'embedded')]
    """
    if cards is None:
        cards = [model_card(name) for name in list_models()]
    return [weight_file(card, tag) for card in cards for tag in card.weights]


def cache_home() -> Path:
    """Return the folder of downloaded files.

    Examples:
        >>> cache_home().is_absolute()
        True

    ``COLORZOO_HOME`` if set, else ``colorzoo`` below ``XDG_CACHE_HOME`` or the platform's cache folder.
    """
    if home := os.environ.get("COLORZOO_HOME"):
        return Path(home).expanduser()
    return _user_cache() / "colorzoo"


def weight_file(card: ModelCard, tag: str) -> WeightFile:
    """Return a weight file of a card by its tag; it may be missing.

    Raises:
        WeightsError: The card has no weights of that tag; the message lists its tags.
    """
    return WeightFile(card.name, tag, _entry(card, tag), weights_path(card, tag))


def weights_path(card: ModelCard, tag: str) -> Path:
    """Return the path of a weight file of a card, or the path to which it would be downloaded.

    Examples:
        >>> weights_path(colorzoo.model_card("zhang2017_local_small"), "default").suffix
        '.safetensors'

    The hash is part of a downloaded file's name, so a newer card never finds an older file.

    Raises:
        WeightsError: The card has no weights of that tag.
    """
    weights = _entry(card, tag)
    if weights.file is not None:
        return embedded_folder() / weights.file
    ending = PurePosixPath(urlsplit(weights.urls[0]).path).suffix if weights.urls else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,11}", ending):
        ending = ".weights"
    digits = weights.sha256 or weights.digest.partition(":")[2]
    mark = f"-{digits[:8]}" if digits else ""
    return cache_home() / "weights" / f"{card.name}-{tag}{mark}{ending}"


def _entry(card: ModelCard, tag: str) -> Weights:
    if tag not in card.weights:
        raise WeightsError(f"{card.name} has no weights {tag!r}; {known_tags(card)}")
    return card.weights[tag]


def default_tags(card: ModelCard) -> list[str]:
    """Return the tags of a card that ``"default"`` stands for, in order of preference."""
    return [tag for tag in ("default", "published") if tag in card.weights]


def known_tags(card: ModelCard) -> str:
    """Return a clause for messages that lists the tags of a card."""
    if not card.trainable:
        return "it needs none"
    return f"it has {', '.join(map(repr, card.weights))}" if card.weights else "its card names none"


def embedded_folder() -> Path:
    """Return the folder of the weights that ship inside the package."""
    return Path(str(files("colorzoo.weights"))) / "embedded"


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
