"""Selection, labels, references and resizing of evaluated images."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_gray, rgb_to_lab, xdog
from colorzoo.data.check import GRAY_RANGE
from colorzoo.data.decode import UNREADABLE, decode_rgb, why_unreadable
from colorzoo.data.exemplar_pairs import read_pairs
from colorzoo.data.hints import read_hints
from colorzoo.data.layouts import pair_sketches, read_table
from colorzoo.data.sources import StoredImage, find_sources
from colorzoo.errors import DataError, ImageError
from colorzoo.evaluation.protocol import Protocol, Sketches
from colorzoo.files import digest_of
from colorzoo.guidance import Boxes
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.image_io.raster_image import fill_hidden
from colorzoo.metrics.cdr import TruthClusters, truth_clusters
from colorzoo.pixels.decode import read_pixels
from colorzoo.pixels.find import natural_sort_key
from colorzoo.simulation import DrawingRegions, TargetImage

Captions = Literal["first", "all"]
_IMAGENET = "ILSVRC2012_val_"
_MIN_SIDE = 16  # pixels; required by the windows and clusters of metrics
PAIRS_FILE, BOXES_FILE = "pairs.csv", "boxes.csv"
BOX_COLUMNS = ("left", "top", "right", "bottom")
MOST_BOXES = 8  # per image, as in Su et al. 2020
_DAVIS_CLIPS = """
bike-packing blackswan bmx-trees breakdance camel car-roundabout car-shadow cows dance-twirl dog dogs-jump
drift-chicane drift-straight goat gold-fish horsejump-high india judo kite-surf lab-coat libby loading
mbike-trick motocross-jump paragliding-launch parkour pigs scooter-black shooting soapbox
"""


@dataclass(frozen=True)
class Item:
    """Image to evaluate, without its pixels.

    Attributes:
        name: Path relative to the data folder.
        source: Location of the image file.
        reference: Location of the reference image, or None.
        label: Class index from ``labels.csv``, or None.
        hints: Values of other kinds of guidance by name, from files such as ``text.csv``; see `read_hints`.
        boxes: Boxes from ``boxes.csv`` in pixels of the upright image: left, top, right, bottom. None without
            this file.
        sha256: SHA-256 of the image file; empty until `hashed` computes it.
        reference_sha256: SHA-256 of the reference file; empty without a reference.
        reference_name: Path of the reference relative to the data folder.
        lines: Location of the drawn lines, or None.
        lines_sha256: SHA-256 of the file of the drawn lines; empty without drawn lines.
        clip: Name of the clip of a video frame, or group of the image from a CSV file; empty without both.
    """

    name: str
    source: StoredImage
    reference: StoredImage | None = None
    label: int | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    boxes: tuple[tuple[float, ...], ...] | None = None
    sha256: str = ""
    reference_sha256: str = ""
    reference_name: str = ""
    lines: StoredImage | None = None
    lines_sha256: str = ""
    clip: str = ""

    @property
    def guidance(self) -> tuple[str, ...]:
        """Kinds of guidance of the image from files with values: label and hints."""
        return (*self.hints, *(() if self.label is None else ("label",)))

    @property
    def group(self) -> str:
        """Name of a group of dependent images: frames of a clip, references or captions of an image."""
        return self.clip or self.name

    @property
    def key(self) -> str:
        """Hash of the image, its name and its annotations; used in the path of the cache entry."""
        # equal images with different names can have different results in a folder of existing results
        annotations = self.reference_sha256, str(self.label), str(self.boxes), self.lines_sha256
        hints = (str(self.hints),) if self.hints else ()
        return digest(self.name, self.sha256, *annotations, *hints)

    def hashed(self) -> Item:
        """Return a copy with the hashes of the files.

        Raises:
            ImageError: A file cannot be read.
        """
        files = self.source, self.reference, self.lines
        try:
            image, reference, lines = ("" if file is None else digest_of(file.read()) for file in files)
        except OSError as error:
            raise ImageError(f"{self.name} cannot be read: {error.strerror or error}") from error
        return replace(self, sha256=image, reference_sha256=reference, lines_sha256=lines)


def select_images(
    folder: Path, protocol: Protocol, pairs: str | None, limit: int | None, captions: Captions = "first"
) -> tuple[list[Item], str]:
    """Find the images of an evaluation.

    Args:
        folder: Folder of images or tar shards.
        protocol: Protocol with the subset and the kind of references.
        pairs: CSV file of image pairs in ``folder``, for a protocol with pairs; `PAIRS_FILE` by default.
        limit: Maximum number of images.
        captions: ``"all"`` repeats an image with several captions, or other hints, for each of them.

    Returns:
        The images, and a note on deviations from the images of the protocol (empty without deviations).

    Raises:
        DataError: The folder is missing or empty, or does not contain the files that the protocol requires,
            or ``pairs`` is set for a protocol without pairs.
        GuidanceError: A label or hint is invalid.
    """
    if pairs is not None and protocol.references != "pairs":
        raise DataError(
            f"--pairs requires a protocol with pairs, such as spcolor-exemplar, got {protocol.name}"
        )
    if protocol.references == "pairs":
        items = _paired(folder, pairs or PAIRS_FILE, protocol)
    elif protocol.layout == "drawings":
        items = _with_lines(folder, protocol)
    elif protocol.layout == "clips":
        items = _frames(folder, protocol)
    else:
        items = [Item(_relative(source.name, folder), source) for source in find_sources(folder)]
    # add boxes if their file exists; images without rows have no boxes
    boxes = _read_boxes(folder / BOXES_FILE, items)
    if boxes is not None:
        items = [replace(item, boxes=tuple(boxes.get(item.name, ())[:MOST_BOXES])) for item in items]
    # read labels and hints such as captions, of all images, because a table can list few of them
    kinds = [kind for kind in guidance_kinds() if kind.help or kind.table]
    read = read_hints([item.source for item in items], kinds, folder)
    hints_by_name = {item.name: hints for item, hints in zip(items, read, strict=True)}
    # select the images of the subset; a target may have several references, and a clip has several frames
    deviation = ""
    if protocol.subset is not None:
        found: dict[str, list[Item]] = {}
        for item in items:
            found.setdefault(item.clip or Path(item.name).stem, []).append(item)
        required = subset_names(protocol.subset)
        if all(name in found for name in required):
            items = [item for name in required for item in found[name]]
        else:
            deviation = f"not the images of {protocol.subset}"
    if limit is not None and limit < len(items):
        items = items[:limit]
        limit_note = f"limited to the first {limit} images"
        deviation = f"{deviation}; {limit_note}" if deviation else limit_note
    # add the first, or all of several captions
    hinted = []
    for item in items:
        hints = hints_by_name[item.name]
        count = max(map(len, hints.values()), default=1) if captions == "all" else 1
        for number in range(count):
            values = {
                kind.name: kind.parse(hints[kind.name][number % len(hints[kind.name])], kind.name)
                for kind in kinds
                if kind.name in hints
            }
            hinted.append(replace(item, label=values.pop("label", None), hints=values))
    if len(hinted) > len(items):
        note = "all captions of each image"
        deviation = f"{deviation}; {note}" if deviation else note
    return hinted, deviation


def _paired(folder: Path, pairs: str, protocol: Protocol) -> list[Item]:
    if not (folder / pairs).is_file():
        raise DataError(
            f"protocol {protocol.name} requires {pairs} in {str(folder)!r} (a CSV file with the columns "
            "'target' and 'reference'). Create the file, or set --pairs to the name of another file."
        )
    items = []
    for pair in read_pairs(folder, pairs):
        if pair.split != "train":
            target_name = _relative(pair.target.name, folder)
            reference_name = _relative(pair.reference.name, folder)
            items.append(Item(target_name, pair.target, pair.reference, reference_name=reference_name))
    if not items:
        raise DataError(f"{str(folder / pairs)!r} must list at least one pair outside the split 'train'")
    return items


def _with_lines(folder: Path, protocol: Protocol) -> list[Item]:
    """Return the color images with drawn lines."""
    images, lines = folder / "images", folder / "lines"
    items = []
    if images.is_dir() and lines.is_dir():
        table = pair_sketches(images, [lines], required=False)
        assert table.partners is not None, "pair_sketches finds partners"
        for index, source in enumerate(table.sources):
            if drawn := table.partners[index]:
                items.append(Item(_relative(source.name, folder), source, lines=drawn[0]))
    if not items:
        raise DataError(
            f"protocol {protocol.name} requires images in {str(images)!r} and drawn lines with the same "
            f"names in {str(lines)!r}"
        )
    return items


def _frames(folder: Path, protocol: Protocol) -> list[Item]:
    """Return the frames of all clips in natural order; each subfolder is a clip."""
    items: list[Item] = []
    first: dict[str, StoredImage] = {}
    for source in sorted(find_sources(folder), key=lambda each: natural_sort_key(each.name)):
        name = _relative(source.name, folder)
        clip, _, frame = name.partition("/")
        if not frame or "/" in frame:
            raise DataError(
                f"protocol {protocol.name} requires one subfolder of frames for each clip in "
                f"{str(folder)!r}, got {name!r}"
            )
        reference = first.setdefault(clip, source) if protocol.references == "first" else None
        named = "" if reference is None else _relative(reference.name, folder)
        items.append(Item(name, source, reference, reference_name=named, clip=clip))
    return items


def _read_boxes(file: Path, items: Sequence[Item]) -> dict[str, list[tuple[float, ...]]] | None:
    """Return the corners of the boxes in a CSV file by image name; None if the file does not exist.

    Raises:
        DataError: The file cannot be read, a row is malformed, or no row belongs to an image.
    """
    if not file.is_file():
        return None
    boxes = defaultdict[str, list[tuple[float, ...]]](list)
    for _, row in read_table(file, ("image", *BOX_COLUMNS)):
        try:
            left, top, right, bottom = (float(row[column]) for column in BOX_COLUMNS)
            if not (left <= right and top <= bottom):  # the row contains a width and a height, or NaN
                raise ValueError("the box has a negative size")
        except (TypeError, ValueError) as error:
            raise DataError(
                f"the boxes must have left <= right and top <= bottom in pixels in {str(file)!r}, got the "
                f"row {row}"
            ) from error
        boxes[row["image"]].append((left, top, right, bottom))
    if not any(item.name in boxes for item in items):
        raise DataError(
            f"{str(file)!r} must list images relative to its folder, such as {items[0].name!r}, got none of "
            "the images"
        )
    return dict(boxes)


def _relative(name: str, folder: Path) -> str:
    return os.path.relpath(name, folder).replace(os.sep, "/")


def subset_names(subset: str) -> list[str]:
    """Return the file names, without extension, or the names of the clips in a subset of a data set.

    The subsets ``ctest10k`` (Larsson et al. 2016) and ``first5k`` contain validation images of ImageNet. The
    suffix ``-firstN`` limits a subset to its first N names.

    Raises:
        DataError: The subset is unknown.
    """
    base, suffix, limit = subset.partition("-first")
    is_valid = not suffix or (limit.isdecimal() and int(limit) > 0)
    if not is_valid:
        base = ""  # no subset has this name
    if base == "ctest10k":
        indices = _subset_numbers("ilsvrclin12_val_inds.npy")  # image numbers minus 1
        names = [f"{_IMAGENET}{index + 1:08d}" for index in indices]
    elif base == "first5k":
        names = [f"{_IMAGENET}{number:08d}" for number in range(1, 5001)]
    elif base == "coco-val2017":
        names = [f"{number:012d}" for number in _subset_numbers("coco_val2017.npy")]
    elif base == "ade20k-val":
        names = [f"ADE_val_{number:08d}" for number in range(1, 2001)]
    elif base == "davis2017-val":
        names = _DAVIS_CLIPS.split()
    else:
        raise DataError(
            "the subset of a protocol must be ctest10k, first5k, coco-val2017, ade20k-val or davis2017-val, "
            f"optionally followed by -firstN, got {subset!r}"
        )
    return names[: int(limit)] if limit else names


def _subset_numbers(file: str) -> list[int]:
    path = files("colorzoo.data") / "subsets" / file
    return np.load(Path(str(path))).tolist()


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground-truth image at the protocol's size; derived values are computed once.

    Attributes:
        rgb: ``(1, 3, H, W)`` image in [0, 1].
        size: Height and width before resizing.
        reference: ``(1, 3, H', W')`` reference image in [0, 1], or None.
        seed: Random seed of the image.
        label: Class index, or None if it is unknown.
        hints: Values of other kinds of guidance by name; see `Item`.
        boxes: Boxes of objects, or None if they are unknown.
        lines: ``(1, 1, H, W)`` drawn lines in [0, 1], or None.
        sketches: Input of sketch models: XDoG or the drawn lines.
    """

    rgb: Tensor
    size: tuple[int, int]
    reference: Tensor | None = None
    seed: int = 0
    label: int | None = None
    hints: Mapping[str, Any] = field(default_factory=dict)
    boxes: Boxes | None = None
    lines: Tensor | None = None
    sketches: Sketches = "xdog"

    @cached_property
    def lab(self) -> Tensor:
        """``(1, 3, H, W)`` image in CIE Lab."""
        return rgb_to_lab(self.rgb)

    @cached_property
    def ab(self) -> Tensor:
        """``(1, 2, H, W)`` ab of the image in CIE units."""
        return self.lab[:, 1:]

    @cached_property
    def is_gray(self) -> bool:
        """Whether the image has no color."""
        spans = self.ab.amax(dim=(2, 3)) - self.ab.amin(dim=(2, 3))
        return float(spans.sum()) < GRAY_RANGE

    @cached_property
    def clusters(self) -> TruthClusters:
        """Clusters and edges for the Cluster Discrepancy Ratio."""
        return truth_clusters(self.ab[0])

    @cached_property
    def reference_ab(self) -> Tensor | None:
        """``(1, 2, H', W')`` ab of the reference in CIE units, or None without a reference."""
        return None if self.reference is None else rgb_to_lab(self.reference)[:, 1:]

    @cached_property
    def gray_scene(self) -> TargetImage:
        """Target image for models whose input is the lightness."""
        return TargetImage(self.lab[:, :1], self.rgb, self.ab, self.seed, self.reference)

    @cached_property
    def sketch_scene(self) -> TargetImage:
        """Target image for models whose input is a sketch."""
        sketch = self.lines if self.lines is not None and self.sketches == "drawn" else None
        sketch = xdog(rgb_to_gray(self.rgb)) if sketch is None else sketch
        return TargetImage(sketch, self.rgb, self.ab, self.seed, self.reference)

    @cached_property
    def regions(self) -> DrawingRegions | None:
        """Regions between the drawn lines, or None without drawn lines."""
        return None if self.lines is None else DrawingRegions.of(self.lines)


