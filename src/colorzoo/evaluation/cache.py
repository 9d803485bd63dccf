"""Cache of results for resuming an interrupted evaluation."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from colorzoo._machine import source_digest
from colorzoo.evaluation.images import digest
from colorzoo.evaluation.protocol import Protocol
from colorzoo.files import write_atomic
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.registry import plugins

TRUE_IMAGE, REFERENCE = -1, -2  # keys of the thumbnails of ground truth and reference
_IRRELEVANT = {"version", "title", "source", "notes", "text", "subset", "metrics", "interactions"}
"""Protocol fields that do not change the results of an image."""
_BY_COUNT = ("moments", "features", "actual_interactions", "thumbnails")
"""Fields of `Entry` whose keys are numbers, which JSON stores as strings."""


@dataclass
class Entry:
    """Cached results of one method for one image.

    Attributes:
        moments: Metric states of the image (moments, see `colorzoo.metrics.base`), by number of interactions
            and by key of the report column.
        features: Feature vectors for set metrics such as FID, with the same keys as ``moments``.
        actual_interactions: Actual number of interactions by requested number.
        thumbnails: ``data:`` URLs of JPEG thumbnails. The keys are `TRUE_IMAGE` for the ground truth,
            `REFERENCE` for the reference, and the largest number of interactions for the result.
        points: Color points after the largest number of interactions; see `colorzoo.evaluation.figure.Mark`.
        skipped: Reason why the image was not evaluated; empty if it was evaluated.
        gray: Whether the ground truth has no color.
    """

    moments: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    features: dict[int, dict[str, list[float]]] = field(default_factory=dict)
    actual_interactions: dict[int, int] = field(default_factory=dict)
    thumbnails: dict[int, str] = field(default_factory=dict)
    points: list[tuple[float, float, str]] = field(default_factory=list)
    skipped: str = ""
    gray: bool = False

    def lacks(self, counts: Collection[int], keys: Collection[str]) -> bool:
        """Return whether the evaluation must still compute a value or the result thumbnail.

        The result is True for skipped images, because the cause can have been removed.

        Args:
            counts: Numbers of interactions that the report requires.
            keys: Keys of the report columns.
        """
        for count in counts:
            if count not in self.actual_interactions:
                return True
            computed_keys = self.moments[count].keys() | self.features[count].keys()
            if not computed_keys >= set(keys):
                return True
        return max(counts) not in self.thumbnails


class Cache:
    """Folder with a cached entry for each combination of protocol, machine, method and image.

    The folder name contains a hash of the source files of this package, of installed plug-ins and of kinds of
    guidance, because models, metrics and decoders can change without a new version.

    Args:
        folder: Folder of the cache.
        protocol: The protocol. Its settings are hashed into the folder name, except the subset, metrics and
            numbers of interactions, which can be changed later.
        machine: Result of `colorzoo.evaluation.run.describe_machine`, also hashed into the folder name
            because results differ between machines.
        versions: Hashes of the metrics that do not belong to colorzoo; empty strings are ignored.
    """

    def __init__(
        self, folder: Path, protocol: Protocol, machine: Mapping[str, Any], versions: Iterable[str] = ()
    ) -> None:
        settings = {each.name: getattr(protocol, each.name) for each in fields(protocol)}
        for name in _IRRELEVANT:
            del settings[name]
        modules = [each.module for each in plugins()] + [type(kind).__module__ for kind in guidance_kinds()]
        packages = {module.partition(".")[0] for module in modules} - {"colorzoo"}
        key = digest(source_digest(*packages), repr((machine, settings)), *filter(None, versions))
        self._folder = folder / f"{protocol.name}-{key[:12]}"

    def read(self, method: str, image: str) -> Entry:
        """Return the entry for a method and an image, or an empty entry if none is cached."""
        try:
            values = json.loads(self._path(method, image).read_bytes())
            for name in _BY_COUNT:
                values[name] = {int(count): value for count, value in values[name].items()}
            values["points"] = [tuple(point) for point in values["points"]]
            return Entry(**values)
        except (OSError, ValueError, KeyError):  # missing or damaged entries are computed again
            return Entry()

    def write(self, method: str, image: str, entry: Entry) -> None:
        """Store the entry for a method and an image."""
        write_atomic(self._path(method, image), json.dumps(vars(entry)).encode())

    def delete(self, method: str) -> None:
        """Delete the entries of a method."""
        shutil.rmtree(self._folder / method, ignore_errors=True)

    def _path(self, method: str, image: str) -> Path:
        return self._folder / method / f"{image[:32]}.json"
