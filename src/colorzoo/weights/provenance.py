"""Provenance of weights: a record of the training, stored in checkpoints and weight files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

_FORMER_KEYS = {"pictures": "images"}  # keys in weight files of versions before 0.2.0


@dataclass(frozen=True)
class Provenance:
    """Record of the training of weights; unknown fields are empty.

    Attributes:
        model: Name of the trained class.
        stage: Training stage, if the paper has stages.
        start: Origin of the initial weights: ``model`` or ``file``, ``sha256`` and ``provenance``.
        config: Configuration files, in order.
        commit: Git commit of colorzoo during training.
        data: Number of training ``images``, and ``sha256`` of the images' relative names and sizes.
        earlier: Earlier segments of a resumed training that used other data or another commit: ``until``
            (last step of the segment), ``commit`` and ``data``.
        steps: Number of optimizer steps.
        images: Number of training samples that all processes have used.
    """

    model: str = ""
    stage: str | None = None
    start: Mapping[str, Any] | None = None
    config: tuple[str, ...] = ()
    commit: str | None = None
    data: Mapping[str, Any] | None = None
    earlier: tuple[Mapping[str, Any], ...] = ()
    steps: int = 0
    images: int = 0

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self:
        """Read the record in a checkpoint or a weight file; unknown fields are ignored."""
        known = {each.name for each in fields(cls)}
        stored = {_FORMER_KEYS.get(key, key): value for key, value in (stored or {}).items()}
        found = {key: value for key, value in stored.items() if key in known}
        lists = {key: tuple(found.get(key, ())) for key in ("config", "earlier")}
        return cls(**{**found, **lists})

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain JSON types."""
        return {**asdict(self), "config": list(self.config), "earlier": list(self.earlier)}


def data_digest(images: list[str]) -> dict[str, Any]:
    """Return the number of images and a hash of their names, independent of their order."""
    text = "\n".join(sorted(images)).encode()
    return {"images": len(images), "sha256": hashlib.sha256(text).hexdigest()}
