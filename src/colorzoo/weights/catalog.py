"""Weight files of the model cards: their paths on this machine, and whether they are intact."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from colorzoo.atomic import write_atomic
from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.registry import list_models, model_card
from colorzoo.weights.files import digest_mismatch, megabytes, sha256_of

Where = Literal["embedded", "cached", "missing"]
Status = Literal["embedded", "verified", "recorded", "unchecked", "changed", "refused", "missing"]

# Factors on an estimated size: half precision; an optimizer of three times the weights.
_LEAST, _MOST = 0.3, 4


@dataclass(frozen=True)
class FileState:
    """State of one weight file.

    Attributes:
        status: ``"embedded"``: ships with the package; ``"verified"``: has the hash on the card;
            ``"recorded"``: has the hash of its first use; ``"unchecked"``: never used, no SHA-256 is stated;
            ``"changed"``: has another hash; ``"refused"``: is not the file of the card; ``"missing"``.
        sha256: Its expected hash, if there is one.
        reason: What is wrong, for use after a colon in a message; empty if nothing is.
    """

    status: Status
    sha256: str | None = None
    reason: str = ""

    @property
    def trusted(self) -> bool:
        """True if the file may be used without further checks."""
        return self.status in ("embedded", "verified", "recorded")


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
    if xdg := os.environ.get("XDG_CACHE_HOME"):
        return Path(xdg) / "colorzoo"
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path.home() / ".cache"
    return cache / "colorzoo"


def weight_file(card: ModelCard, tag: str) -> WeightFile:
    """Return a weight file of a card by its tag; it may be missing.

    Raises:
        WeightsError: The card has no weights of that tag; the message lists its tags.
    """
    if tag not in card.weights:
        raise WeightsError(f"{card.name} has no weights {tag!r}; {known_tags(card)}")
    weights = card.weights[tag]
    if weights.file is not None:
        return WeightFile(card.name, tag, weights, embedded_folder() / weights.file)
    ending = PurePosixPath(urlsplit(weights.urls[0]).path).suffix if weights.urls else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,11}", ending):
        ending = ".weights"
    digits = weights.sha256 or weights.digest.partition(":")[2]
    mark = f"-{digits[:8]}" if digits else ""
    return WeightFile(card.name, tag, weights, cache_home() / "weights" / f"{card.name}-{tag}{mark}{ending}")


def weights_path(card: ModelCard, tag: str) -> Path:
    """Return the path of a weight file of a card, or the path to which it would be downloaded.

    Examples:
        >>> weights_path(colorzoo.model_card("zhang2017_local_small"), "default").suffix
        '.safetensors'

    The hash is part of a downloaded file's name, so a newer card never finds an older file.

    Raises:
        WeightsError: The card has no weights of that tag.
    """
    return weight_file(card, tag).path


def default_tags(card: ModelCard) -> list[str]:
    """Return the tags of a card that ``"default"`` stands for, in order of preference.

    These are the published file if it is in the cache, the embedded file, and the published file to download.
    """
    tags = [tag for tag in ("default", "published") if tag in card.weights]
    return sorted(tags, key=lambda tag: weight_file(card, tag).where != "cached")


def known_tags(card: ModelCard) -> str:
    """Return a clause for messages that lists the tags of a card."""
    if not card.trainable:
        return "it needs none"
    return f"it has {', '.join(map(repr, card.weights))}" if card.weights else "its card names none"


def embedded_folder() -> Path:
    """Return the folder of the weights that ship inside the package."""
    return Path(str(files("colorzoo.weights"))) / "embedded"


def inspect_file(weights: Weights, path: Path, *, rehash: bool = False) -> FileState:
    """Return the state of a weight file.

    Args:
        weights: Entry of the model's card.
        path: Path of the file; it may be missing.
        rehash: Compute the hash of the file; otherwise a file whose hash is known counts as intact.
    """
    if not path.is_file():
        return FileState("missing", reason="missing")
    recorded = None if weights.sha256 else recorded_sha256(path)
    expected = weights.sha256 or recorded
    if expected is None:
        reason = wrong_size(weights, path.stat().st_size) or digest_mismatch(path, weights.digest)
        return FileState("refused" if reason else "unchecked", reason=reason)
    if rehash and (found := sha256_of(path)) != expected:
        reason = f"expected sha256 {expected}, found {found}"
        if recorded:
            reason = (
                f"changed since its first use: {reason}; to trust the new file, remove {_record_of(path)}"
            )
        return FileState("changed", expected, reason)
    if weights.file is not None:
        return FileState("embedded", expected)
    return FileState("recorded" if recorded else "verified", expected)


def recorded_sha256(path: Path) -> str | None:
    """Return the hash that a file had at its first use; None if it was never used."""
    try:
        text = _record_of(path).read_text(encoding="ascii")
    except (OSError, ValueError):
        return None
    return text.strip() if re.fullmatch(r"[0-9a-f]{64}\s*", text) else None


def record_first_use(path: Path) -> None:
    """Record the hash of a file whose authors state none, so that a later change is found."""
    with suppress(OSError):  # a read-only cache: the file is checked again next time
        write_atomic(_record_of(path), f"{sha256_of(path)}\n".encode())


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def wrong_size(weights: Weights, size: int) -> str:
    """Return why a file of this many bytes cannot be the one of a card, or an empty string if it can."""
    if weights.size_stated:
        return "" if size == weights.size else f"has {size} bytes instead of {weights.size}"
    if _LEAST * weights.size <= size <= _MOST * weights.size:
        return ""
    return f"has {megabytes(size)} instead of about {megabytes(weights.size)}"
