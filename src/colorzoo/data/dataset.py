"""Datasets of decoded, cropped uint8 images, and the batch format of all DataModules."""

from __future__ import annotations

from typing import Any, NamedTuple, NotRequired, TypedDict, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from colorzoo.color.sketch import rgb_to_gray, xdog
from colorzoo.data.augment import clip_boxes
from colorzoo.data.decode import (
    UNREADABLE,
    decode_classes,
    decode_frame,
    decode_rgb,
    decoded_boxes,
    why_unreadable,
)
from colorzoo.data.hints import hint_tensors
from colorzoo.data.image_table import ClassMaps, ImageTable
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.randomness import stream_seed


class Batch(TypedDict):
    """Batch for training or validation.

    ``rgb``, ``seed`` and ``name`` are always present. The DataModule determines the other entries. With
    ``hints``, a batch contains the tensors of each kind of guidance by name, such as ``text``.

    Examples:
        >>> from colorzoo.testing import sample_batch
        >>> batch: Batch = sample_batch((32, 48), batch=2)
        >>> batch["rgb"].shape, batch["seed"].shape
        (torch.Size([2, 3, 32, 48]), torch.Size([2]))

    Attributes:
        rgb: ``(B, 3, H, W)`` images: uint8 from the DataLoader workers, float32 in [0, 1] after the
            transfer to the device.
        seed: ``(B,)`` int64 random seed of each image.
        name: Path of each image, for messages.
        label: ``(B,)`` int64 class of each image.
        classes: ``(B, 1, H, W)`` uint8 class of each pixel; 0 is unlabeled.
        boxes: ``(K, 4)`` float32 boxes of each image: left, top, right, bottom in pixels of ``rgb``.
        sketch: ``(B, 1, H, W)`` float32 sketches in [0, 1]: 1 is paper, 0 is ink.
        has_sketch: ``(B,)`` bool; True if the sketch was read from a file.
        reference: ``(B, 3, h, w)`` float32 reference image (exemplar) of each image, in [0, 1].
        self_made: ``(B,)`` bool; True if the reference was derived from the target image.
        text: ``(B, 256)`` int64 text of each image, as UTF-8 bytes padded with zeros; see `decode_text`.
    """

    rgb: Tensor
    seed: Tensor
    name: list[str]
    label: NotRequired[Tensor]
    classes: NotRequired[Tensor]
    boxes: NotRequired[list[Tensor]]
    sketch: NotRequired[Tensor]
    has_sketch: NotRequired[Tensor]
    reference: NotRequired[Tensor]
    self_made: NotRequired[Tensor]
    text: NotRequired[Tensor]


def sketches_of(batch: Batch) -> Tensor:
    """Return the sketches ``(B, 1, H, W)`` of a batch; compute missing sketches with XDoG."""
    return batch["sketch"] if "sketch" in batch else xdog(rgb_to_gray(batch["rgb"]))


def relative_boxes(batch: Batch) -> list[Tensor]:
    """Return the boxes ``(K, 4)`` of each image as fractions of the image size, on the CPU.

    K is 0 for images without boxes.

    Args:
        batch: Batch with RGB images and optional boxes in pixels.
    """
    height, width = batch["rgb"].shape[-2:]
    scale = torch.tensor([width, height, width, height], device="cpu")
    if "boxes" not in batch:
        return [torch.empty(0, 4, device="cpu")] * len(batch["rgb"])
    return [each.cpu().reshape(-1, 4) / scale for each in batch["boxes"]]


class Sample(TypedDict):
    """Image of a dataset with its annotations, as a DataLoader worker returns it.

    Attributes:
        rgb: ``(3, H, W)`` uint8 image.
        seed: int64 scalar: random seed for the crop and the augmentation.
        name: Path of the image, for messages.
        label: int64 scalar: class of the image.
        classes: ``(1, H, W)`` uint8 class of each pixel.
        boxes: ``(K, 4)`` float32 boxes of objects: left, top, right, bottom in pixels of ``rgb``.
        sketch: ``(1, H, W)`` uint8 sketch: 255 is paper, 0 is ink.
        has_sketch: bool scalar: whether the sketch was read from a file.
        reference: ``(3, h, w)`` uint8 reference image.
    """

    rgb: Tensor
    seed: Tensor
    name: str
    label: NotRequired[Tensor]
    classes: NotRequired[Tensor]
    boxes: NotRequired[Tensor]
    sketch: NotRequired[Tensor]
    has_sketch: NotRequired[Tensor]
    reference: NotRequired[Tensor]


class Square(NamedTuple):
    """Position and side of a square region of an image, in pixels."""

    top: int
    left: int
    side: int

    def cut(self, image: Tensor) -> Tensor:
        """Return this region of a ``(C, H, W)`` image, as ``(C, side, side)``."""
        rows, columns = slice(self.top, self.top + self.side), slice(self.left, self.left + self.side)
        return image[:, rows, columns].contiguous()