def read_truth(item: Item, protocol: Protocol, device: torch.device) -> Truth:
    """Read an image, its reference and its drawn lines, and resize them to the protocol's size.

    Raises:
        ImageError: A file cannot be decoded or is too small.
    """
    image = _decode(item.source, item.name)
    size = (int(image.shape[1]), int(image.shape[2]))
    _require_min_side(size, item.name)
    rgb = _resized(image, protocol, device)
    _require_min_side((rgb.shape[2], rgb.shape[3]), f"{item.name}, resized by the protocol,")
    boxes: Boxes | None = None
    if item.boxes is not None:
        # convert pixels to fractions of the used part of the image, and drop the boxes outside
        left, top, width, height = protocol.resize.window(size)
        corners = torch.tensor(item.boxes).view(-1, 4) - torch.tensor([left, top, left, top])
        corners = (corners / torch.tensor([width, height, width, height])).clamp(0, 1)
        corners = corners[(corners[:, 2:] > corners[:, :2]).all(1)]
        boxes = Boxes.of([corners]).to(device)
    reference: Tensor | None = None
    if item.reference is not None:
        try:  # as references of `colorzoo colorize`
            pixels = fill_hidden(read_pixels(item.reference.read()))
        except UNREADABLE as error:
            reason = why_unreadable(error)
            raise ImageError(f"the reference of {item.name} cannot be decoded: {reason}") from error
        levels = np.rint(pixels.rgb * 255).astype(np.uint8)
        reference = _resized(torch.from_numpy(levels).permute(2, 0, 1), protocol, device)
    lines: Tensor | None = None
    if item.lines is not None:
        drawn = _decode_in_size(item.lines, f"the line art of {item.name}", size, item.name)
        lines = rgb_to_gray(_resized(drawn, protocol, device))
    return Truth(
        rgb=rgb,
        size=size,
        reference=reference,
        seed=int(item.sha256[:12], 16) ^ protocol.seed,  # different for each image
        label=item.label,
        hints=item.hints,
        boxes=boxes,
        lines=lines,
        sketches=protocol.sketches,
    )


