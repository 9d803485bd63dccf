"""The cache: one file a picture and method, written whole, so that a killed run goes on where it stopped."""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.report_files import digest, write_whole

TRUE_PICTURE, REFERENCE = -1, -2  # thumbnails of these, in place of a number of interactions
_VERSION = "2"  # raise when what is stored means something else


@dataclass
class Entry:
    """All that is known of one picture colored by one method.

    Attributes:
        moments: By number of interactions, then by the key of an output.
        features: Likewise, vectors of feature networks.
        given: By number of interactions: how many the user really had.
        thumbnails: JPEG files by number of interactions (the largest), of the truth and of the reference.
        skipped: Why there is no result; empty if there is one.
        gray: Whether the truth has no color.
    """

    moments: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    features: dict[int, dict[str, NDArray[np.float32]]] = field(default_factory=dict)
    given: dict[int, int] = field(default_factory=dict)
    thumbnails: dict[int, bytes] = field(default_factory=dict)
    skipped: str = ""
    gray: bool = False

    def lacks(self, counts: Collection[int], keys: Iterable[str]) -> bool:
        """Say whether a number or the last thumbnail is missing; a skipped picture lacks nothing."""
        wanted = set(keys)
        if self.skipped:
            return False
        return max(counts) not in self.thumbnails or any(
            count not in self.given or wanted - {*self.moments[count], *self.features[count]}
            for count in counts
        )


class Cache:
    """Entries below a folder, by what decides results: protocol, method, picture.

    Args:
        folder: Where to keep them.
        protocol: The part that decides results is hashed; metrics and numbers of interactions may be added.
    """

    def __init__(self, folder: Path, protocol: Protocol) -> None:
        decisive = (protocol.resize, protocol.references, protocol.user, protocol.background, protocol.seed)
        self._folder = folder / f"{protocol.name}-{digest(_VERSION, repr(decisive))[:12]}"

    def read(self, method: str, picture: str) -> Entry:
        """Return an entry by the method's key and the picture's hash; an empty one if there is none."""
        try:
            return _from_json(json.loads(self._path(method, picture).read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError):  # absent, or not ours: made again
            return Entry()

    def write(self, method: str, picture: str, entry: Entry) -> None:
        """Keep an entry."""
        write_whole(self._path(method, picture), json.dumps(_to_json(entry)))

    def _path(self, method: str, picture: str) -> Path:
        return self._folder / method / f"{picture[:32]}.json"


def _to_json(entry: Entry) -> dict[str, Any]:
    return {
        "moments": entry.moments,
        "features": {
            count: {key: _text(vector.astype("<f4").tobytes()) for key, vector in vectors.items()}
            for count, vectors in entry.features.items()
        },
        "given": entry.given,
        "thumbnails": {count: _text(data) for count, data in entry.thumbnails.items()},
        "skipped": entry.skipped,
        "gray": entry.gray,
    }


def _from_json(values: dict[str, Any]) -> Entry:
    return Entry(
        moments={int(count): found for count, found in values["moments"].items()},
        features={
            int(count): {
                key: np.frombuffer(base64.b64decode(text), "<f4").astype(np.float32)
                for key, text in found.items()
            }
            for count, found in values["features"].items()
        },
        given={int(count): found for count, found in values["given"].items()},
        thumbnails={int(count): base64.b64decode(text) for count, text in values["thumbnails"].items()},
        skipped=values["skipped"],
        gray=values["gray"],
    )


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
