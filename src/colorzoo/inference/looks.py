"""Looks: all that a model needs of a reference, computed once, kept in a file of a few kilobytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor

from colorzoo.errors import GuidanceError, WeightsError
from colorzoo.weights.load import is_safetensors, load_state_dict_file, read_metadata, save_weights

KIND = "colorzoo look"
_STATISTICS = "statistics"


@runtime_checkable
class GivesLooks(Protocol):
    """A model that needs no more of a reference than a few numbers: moments of its features, or a vector."""

    def look(self, rgb: Tensor) -> Tensor:
        """Return ``(B, R, C)`` of references ``(B, 3, H, W)`` in [0, 1]; weighted means mix looks.

        Means and deviations are two rows, an embedding is one.
        """

    def look_key(self) -> str:
        """Return text that is equal for two models exactly if their looks mean the same."""


@dataclass(frozen=True)
class Look:
    """What a model knows of a reference, or of several.

    Attributes:
        statistics: ``(1, R, C)`` float32 on the CPU, see `GivesLooks.look`.
        key: Of the model that made it, see `GivesLooks.look_key`.
        model: Its name.
    """

    statistics: Tensor
    key: str
    model: str

    def save(self, path: str | Path) -> None:
        """Write the look as safetensors, whole or not at all."""
        metadata = {"kind": KIND, "model": self.model, "key": self.key}
        save_weights(Path(path), {_STATISTICS: self.statistics}, metadata, half=False)

    @classmethod
    def load(cls, path: str | Path) -> Look:
        """Read a look.

        Raises:
            GuidanceError: No such file, or no look.
        """
        try:
            metadata = read_metadata(Path(path))
            statistics = load_state_dict_file(Path(path)).get(_STATISTICS)
        except WeightsError as error:
            raise GuidanceError(f"the look cannot be read: {error}.") from error
        sound = statistics is not None and statistics.ndim == 3 and len(statistics) == 1
        if metadata.get("kind") != KIND or statistics is None or not sound:
            raise GuidanceError(f"{path} is no look; `colorzoo look REFERENCE -o {path}` makes one.")
        return cls(statistics.float(), metadata.get("key", ""), metadata.get("model", ""))

    def check_for(self, model: object) -> None:
        """Make sure that a model can use this look.

        Raises:
            GuidanceError: It takes none, or another model or other weights made it.
        """
        name = type(model).__name__
        if not isinstance(model, GivesLooks):
            raise GuidanceError(f"{name} needs the reference picture itself, not a look of {self.model}.")
        if self.key != model.look_key():
            raise GuidanceError(
                f"this look was made by {self.model} with other weights than those in use; "
                "make it again from its reference with `colorzoo look`."
            )


def is_look(path: Path) -> bool:
    """Say whether a file is safetensors, so that it can only be a look and no picture."""
    return path.is_file() and is_safetensors(path)


def mix(looks: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Return the weighted mean of looks ``(1, R, C)``.

    Means mix as they are. Deviations mix as such too, not as variances about the common mean, which would
    make a warm and a cold reference more vivid together than either.

    Args:
        looks: One of each reference.
        weights: Not negative; only their ratios count.

    Raises:
        GuidanceError: The numbers differ, a weight is negative, or none is above 0.
    """
    total = sum(weights)
    if len(weights) != len(looks) or min(weights, default=-1) < 0 or not 0 < total < float("inf"):
        raise GuidanceError(
            f"{len(looks)} references need as many weights from 0, one of them above 0; got {list(weights)}."
        )
    return torch.stack([look * (w / total) for look, w in zip(looks, weights, strict=True)]).sum(0)