def _require_min_side(size: tuple[int, int], name: str) -> None:
    """Raise `ImageError` for an image whose height or width is too small."""
    height, width = size
    if min(size) < _MIN_SIDE:
        raise ImageError(f"{name} must be at least {_MIN_SIDE} pixels per side, got {width} x {height}")


def read_result(path: Path, truth: Truth, protocol: Protocol, name: str) -> Tensor:
    """Read a result of another program and resize it to the protocol's size.

    Args:
        path: File of the result.
        truth: Ground truth of the image; determines the expected size and the device.
        protocol: Protocol that defines the resizing.
        name: Name of the original image for error messages.

    Returns:
        ``(1, 3, h, w)`` in [0, 1].

    Raises:
        ImageError: The file is missing or broken, or its size differs from the size of the original image.
    """
    if not path.is_file():
        raise ImageError(f"the result for {name} is missing; expected the file {path}")
    image = _decode_in_size(StoredImage(str(path)), str(path), truth.size, name)
    return _resized(image, protocol, truth.rgb.device)


def _decode_in_size(source: StoredImage, name: str, size: tuple[int, int], target: str) -> Tensor:
    """Decode an image ``(3, H, W)``; raise an error if its height and width differ from a target image."""
    image = _decode(source, name)
    if image.shape[1:] != size:
        raise ImageError(
            f"{name} must have the size of {target} ({size[1]} x {size[0]} pixels), "
            f"got {image.shape[2]} x {image.shape[1]} pixels"
        )
    return image


def _decode(source: StoredImage, name: str) -> Tensor:
    try:
        return decode_rgb(source.read())
    except UNREADABLE as error:
        raise ImageError(f"{name} cannot be decoded: {why_unreadable(error)}") from error


def _resized(rgb: Tensor, protocol: Protocol, device: torch.device) -> Tensor:
    """Resize ``(3, H, W)`` uint8 to the protocol's size; return ``(1, 3, h, w)`` in [0, 1]."""
    return (protocol.resize(rgb)[None].float() / 255).to(device)


def hash_all(items: Sequence[Item]) -> tuple[list[Item], list[tuple[str, str]]]:
    """Compute the file hashes of all items.

    Returns:
        Copies of the readable items with hashes, and the name and error message of each unreadable item.
    """
    readable, unreadable = [], []
    for item in items:
        try:
            readable.append(item.hashed())
        except ImageError as error:
            unreadable.append((item.name, str(error)))
    return readable, unreadable


def digest(*parts: str) -> str:
    """Return the hexadecimal SHA-256 of a sequence of strings."""
    state = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogateescape")
        state.update(len(data).to_bytes(8, "big") + data)
    return state.hexdigest()
