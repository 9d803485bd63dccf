"""Resolution of the ``weights`` argument to a file on this machine."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.weights.catalog import default_tags, known_tags, weight_file
from colorzoo.weights.file_record import FileState, inspect_file
from colorzoo.weights.files import digest_mismatch, megabytes, sha256_of
from colorzoo.weights.load import model_of_file, read_hparams

HUB = "hf-hub:"
"""Prefix of the name of a repository of the Hugging Face Hub, as in timm."""


@dataclass(frozen=True)
class ResolvedWeights:
    """A weight file on this machine.

    Examples:
        >>> ResolvedWeights(Path("mine.safetensors")).published
        False

    Attributes:
        path: The file.
        entry: Entry of the model's card, or None for a file of the user's own.
        hparams: Constructor arguments that these weights need.
        state: State of the file; None for a file of the user's own.
    """

    path: Path
    entry: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)
    state: FileState | None = None

    @property
    def sha256(self) -> str | None:
        """Expected hash, by the card or the first use; None for a file of the user's own."""
        recorded = self.state.sha256 if self.state else None
        return (self.entry.sha256 if self.entry else None) or recorded

    @property
    def unverified_sha256(self) -> str | None:
        """Hash to verify on loading; None where it is verified already or not stated."""
        known = self.state is not None and self.state.status in ("verified", "recorded")
        return None if known else self.sha256

    @property
    def published(self) -> bool:
        """True if the keys are those of the authors."""
        return self.entry is not None and self.entry.published


def resolve_weights(
    card: ModelCard, weights: str | Path | ResolvedWeights | None, *, offline: bool = False
) -> ResolvedWeights | None:
    """Find the weight file that a user means, downloading it if necessary.

    Examples:
        >>> card = colorzoo.model_card("zhang2017_local_small")
        >>> resolve_weights(card, "default").path.suffix
        '.safetensors'

    Args:
        card: The model.
        weights: ``"default"`` (the embedded file, else the published one, else none with a warning),
            another tag of the card such as ``"published"``, the path of a file, or None. Resolved weights are
            returned as they are.
        offline: Open no connection.

    Returns:
        The file, or None for a model that stays untrained or needs no weights.

    Raises:
        WeightsError: Weights other than ``"default"`` are not available, there is no such file, or the model
            has no weights.
    """
    if isinstance(weights, ResolvedWeights):
        return weights
    if weights is None or (weights == "default" and not card.trainable):
        return None
    if not card.trainable:
        raise WeightsError(
            f"weights {str(weights)!r}: {card.name} has no weights to load, {known_tags(card)}"
        )
    if weights == "default":
        return _resolve_default(card, offline)
    if isinstance(weights, str) and (weights in card.weights or weights == "published"):
        return _resolve_tag(card, weights, offline)
    return _resolve_file(card, weights)


def _resolve_default(card: ModelCard, offline: bool) -> ResolvedWeights | None:
    reason = "its card names no weights; pass the path of a file as weights"
    if card.weights:
        reason = f"{known_tags(card)}; pass one of them, or the path of a file, as weights"
    for tag in default_tags(card):
        try:
            return _resolve_tag(card, tag, offline)
        except WeightsError as error:
            if card.weights[tag].file is not None:  # a broken installation, not a missing network
                raise
            reason = str(error)
    warnings.warn(f"{card.name} is untrained, its weights are random: {reason}", UserWarning, stacklevel=4)
    return None


def _resolve_tag(card: ModelCard, tag: str, offline: bool) -> ResolvedWeights:
    file = weight_file(card, tag)
    entry, path = file.weights, file.path
    state = inspect_file(entry, path)
    if entry.file is not None and state.status == "missing":
        raise WeightsError(
            f"{path} ({megabytes(entry.size)}) is part of the package, but missing; reinstall colorzoo"
        )
    if state.status == "refused":
        again = f"`colorzoo weights fetch {card.name} --tag {tag}` downloads it again"
        raise WeightsError(f"{path} is not used: {state.reason}; {again}")
    if not state.trusted:
        from colorzoo.weights.download import fetch

        state = inspect_file(entry, fetch(entry, path, offline=offline))
    return ResolvedWeights(path, entry, entry.hparams, state)


def _resolve_file(card: ModelCard, weights: str | Path) -> ResolvedWeights:
    from colorzoo.weights.sharded import is_sharded

    path = Path(weights).expanduser()
    if path.is_file() or is_sharded(path):
        entry = entry_of(card, path)
        if entry is None and (recorded := read_hparams(path)):
            return ResolvedWeights(path, None, recorded)
        entry = entry or entry_without_hash(card, path)
        return ResolvedWeights(path, entry, entry.hparams if entry else {})
    if "://" in str(weights):
        raise WeightsError(
            f"weights {weights!r}: an address has no hash to check; download it and pass the file's path; "
            f"of {card.name}: {known_tags(card)}"
        )
    raise WeightsError(
        f"weights {str(weights)!r}: no such file, and no tag of {card.name}: {known_tags(card)}"
    )


def entry_of(card: ModelCard, path: Path) -> Weights | None:
    """Return the entry of a card whose hash or digest a file has; None for any other file."""
    found = sha256_of(path) if card.weights else ""
    for entry in card.weights.values():
        if entry.sha256 == found:
            return entry
        if entry.digest and path.is_file() and not digest_mismatch(path, entry.digest):
            return entry
    return None


def entry_without_hash(card: ModelCard, path: Path) -> Weights | None:
    """Return the authors' entry that a file without settings may belong to, if they state no hash."""
    unstated = (entry for entry in card.weights.values() if entry.sha256 is None and not entry.digest)
    entries = [entry for entry in unstated if entry.published]
    return entries[0] if entries and model_of_file(path) is None else None
