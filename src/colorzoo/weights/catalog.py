"""Weight files that are listed on model cards: local paths and hash checks."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal
from urllib.parse import urlsplit

from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.files import sha256_of, write_atomic
from colorzoo.registry import list_models, model_card

Where = Literal["embedded", "cached", "missing"]
EMBEDDED_FOLDER = Path(__file__).parent / "embedded"
"""Folder of the weights that are part of the package."""


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
        weights: Description of these weights on the card.
        path: Path of the file; the file may be missing.
    """

    model: str
    tag: str
    weights: Weights
    path: Path

    @property
    def where(self) -> Where:
        """Location: ``"embedded"`` in the package, ``"cached"`` locally, or ``"missing"``."""
        if not self.path.is_file():
            return "missing"
        return "cached" if self.weights.file is None else "embedded"

    @property
    def sha256(self) -> str | None:
        """SHA-256 from the card, else the hash recorded at the first use, else None."""
        return self.weights.sha256 or recorded_sha256(self.path)

    @property
    def code_license(self) -> str:
        """License of the code that was published with the weights."""
        return self.weights.code_license or ("Apache-2.0" if self.weights.file else "unknown")

    @property
    def origin(self) -> str:
        """Source of the file: ``"package"``, or the host of its first URL."""
        if self.weights.file is not None:
            return "package"
        return urlsplit(self.weights.urls[0]).hostname or "nowhere" if self.weights.urls else "nowhere"

    def to_dict(self) -> dict[str, Any]:
        """Return the attributes as plain JSON types."""
        entry = asdict(self.weights)
        row = {"model": self.model, "tag": self.tag, "path": str(self.path), "where": self.where}
        row |= entry | {"urls": list(self.weights.urls), "hparams": dict(self.weights.hparams)}
        return row | {"code_license": self.code_license, "origin": self.origin}


def list_weights(cards: Iterable[ModelCard] | None = None) -> list[WeightFile]:
    """Return the weight files of model cards, by default of all models.

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

    The folder is ``COLORZOO_HOME`` if this environment variable is set. Otherwise it is the folder
    ``colorzoo`` in ``XDG_CACHE_HOME`` or in the cache folder of the platform.
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
    """Return the weight file of a tag; the file may be missing.

    Raises:
        WeightsError: The card does not contain the tag; the message lists its tags.
    """
    if tag not in card.weights:
        raise WeightsError(f"weights must be a tag of {card.name}, got {tag!r}: {known_tags(card)}.")
    weights = card.weights[tag]
    if weights.file is not None:
        return WeightFile(card.name, tag, weights, EMBEDDED_FOLDER / weights.file)
    ending = PurePosixPath(urlsplit(weights.urls[0]).path).suffix if weights.urls else ""
    if not re.fullmatch(r"\.[A-Za-z0-9]{1,11}", ending):
        ending = ".weights"
    mark = f"-{weights.sha256[:8]}" if weights.sha256 else ""
    return WeightFile(card.name, tag, weights, cache_home() / "weights" / f"{card.name}-{tag}{mark}{ending}")


def weights_path(card: ModelCard, tag: str) -> Path:
    """Return the path of the weight file of a tag; the file may be missing.

    Examples:
        >>> weights_path(colorzoo.model_card("zhang2017_local_small"), "default").suffix
        '.safetensors'

    The name of a downloaded file contains its hash. If a newer version of the card lists a different hash,
    the file is downloaded again.

    Raises:
        WeightsError: The card does not contain the tag.
    """
    return weight_file(card, tag).path


def default_files(card: ModelCard) -> list[WeightFile]:
    """Return the weight files of a card that ``"default"`` selects, in order of preference.

    The order is: the published file if it is in the cache, the embedded file, a download of the published
    file.
    """
    found = [weight_file(card, tag) for tag in ("default", "published") if tag in card.weights]
    return sorted(found, key=lambda file: file.where != "cached")


def known_tags(card: ModelCard) -> str:
    """Return a phrase for error messages that lists the tags of a card."""
    if not card.trainable:
        return "the model has no trainable weights"
    tags = ", ".join(map(repr, card.weights))
    return f"known tags are {tags}" if tags else "its model card lists no weights"


def file_problem(file: WeightFile) -> str:
    """Verify the hash of a weight file; return the problem, or an empty string."""
    if file.where == "missing":
        return "missing"
    if file.sha256 is None or (found := sha256_of(file.path)) == file.sha256:
        return ""
    if file.weights.sha256 is None:
        record = _record_of(file.path)
        return f"changed since its first use: expected SHA-256 {file.sha256}, got {found}. Remove {record}"
    return f"expected SHA-256 {file.sha256}, got {found}"


def recorded_sha256(path: Path) -> str | None:
    """Return the hash recorded when a file was first used; None before the first use."""
    try:
        return _record_of(path).read_text(encoding="ascii").strip() or None
    except (OSError, ValueError):
        return None


def record_first_use(path: Path) -> None:
    """Record the hash of a file without a published hash, so that a later change is detected."""
    with suppress(OSError):  # the cache can be read-only
        write_atomic(_record_of(path), f"{sha256_of(path)}\n".encode())


def _record_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
