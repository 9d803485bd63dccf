"""Look at every file of a data set, and report what is broken, odd, twice there or in the wrong place."""

from __future__ import annotations

import os
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from colorzoo.data.examine import Examined, Kind, examine
from colorzoo.data.layouts.judge import LayoutJudgment, judge_layout
from colorzoo.data.parallel import bounded_map
from colorzoo.data.sources import EXTENSIONS, Source, tar_sources, walk_files
from colorzoo.errors import DataError

NOT_READ = frozenset({".gif", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".ppm", ".tga"})
"""Extensions of pictures that DataModules leave out."""

NEAR_BITS = 3
"""Two difference hashes that differ in at most so many of 64 bits belong to near duplicates."""

_CLASS_MAPS = ("stuffthingmaps", "_pixelmaps", f"{os.sep}annotations{os.sep}")


@dataclass(frozen=True)
class Finding:
    """One remarkable thing about one picture."""

    path: str
    kind: Kind
    detail: str


@dataclass
class VerifyReport:
    """What `verify` found.

    Attributes:
        root: The folder.
        layout: Judgment of its layout.
        pictures: Number of pictures looked at, broken ones included.
        bytes: Sum of their sizes.
        width: Smallest, median and largest width, as shown.
        height: The same of the height.
        formats: Number of pictures by format.
        other_files: Number of files that are no pictures, by extension.
        findings: Everything remarkable, in the order of names.
        duplicates: Groups of pictures of the same bytes.
        near_duplicates: Groups of different files that look alike, if asked for.
    """

    root: str
    layout: LayoutJudgment
    pictures: int = 0
    bytes: int = 0
    width: tuple[int, int, int] = (0, 0, 0)
    height: tuple[int, int, int] = (0, 0, 0)
    formats: dict[str, int] = field(default_factory=dict)
    other_files: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)
    near_duplicates: list[list[str]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """Whether a picture is broken or the layout mistaken."""
        return bool(self.layout.mistakes) or any(finding.kind == "broken" for finding in self.findings)

    def counts(self) -> dict[Kind, int]:
        """Return the number of findings of each kind."""
        return dict(Counter(finding.kind for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return {**asdict(self), "broken": self.broken, "counts": self.counts()}


def verify(
    root: Path,
    *,
    layout: str | None = None,
    near: bool = False,
    threads: int | None = None,
    tick: Callable[[], None] = lambda: None,
) -> VerifyReport:
    """Verify a data set.

    Args:
        root: The folder; tar shards in it are looked into.
        layout: Which layout it shall have; None recognizes it.
        near: Also look for near duplicates.
        threads: Number of threads that decode; None takes one per core.
        tick: Called after each picture.

    Raises:
        DataError: The folder does not exist, or the layout is unknown.
    """
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist; give a folder of pictures.")
    report = VerifyReport(str(root), judge_layout(root, layout))
    others: Counter[str] = Counter()
    sizes, names = array("q"), []
    by_content: dict[bytes, list[int]] = defaultdict(list)
    looks = array("Q")
    seen = bounded_map(_look_at, _pictures(report, others), threads or os.cpu_count() or 1)
    for number, (name, length, found) in enumerate(seen):
        names.append(os.path.relpath(name, root))
        report.bytes += length
        by_content[found.digest].append(number)
        looks.append(found.look or 0)
        _note(report, names[-1], found, sizes)
        tick()
    report.pictures, report.other_files = len(names), dict(sorted(others.items()))
    report.width, report.height = _spread(sizes[0::2]), _spread(sizes[1::2])
    same = [group for group in by_content.values() if len(group) > 1]
    report.duplicates = [[names[number] for number in group] for group in same]
    if leaks := sum(_straddles(group) for group in report.duplicates):
        report.layout.notes.append(f"{leaks} pictures are in train and in val: validation is not independent")
    if near:
        groups = near_groups(np.array(looks, np.uint64), already=same)
        report.near_duplicates = [[names[number] for number in group] for group in groups]
    return report


def near_groups(
    looks: np.ndarray[Any, np.dtype[np.uint64]], already: Iterable[list[int]] = ()
) -> list[list[int]]:
    """Group hashes that differ in at most `NEAR_BITS` bits.

    Two such hashes share at least one of their four 16-bit parts, so only those that do are compared.

    Args:
        looks: (N,) difference hashes; 0 (broken or flat) belongs to no group.
        already: Groups of which only the first member is to be considered.
    """
    skip = {number for group in already for number in group[1:]}
    leader = list(range(len(looks)))
    for part in range(4):
        keys = (looks >> np.uint64(16 * part)) & np.uint64(0xFFFF)
        order = np.argsort(keys, kind="stable")
        order = np.array([n for n in order.tolist() if looks[n] and n not in skip], np.int64)
        starts = np.flatnonzero(np.diff(keys[order], prepend=np.uint64(0x10000)))
        for bucket in np.split(order, starts[1:]):
            _join_near(looks, bucket, leader)
    groups = defaultdict(list)
    for number in range(len(looks)):
        groups[_root_of(leader, number)].append(number)
    return [group for group in groups.values() if len(group) > 1]


def _look_at(source: Source) -> tuple[str, int, Examined]:
    try:
        data = source.read()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return source.name, 0, Examined(None, "", (("broken", reason),), source.name.encode())
    return source.name, len(data), examine(source.name, data)


def _pictures(report: VerifyReport, others: Counter[str]) -> Iterator[Source]:
    """Yield all pictures, also those that DataModules leave out; count the other files."""
    root, is_coco = report.root, report.layout.name == "coco_stuff"
    for path in walk_files(root):
        suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - called per file
        if is_coco and any(folder in path for folder in _CLASS_MAPS):
            others[f"{suffix} (class maps, annotations)"] += 1
        elif suffix in EXTENSIONS | NOT_READ:
            yield Source(path)
        elif suffix == ".tar":
            try:
                yield from tar_sources(path)
            except DataError as error:
                report.findings.append(Finding(os.path.relpath(path, root), "broken", str(error)))
        else:
            others[suffix or "none"] += 1


def _note(report: VerifyReport, name: str, found: Examined, sizes: array[int]) -> None:
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122 - called per picture
    if suffix in NOT_READ:
        report.findings.append(Finding(name, "not read", f"DataModules leave out {suffix} files"))
    report.findings.extend(Finding(name, kind, detail) for kind, detail in found.facts)
    report.formats[found.format or "none"] = report.formats.get(found.format or "none", 0) + 1
    if found.size is not None:
        sizes.extend(found.size)


def _straddles(group: list[str]) -> bool:
    """Say whether copies of one picture lie in folders of both splits."""
    folders = {folder for name in group for folder in Path(name).parts[:-1]}
    return all(any(folder.startswith(split) for folder in folders) for split in ("train", "val"))


def _spread(values: array[int]) -> tuple[int, int, int]:
    if not values:
        return 0, 0, 0
    return min(values), int(np.median(values)), max(values)


def _join_near(looks: np.ndarray[Any, np.dtype[np.uint64]], bucket: Any, leader: list[int]) -> None:
    for place, number in enumerate(bucket.tolist()):
        rest = bucket[place + 1 :]
        differing = np.unpackbits((looks[rest] ^ looks[number]).view(np.uint8).reshape(-1, 8), axis=1).sum(1)
        for other in rest[differing <= NEAR_BITS].tolist():
            leader[_root_of(leader, other)] = _root_of(leader, number)


def _root_of(leader: list[int], number: int) -> int:
    while leader[number] != number:
        leader[number] = leader[leader[number]]
        number = leader[number]
    return number
