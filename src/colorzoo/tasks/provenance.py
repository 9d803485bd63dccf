"""Where weights come from: recorded in training, carried by checkpoints and packed weight files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self


@dataclass(frozen=True)
class Provenance:
    """How a model's weights were made; fields are empty where nothing is known.

    Attributes:
        model: Class that was trained.
        stage: Stage of the paper that it was in, if the paper has stages.
        start: What training began with: ``model`` or ``file``, ``sha256``, and the ``provenance`` of that.
        config: Configuration files, in order.
        commit: Of colorzoo's source.
        data: ``pictures`` (how many) and ``sha256`` of their sorted names.
        steps: Optimizer steps taken in this training (of each optimizer).
        pictures: Pictures seen in this training, over all processes.
    """

    model: str = ""
    stage: str | None = None
    start: Mapping[str, Any] | None = None
    config: tuple[str, ...] = ()
    commit: str | None = None
    data: Mapping[str, Any] | None = None
    steps: int = 0
    pictures: int = 0

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Return what a checkpoint or a weight file stores; what this version does not know is left out."""
        known = {each.name for each in fields(cls)}
        found = {key: value for key, value in (stored or {}).items() if key in known}
        return cls(**{**found, "config": tuple(found.get("config", ()))})

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        return {**asdict(self), "config": list(self.config)}


def data_digest(names: list[str]) -> dict[str, Any]:
    """Return how many pictures a training has, and a hash of their names whatever their order."""
    text = "\n".join(sorted(names)).encode()
    return {"pictures": len(names), "sha256": hashlib.sha256(text).hexdigest()}
