"""Verification of a data set: layout errors, duplicates, and broken, gray or tiny images."""

from __future__ import annotations

import hashlib
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image

from colorzoo.data.check import bounded_map, is_gray
from colorzoo.data.coco_stuff import CocoStuffDataModule
from colorzoo.data.decode import decode_rgb, why_unreadable
from colorzoo.data.imagenet import ImageNetDataModule
from colorzoo.data.layouts import SPLITS, split_folders
from colorzoo.data.module import ImageDataModule
from colorzoo.data.places import PlacesDataModule
from colorzoo.data.sources import Sources, StoredImage, find_sources, suffix_of
from colorzoo.environment import core_count
from colorzoo.errors import DataError
from colorzoo.pixels.decode import open_pil
from colorzoo.pixels.formats import VARIANTS

Kind = Literal["broken", "wrong extension", "gray", "tiny"]
Problem = tuple[Kind, str]

TINY = 64
"""Minimum shorter side in pixels; smaller images are reported as tiny, because training enlarges them."""

_SIDE = 32  # pixels; shorter side of the decoded images

_DATA_MODULES: Mapping[str, Callable[[str], ImageDataModule]] = {
    "imagenet": partial(ImageNetDataModule, labels=True),
    "places205": partial(PlacesDataModule, edition="205", labels=True),
    "places365": partial(PlacesDataModule, labels=True),
    "coco_stuff": partial(CocoStuffDataModule, boxes=True, classes=True),
}
"""Functions by layout name; each function returns a DataModule that finds the images with all labels."""

LAYOUTS = ("folder", *_DATA_MODULES)
"""Names of the folder structures that `verify_images` supports."""


@dataclass(frozen=True)
class Finding:
    """Problem in an image file: broken, wrong extension, gray or tiny."""

    path: str
    kind: Kind
    detail: str


@dataclass
class VerifyReport:
    """Result of `verify`.

    Attributes:
        root: Folder of the data set.
        layout: Name of the layout.
        splits: Number of images by split; a folder without ``train`` and ``val`` has the split ``all``.
        mistakes: Layout errors that the DataModule would raise, as one-line messages.
        findings: Problems in the image files, in the order of the images.
        duplicates: Groups of images with identical bytes.
    """

    root: str
    layout: str
    splits: dict[str, int] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """True if an image is broken or the layout has errors."""
        return bool(self.mistakes) or any(finding.kind == "broken" for finding in self.findings)

    def counts(self) -> dict[Kind, int]:
        """Return the number of problems of each kind in the image files."""
        return dict(Counter(finding.kind for finding in self.findings))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return {**asdict(self), "broken": self.broken, "counts": self.counts()}


def verify_images(
    root: Path, *, layout: str = "folder", threads: int | None = None, tick: Callable[[], None] = lambda: None
) -> VerifyReport:
    """Check the layout of a data set, decode every image, and return a report of the problems.

    Args:
        root: Folder of the data set.
        layout: Name of the folder structure, one of `LAYOUTS`.
        threads: Number of decoding threads; None uses one thread per core.
        tick: Function that is called after each image.

    Raises:
        DataError: The folder does not exist, or the layout is unknown.
    """
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist. Choose a folder of images.")
    if layout not in LAYOUTS:
        raise DataError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    report = VerifyReport(str(root), layout)
    sources: dict[str, Sources] = {}
    folders = {"all": root}  # of each split; "all" is a folder without splits
    if layout == "folder":
        try:
            folders = split_folders(root) or folders
        except DataError as error:
            report.mistakes.append(str(error))
    for split in folders if layout == "folder" else SPLITS:
        try:
            if layout == "folder":
                sources[split] = find_sources(folders[split])
            else:
                sources[split] = _DATA_MODULES[layout](str(root)).find_images(split).sources
            report.splits[split] = len(sources[split])
        except DataError as error:
            report.mistakes.append(str(error))
    names_by_digest: dict[bytes, list[str]] = defaultdict(list)
    all_images = chain.from_iterable(sources.values())
    examined = bounded_map(_examine, all_images, threads or core_count())
    for path, digest, problems in examined:
        name = os.path.relpath(path, root)
        names_by_digest[digest].append(name)
        report.findings.extend(Finding(name, kind, detail) for kind, detail in problems)
        tick()
    report.duplicates = [names for names in names_by_digest.values() if len(names) > 1]
    return report


def _examine(source: StoredImage) -> tuple[str, bytes, list[Problem]]:
    try:
        data = source.read()
    except OSError as error:
        return source.name, os.fsencode(source.name), [("broken", f"cannot be read: {error.strerror}")]
    digest = hashlib.blake2b(data, digest_size=16).digest()
    return source.name, digest, examine(source.name, data)


def examine(name: str, data: bytes) -> list[Problem]:
    """Return the problems of an encoded image as ``(kind, detail)`` pairs; see `Finding`.

    The list of a broken image contains only the problem ``broken``.

    Args:
        name: File name, whose extension is compared with the image format.
        data: Bytes of the file.
    """
    try:
        with open_pil(BytesIO(data), "the file") as image:
            size, file_format = image.size, VARIANTS.get(image.format or "", image.format)
        with torch.inference_mode():
            gray = is_gray(decode_rgb(data, _SIDE))
    except Exception as error:  # damaged files can raise any type of exception
        return [("broken", why_unreadable(error))]
    problems: list[Problem] = []
    suffix = suffix_of(name)
    expected = Image.registered_extensions().get(suffix)
    if VARIANTS.get(expected or "", expected) != file_format:
        problems.append(("wrong extension", f"{file_format} file with extension {suffix or '(none)'}"))
    if min(size) < TINY:
        problems.append(("tiny", f"{size[0]} x {size[1]}"))
    if gray:
        problems.append(("gray", "no color"))
    return problems
