"""Verification of a data set: layout, broken and unusual files, and duplicates."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image, ImageCms, UnidentifiedImageError
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.check import bounded_map, is_gray
from colorzoo.data.coco_stuff import coco_stuff_images
from colorzoo.data.decode import eight_bit_rgb
from colorzoo.data.image_table import ImageTable
from colorzoo.data.imagenet import imagenet_images
from colorzoo.data.layouts import Split
from colorzoo.data.places import places_images
from colorzoo.data.sources import EXTENSIONS, StoredImage, find_sources, suffix_of, tar_sources, walk_files
from colorzoo.environment import core_count
from colorzoo.errors import DataError
from colorzoo.image_io.formats import open_image

Kind = Literal[
    "broken", "wrong extension", "not read", "animated", "gray", "toned", "flat", "CMYK", "16-bit", "1-bit",
    "palette", "alpha", "profile", "rotated", "damaged EXIF", "tiny", "strip",
]  # fmt: skip
Fact = tuple[Kind, str]

NOT_READ = frozenset({".gif", ".avif", ".heic", ".heif", ".jp2", ".jxl", ".ppm", ".tga"})
"""Extensions of image formats that DataModules ignore."""
TINY = 64
"""Images with a shorter side below this many pixels are tiny, because training would enlarge them."""
STRIP = 5.0
"""Images with a larger aspect ratio are strips, because training would crop most of them."""

_SPLITS: tuple[Split, ...] = ("train", "val")
_CLASS_MAPS = ("stuffthingmaps", "_pixelmaps", f"{os.sep}annotations{os.sep}")
_THUMBNAIL = 64
_ORIENTATION = 274
_exif_lock = threading.Lock()  # warning filters are global to the process


@dataclass(frozen=True)
class Layout:
    """An official layout of a data set.

    Attributes:
        find: Function that finds the images of a split with all labels.
        signs: Paths that exist only in this layout.
        counts: Official number of images by split.
        classes: Official number of classes; None if the data set has none.
    """

    find: Callable[[Path, Split], ImageTable]
    signs: tuple[str, ...]
    counts: Mapping[Split, int]
    classes: int | None = None


LAYOUTS: Mapping[str, Layout] = {
    "imagenet": Layout(
        lambda root, split: imagenet_images(root, split, labels=True),
        (
            "ILSVRC",
            "ILSVRC2012_devkit_t12",
            "LOC_synset_mapping.txt",
            "train/n01440764",
            "train/n01440764.tar",
        ),
        {"train": 1_281_167, "val": 50_000},
        1000,
    ),
    "places205": Layout(
        lambda root, split: places_images(root, split, edition="205", labels=True),
        ("trainvalsplit_places205", "train_places205.csv"),
        {"train": 2_448_873, "val": 20_500},
        205,
    ),
    "places365-challenge": Layout(
        lambda root, split: places_images(root, split, edition="365-challenge", labels=True),
        ("data_256_challenge", "data_large_challenge", "filelist_places365-challenge"),
        {"train": 8_026_628, "val": 36_500},
        365,
    ),
    "places365": Layout(
        lambda root, split: places_images(root, split, labels=True),
        ("places365_standard", "data_256", "data_large", "val_256", "val_large", "data_256_standard"),
        {"train": 1_803_460, "val": 36_500},
        365,
    ),
    "coco_stuff": Layout(
        lambda root, split: coco_stuff_images(root, split, boxes=True, classes=True),
        ("train2017", "val2017", "images/train2017", "images/val2017"),
        {"train": 118_287, "val": 5_000},
    ),
}


@dataclass(frozen=True)
class LayoutReport:
    """Result of `check_layout`.

    Attributes:
        name: Name of the layout.
        splits: Number of images by split.
        mistakes: Errors that the DataModule would raise, one line each.
        notes: Differences from the official data set, one line each; an incomplete data set is not an error.
    """

    name: str
    splits: dict[str, int] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Finding:
    """A finding about an image file."""

    path: str
    kind: Kind
    detail: str


@dataclass
class VerifyReport:
    """Result of `verify`.

    Attributes:
        root: Folder of the data set.
        layout: Result of the layout check.
        images: Number of images, including broken ones.
        bytes: Total size of the images.
        width: Minimum, median and maximum of the displayed width.
        height: Minimum, median and maximum of the displayed height.
        formats: Number of images by format.
        other_files: Number of other files by extension.
        findings: All findings, sorted by file name.
        duplicates: Groups of images with identical bytes.
    """

    root: str
    layout: LayoutReport
    images: int = field(init=False)
    bytes: int = 0
    width: tuple[int, int, int] = field(init=False)
    height: tuple[int, int, int] = field(init=False)
    formats: dict[str, int] = field(default_factory=dict)
    other_files: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    duplicates: list[list[str]] = field(default_factory=list)

    @property
    def broken(self) -> bool:
        """True if an image is broken or the layout has errors."""
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
    threads: int | None = None,
    tick: Callable[[], None] = lambda: None,
) -> VerifyReport:
    """Verify a data set.

    Args:
        root: Folder with images and tar shards.
        layout: Name of the layout; None detects it.
        threads: Number of decoding threads; None is one per core.
        tick: Called after each image.

    Raises:
        DataError: The folder does not exist, or the layout is unknown.
    """
    if not root.is_dir():
        raise DataError(f"data folder {str(root)!r} does not exist; give a folder of images.")
    report = VerifyReport(str(root), check_layout(root, layout))
    others: Counter[str] = Counter()
    sizes, names = array("q"), []
    by_content: dict[bytes, list[int]] = defaultdict(list)
    examined = bounded_map(_read_and_examine, _images(report, others), threads or core_count())
    for number, (path, length, found) in enumerate(examined):
        name = os.path.relpath(path, root)
        names.append(name)
        report.bytes += length
        by_content[found.digest].append(number)
        if (suffix := suffix_of(name)) in NOT_READ:
            report.findings.append(Finding(name, "not read", f"DataModules ignore {suffix} files"))
        report.findings.extend(Finding(name, kind, detail) for kind, detail in found.facts)
        report.formats[found.format or "none"] = report.formats.get(found.format or "none", 0) + 1
        sizes.extend(found.size or ())
        tick()
    report.images, report.other_files = len(names), dict(sorted(others.items()))
    report.width, report.height = _min_median_max(sizes[0::2]), _min_median_max(sizes[1::2])
    same = (group for group in by_content.values() if len(group) > 1)
    report.duplicates = [[names[number] for number in group] for group in same]
    if leaks := sum(_in_both_splits(group) for group in report.duplicates):
        report.layout.notes.append(f"{leaks} images are in train and in val: validation is not independent")
    return report


def check_layout(root: Path, name: str | None = None) -> LayoutReport:
    """Read both splits of a data set as its DataModule would, and report errors and differences.

    Args:
        root: Folder of the data set.
        name: A name from `LAYOUTS`, or ``"folder"``; None detects the layout.

    Raises:
        DataError: The layout is unknown.
    """
    name = name or detect_layout(root)
    if name == "folder":
        return _check_folder(root)
    if name not in LAYOUTS:
        raise DataError(f"unknown layout {name!r}; expected folder, {', '.join(LAYOUTS)}.")
    layout, report = LAYOUTS[name], LayoutReport(name)
    for split in _SPLITS:
        try:
            images = layout.find(root, split)
        except DataError as error:
            report.mistakes.append(str(error))
            continue
        report.splits[split] = len(images)
        official = layout.counts[split]
        if len(images) != official:
            report.notes.append(f"{split}: {len(images):,} images, the official set has {official:,}")
        if images.labels is not None:
            classes = len(torch.unique(images.labels))
            if classes != layout.classes:
                report.notes.append(f"{split}: {classes} classes, the official set has {layout.classes}")
    return report


def detect_layout(root: Path) -> str:
    """Return the name of the detected layout, or ``"folder"``."""
    for name, layout in LAYOUTS.items():
        if any((root / sign).exists() for sign in layout.signs):
            return name
    return "folder"


def _check_folder(root: Path) -> LayoutReport:
    report = LayoutReport("folder")
    present = [split for split in _SPLITS if (root / split).is_dir()]
    if len(present) == 1:
        other = "val" if present[0] == "train" else "train"
        report.notes.append(f"{present[0]!r} but no {other!r}: all images would be split by content")
    folders = {split: root / split for split in present} if len(present) == 2 else {"all": root}
    try:
        for name, folder in folders.items():
            report.splits[name] = len(find_sources(folder))
    except DataError as error:
        report.mistakes.append(str(error))
    return report


def _images(report: VerifyReport, others: Counter[str]) -> Iterator[StoredImage]:
    """Yield all images, including formats that DataModules ignore, and count the other files."""
    root, is_coco = report.root, report.layout.name == "coco_stuff"
    for path in walk_files(root):
        suffix = suffix_of(path)
        if is_coco and any(folder in path for folder in _CLASS_MAPS):
            others[f"{suffix} (class maps, annotations)"] += 1
        elif suffix in EXTENSIONS | NOT_READ:
            yield StoredImage(path)
        elif suffix == ".tar":
            try:
                yield from tar_sources(path)
            except DataError as error:
                report.findings.append(Finding(os.path.relpath(path, root), "broken", str(error)))
        else:
            others[suffix or "none"] += 1


def _in_both_splits(group: list[str]) -> bool:
    """Return whether copies of an image are in folders of both splits."""
    folders = {folder for name in group for folder in Path(name).parts[:-1]}
    return all(any(folder.startswith(split) for folder in folders) for split in _SPLITS)


def _min_median_max(values: array[int]) -> tuple[int, int, int]:
    return (min(values), int(np.median(values)), max(values)) if values else (0, 0, 0)


@dataclass(frozen=True)
class Examined:
    """Properties of an image file.

    Attributes:
        size: Displayed width and height (after EXIF rotation); None if broken.
        format: Pillow's name of the format; "" if unknown.
        facts: Pairs of kind and detail; a broken file has only the kind ``broken``.
        digest: Hash of the bytes.
    """

    size: tuple[int, int] | None
    format: str
    facts: tuple[Fact, ...]
    digest: bytes


def examine(name: str, data: bytes) -> Examined:
    """Examine an encoded image.

    Args:
        name: File name, for its extension.
        data: Bytes of the file.
    """
    digest = hashlib.blake2b(data, digest_size=16).digest()
    if not data:
        return Examined(None, "", (("broken", "empty file"),), digest)
    try:
        with open_image(BytesIO(data)) as image:
            size, kind = image.size, image.format or ""
            facts = _header_facts(name, image, data)
            # decode the whole file at a reduced size
            image.draft("RGB", (2 * _THUMBNAIL, 2 * _THUMBNAIL))
            small = eight_bit_rgb(image)
            small.thumbnail((_THUMBNAIL, _THUMBNAIL))
    except UnidentifiedImageError:
        return Examined(None, "", (("broken", "unknown image format"),), digest)
    except Exception as error:  # damaged files can raise any type of exception
        return Examined(None, "", (("broken", " ".join(str(error).split())),), digest)
    swaps_sides = any(kind == "rotated" and "on its side" in detail for kind, detail in facts)
    facts += _shape_facts(*size) + _color_facts(small)
    return Examined(size[::-1] if swaps_sides else size, kind, tuple(facts), digest)


def _read_and_examine(source: StoredImage) -> tuple[str, int, Examined]:
    try:
        data = source.read()
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
        return source.name, 0, Examined(None, "", (("broken", reason),), source.name.encode())
    return source.name, len(data), examine(source.name, data)


def _header_facts(name: str, image: Image.Image, data: bytes) -> list[Fact]:
    """Return the findings from the header, without decoding the pixels."""
    facts: list[Fact] = []
    suffix = suffix_of(name)
    expected = Image.registered_extensions().get(suffix)
    found = "JPEG" if image.format == "MPO" else image.format
    if expected != found:
        facts.append(("wrong extension", f"{found} named {suffix or 'without one'}"))
    if image.format != "MPO" and getattr(image, "is_animated", False):
        facts.append(("animated", f"{getattr(image, 'n_frames', 2)} frames, the first is used"))
    deep_png = image.format == "PNG" and data[24] == 16
    deep_tiff = image.format == "TIFF" and max(getattr(image, "tag_v2", {}).get(258, (8,))) > 8
    if deep_png or deep_tiff or image.mode.startswith(("I", "F")):
        facts.append(("16-bit", "used at 8 bits"))
    if image.mode == "CMYK":
        facts.append(("CMYK", "converted"))
    if image.mode == "1":
        facts.append(("1-bit", "black and white only"))
    if image.mode in ("P", "PA"):
        facts.append(("palette", "at most 256 colors"))
    if image.has_transparency_data:
        facts.append(("alpha", "transparent parts are composited on white"))
    profile = _profile_name(image)
    if profile and "srgb" not in profile.lower():
        facts.append(("profile", f"{profile}; training reads the values as sRGB"))
    return facts + _exif_facts(image)


def _profile_name(image: Image.Image) -> str:
    profile = image.info.get("icc_profile")
    if not profile:
        return ""
    try:
        return ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()
    except (OSError, ImageCms.PyCMSError):
        return "damaged color profile"


def _exif_facts(image: Image.Image) -> list[Fact]:
    try:
        with _exif_lock, warnings.catch_warnings():
            warnings.filterwarnings("error", message="Corrupt EXIF")
            Image.Exif().load(image.info.get("exif", b""))  # again, for the warning
            orientation = image.getexif().get(_ORIENTATION, 1)
    except Exception as error:  # damaged EXIF raises UserWarning, SyntaxError, struct.error and others
        return [("damaged EXIF", " ".join(str(error).split()))]
    if orientation not in range(2, 9):
        return []
    side = "on its side" if orientation >= 5 else "turned or mirrored"
    return [("rotated", f"stored {side} (EXIF orientation {orientation}), turned upright")]


def _shape_facts(width: int, height: int) -> list[Fact]:
    facts: list[Fact] = []
    if min(width, height) < TINY:
        facts.append(("tiny", f"{width} x {height}"))
    if max(width, height) > STRIP * min(width, height):
        facts.append(("strip", f"{width} x {height}"))
    return facts


def _color_facts(small: Image.Image) -> list[Fact]:
    rgb = torch.from_numpy(np.array(small)).permute(2, 0, 1)
    with torch.inference_mode():
        if bool((rgb.flatten(1).amax(1) == rgb.flatten(1).amin(1)).all()):
            return [("flat", f"one color, #{bytes(rgb[:, 0, 0].tolist()).hex()}")]
        if is_gray(rgb):
            return [("gray", "no color to learn")]
        return [("toned", "one hue, such as sepia")] if _is_toned(rgb) else []


def _is_toned(rgb: Tensor) -> bool:
    """Return whether the colors of a ``(3, H, W)`` uint8 image form a single curve from black to white."""
    lab = rgb_to_lab(rgb.float() / 255).flatten(1)
    shade = (lab[0] / 5).long()
    counts = torch.zeros(21).index_add_(0, shade, torch.ones(lab.shape[1]))
    means = torch.zeros(2, 21).index_add_(1, shade, lab[1:]) / counts
    spread = (lab[1:] - means[:, shade]).square().sum(0).mean().sqrt()
    return bool(spread < 2)
