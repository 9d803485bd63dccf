"""Choosing the weights of a model and putting them into it."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from colorzoo.card import ModelCard, Weights
from colorzoo.errors import WeightsError
from colorzoo.weights._files import megabytes, sha256_of
from colorzoo.weights.catalog import known_tags, weights_entry, weights_path
from colorzoo.weights.download import fetch
from colorzoo.weights.load import model_of_file, read_hparams

if TYPE_CHECKING:
    from torch import Tensor, nn

_SHOWN = 3  # keys of each kind in a message


@dataclass(frozen=True)
class ResolvedWeights:
    """A weight file that is on this machine.

    Attributes:
        path: The file.
        weights: Entry of the model's card, or None for a file of the user's own.
        hparams: Constructor arguments that these weights need.
    """

    path: Path
    weights: Weights | None = None
    hparams: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sha256(self) -> str | None:
        """Hash to check at loading; None for a file of the user's own."""
        return self.weights.sha256 if self.weights else None

    @property
    def published(self) -> bool:
        """True when the keys are those of the authors."""
        return self.weights is not None and self.weights.published


def resolve_weights(
    card: ModelCard, weights: str | Path | None, *, offline: bool = False
) -> ResolvedWeights | None:
    """Find the weight file that a user means, fetching it if need be.

    Args:
        card: The model.
        weights: ``"default"`` (the embedded file, else the published one, else none with a warning),
            another tag of the card such as ``"published"``, the path of a file, or None.
        offline: Open no connection.

    Returns:
        The file, or None for a model that stays untrained or needs no weights.

    Raises:
        WeightsError: A tag other than ``"default"`` cannot be had, there is no such file, or the model has
            no weights to load.
    """
    if weights is None or (weights == "default" and not card.trainable):
        return None
    if not card.trainable:
        raise WeightsError(
            f"weights {str(weights)!r}: {card.name} has no weights to load, {known_tags(card)}"
        )
    if weights == "default":
        return _default(card, offline)
    if isinstance(weights, str) and (weights in card.weights or weights == "published"):
        return _tagged(card, weights, offline)
    return _own_file(card, weights)


def apply_weights(model: nn.Module, state_dict: Mapping[str, Tensor], *, name: str, published: bool) -> None:
    """Put weights into a model; all of them or, when they do not fit, none.

    Args:
        model: The model; half precision is widened to float32 on the way. What only training needs (see
            `ColorizationModule.for_inference`) may be missing as a whole, and keeps its start.
        state_dict: Tensors by name.
        name: What a message calls these weights.
        published: The keys are the authors', and ``model.load_published_state_dict`` translates them, unless
            they are the model's own.

    Raises:
        WeightsError: Keys are missing, unexpected or of another shape.
    """
    import torch

    low = (torch.float16, torch.bfloat16)
    wide = {key: value.float() if value.dtype in low else value for key, value in state_dict.items()}
    own = model.state_dict()
    # who states no hash cannot be told from a model of ours that was saved bare, but for the names
    if published and not wide.keys() <= own.keys():
        _load_published(model, wide, name)
        return
    used: Any = getattr(model, "for_inference", dict)(own)
    spare = own.keys() - used.keys()
    if not spare & wide.keys():
        wide |= {key: own[key] for key in spare}
    if misfits := _misfits(own, wide):
        raise WeightsError(f"{name} does not fit {type(model).__name__}: {'; '.join(misfits)}")
    model.load_state_dict(wide)


def _default(card: ModelCard, offline: bool) -> ResolvedWeights | None:
    tags = [tag for tag in ("default", "published") if tag in card.weights]
    reason = f"{known_tags(card)}; pass one of them, or the path of a file, as weights"
    for tag in tags:
        try:
            return _tagged(card, tag, offline)
        except WeightsError as error:
            if card.weights[tag].file is not None:  # a broken installation is no lack of network
                raise
            reason = str(error)
    warnings.warn(f"{card.name} is untrained, its weights are random: {reason}", UserWarning, stacklevel=4)
    return None


def _tagged(card: ModelCard, tag: str, offline: bool) -> ResolvedWeights:
    entry = weights_entry(card, tag)
    path = weights_path(card, tag)
    if entry.file is None:
        fetch(entry, path, offline=offline)
    elif not path.is_file():
        raise WeightsError(
            f"{path} ({megabytes(entry.size)}), which belongs to the package, is missing; reinstall colorzoo"
        )
    return ResolvedWeights(path, entry, entry.hparams)


def _own_file(card: ModelCard, weights: str | Path) -> ResolvedWeights:
    path = Path(weights).expanduser()
    if path.is_file():
        entry = entry_of(card, path)
        if entry is None and (recorded := read_hparams(path)):
            return ResolvedWeights(path, None, recorded)
        entry = entry or _unhashed_entry(card, path)
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
    """Recognize by its hash a file that a user fetched by hand; None for any other file."""
    found = sha256_of(path) if card.weights else ""
    return next((entry for entry in card.weights.values() if entry.sha256 == found), None)


def _unhashed_entry(card: ModelCard, path: Path) -> Weights | None:
    """Return what a file without settings may be: the authors', if they state no hash to know theirs by."""
    if model_of_file(path) is not None:
        return None
    unhashed = (entry for entry in card.weights.values() if entry.published and entry.sha256 is None)
    return next(unhashed, None)


def _load_published(model: nn.Module, state_dict: dict[str, Tensor], name: str) -> None:
    loader: Any = model  # the method belongs to ColorizationModule, which a tensor library need not know
    try:
        loader.load_published_state_dict(state_dict)
    except (KeyError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise WeightsError(f"{name} does not fit {type(model).__name__}: {reason}") from error


def _misfits(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> list[str]:
    """Say in clauses what differs between the keys and shapes of two state dicts."""
    missing = [key for key in expected if key not in found]
    unexpected = [key for key in found if key not in expected]
    reshaped = [
        f"{key}: expected {tuple(value.shape)}, found {tuple(found[key].shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", reshaped))
    return [f"{len(keys)} {kind} ({_first(keys)})" for kind, keys in kinds if keys]


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")