class ImageDataset(Dataset[Sample]):
    """Dataset of square uint8 image crops with labels, class maps and boxes.

    Args:
        images: Table of images.
        side: Shorter side of the decoded image and side of the crop, in pixels.
        random_crop: Whether the sample seed selects a random crop position; otherwise the crop is centered.
        cache: Whether to keep decoded images in memory.
    """

    def __init__(self, images: ImageTable, *, side: int, random_crop: bool, cache: bool = False) -> None:
        self.images, self.sources = images, images.sources
        self.side, self.random_crop = side, random_crop
        self._cache: dict[int, Tensor] | None = {} if cache else None

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """Return the sample for an ``(index, seed)`` pair."""
        index, seed = key
        cached = None if self._cache is None else self._cache.get(index)
        rgb = read_rgb(self.sources[index], self.side) if cached is None else cached
        if self._cache is not None:
            self._cache[index] = rgb
        square = place_square(rgb, self.side, seed if self.random_crop else None)
        sample = Sample(rgb=square.cut(rgb), seed=torch.tensor(seed), name=self.sources[index].name)
        images = self.images
        add_annotations(sample, images, index, random=self.random_crop)
        if images.classes is None and images.boxes is None:
            return sample
        frame = decode_frame(self.sources[index].read())
        if images.classes is not None:
            sample["classes"] = square.cut(read_classes(images.classes, index, rgb, frame.orientation))
        if images.boxes is not None:
            # relative boxes in pixels of the square; boxes smaller than a pixel are dropped
            width_height = torch.tensor([rgb.shape[2], rgb.shape[1]]).repeat(2)
            boxes = decoded_boxes(images.boxes[index], frame) * width_height
            corner = torch.tensor([square.left, square.top]).repeat(2)
            sample["boxes"] = clip_boxes(boxes - corner, square.side)
        return sample


def add_annotations(sample: Sample, images: ImageTable, index: int, *, random: bool) -> None:
    """Add the label of an image and the tensors of its kinds of guidance, by their names, to its sample.

    Args:
        sample: Sample of the image.
        images: Table of images.
        index: Index of the image.
        random: Whether the seed of the sample selects one of several values of a kind, as in training,
            instead of the first.
    """
    if images.labels is not None:
        sample["label"] = images.labels[index]
    if images.hints is not None:
        seed = int(sample["seed"]) if random else None
        tensors = hint_tensors(images.hints.kinds, images.hints[index], sample["rgb"], seed)
        cast(dict[str, Any], sample).update(tensors)


def read_rgb(source: StoredImage, short_side: int) -> Tensor:
    """Read an image and return it as ``(3, H, W)`` uint8, resized to a shorter side.

    Args:
        source: Location of the image.
        short_side: Length of the shorter side in pixels after resizing.

    Raises:
        DataError: The image cannot be read; the message contains its name.
    """
    try:
        return decode_rgb(source.read(), short_side)
    except UNREADABLE as error:
        reason = why_unreadable(error)
        raise DataError(
            f"{source.name!r} cannot be decoded ({reason}). Run `colorzoo data verify` to list all bad files."
        ) from error


def read_classes(maps: ClassMaps, index: int, rgb: Tensor, orientation: int = 1) -> Tensor:
    """Return the ``(1, H, W)`` uint8 class map of an image, resized to the size of ``rgb``.

    Args:
        maps: Class maps of all images.
        index: Index of the image.
        rgb: Decoded image ``(3, H, W)``.
        orientation: EXIF orientation of the image; the map is turned like the image.

    Raises:
        DataError: The class map cannot be read; the message contains its name.
    """
    source = maps.sources[index]
    _, height, width = rgb.shape
    try:
        stored = decode_classes(source.read(), (width, height), orientation)
    except UNREADABLE as error:
        reason = why_unreadable(error)
        raise DataError(
            f"class map {source.name!r} cannot be read ({reason}). Unpack the archive of class maps again."
        ) from error
    classes = maps.table[stored]  # looks up the class of each pixel value
    return torch.from_numpy(classes[np.newaxis])


def place_square(rgb: Tensor, side: int, seed: int | None = None) -> Square:
    """Return the position of a random or centered square crop in an image.

    Args:
        rgb: Image ``(C, H, W)`` with sides of at least ``side`` pixels.
        side: Side of the square in pixels.
        seed: Seed for a random position; None centers the square.
    """
    free_rows, free_columns = rgb.shape[1] - side, rgb.shape[2] - side
    if seed is None:
        return Square(free_rows // 2, free_columns // 2, side)
    position = torch.rand(2, generator=torch.Generator().manual_seed(stream_seed("position", seed)))
    return Square(int(position[0] * (free_rows + 1)), int(position[1] * (free_columns + 1)), side)


def crop_square(rgb: Tensor, side: int, seed: int | None = None) -> Tensor:
    """Crop a ``(C, H, W)`` image to a square; see `place_square` for the arguments."""
    return place_square(rgb, side, seed).cut(rgb)


def read_square(source: StoredImage, side: int) -> Tensor:
    """Read an image and return its center crop ``(3, side, side)`` in [0, 1]."""
    return crop_square(read_rgb(source, side), side).float() / 255
