"""The three networks of Su et al. 2020: full-image, instance and fusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import EllipsisType
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.guidance import Boxes, Points
from colorzoo.networks.blocks import cells, conv_relu_stack, pad_to_multiple, pad_with_zeros, scaled_width
from colorzoo.networks.feature_hooks import HookState, Visit, unchanged
from colorzoo.networks.hint_unet import (
    STRIDE,
    HintEncoding,
    HintUNet,
    PointNetworkOutput,
    hint_input,
)
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.settings import Width

# Fused maps: name, channels at width 1, stride.
FUSED: tuple[tuple[str, int, int], ...] = (
    ("1_2", 64, 1),
    ("2_2", 128, 2),
    ("3_3", 256, 4),
    ("4_3", 512, 8),
    ("5_3", 512, 8),
    ("6_3", 512, 8),
    ("7_3", 512, 8),
    ("8_up", 256, 4),
    ("8_3", 256, 4),
    ("9_up", 128, 2),
    ("9_3", 128, 2),
    ("10_up", 128, 1),
    ("10_2", 128, 1),
)
_STRIDES = {name: stride for name, _, stride in FUSED}
_BOXES_AT_A_TIME = 4  # boxes per forward pass in inference, to limit memory

HIDDEN = 16
OUTSIDE = 1e5  # added to the background score outside all boxes
_ROUNDING = 1e-4  # tolerance in cells, because fractional corners are inexact


@dataclass(frozen=True)
class InstanceArchitecture:
    """Settings of the full-image, instance and fusion networks.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input; the published weights
            require 0.5.
    """

    width: Width = 1.0
    mask_center: float = 0.5


class Rectangle(NamedTuple):
    """Rectangle of at least one cell (position) on a feature map.

    Attributes:
        left: Column of the leftmost cells.
        top: Row of the top cells.
        width: Width in cells.
        height: Height in cells.
    """

    left: int
    top: int
    width: int
    height: int

    @property
    def region(self) -> tuple[EllipsisType, slice, slice]:
        """Index of the rectangle in a map ``(..., H, W)``."""
        return ..., slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)


def to_rectangle(corners: Tensor, size: tuple[int, int], stride: int = 1) -> Rectangle:
    """Convert a box to a rectangle of whole feature-map cells, as in the authors' code.

    Corners are rounded down to whole cells, and an empty rectangle is extended to one cell.

    Args:
        corners: ``(4,)``, left, top, right and bottom as fractions of the image size.
        size: Height and width of the image in pixels.
        stride: Image pixels per cell.
    """
    rows, columns = max(1, size[0] // stride), max(1, size[1] // stride)
    left, top, right, bottom = corners.double().clamp(0, 1).tolist()
    x, width = _cells(left, right, size[1] / stride, columns)
    y, height = _cells(top, bottom, size[0] / stride, rows)
    return Rectangle(x, y, width, height)


def _cells(start: float, end: float, length: float, cells: int) -> tuple[int, int]:
    """Return the first cell and the number of cells of an interval, given as fractions of a length.

    An interval without a whole cell gets the next cell, or the previous cell at the border.
    """
    first = int(start * length + _ROUNDING)
    last = min(int(end * length + _ROUNDING), cells)
    if last > first:
        return first, last - first
    if first < cells - 1:
        return first, 1
    return max(0, min(first, cells) - 1), 1


class InstanceBox(NamedTuple):
    """Box of an object in an image of a batch.

    Attributes:
        image: Index of the image in the batch.
        rectangles: Dict that maps the strides of feature maps to the rectangle of the box on these maps.
    """

    image: int
    rectangles: dict[int, Rectangle]


def instance_boxes(corners: Sequence[Tensor], size: tuple[int, int]) -> list[InstanceBox]:
    """Return all boxes of a batch.

    Args:
        corners: Box corners ``(K, 4)`` of each image; see `to_rectangle`.
        size: Height and width of the images in pixels.
    """
    strides = set(_STRIDES.values())
    boxes = []
    for image, image_corners in enumerate(corners):
        for box in image_corners.cpu():  # one copy for all boxes and strides
            rectangles = {stride: to_rectangle(box, size, stride) for stride in strides}
            boxes.append(InstanceBox(image, rectangles))
    return boxes


def cut(image: Tensor, rectangle: Rectangle, size: tuple[int, int], *, mode: str = "bilinear") -> Tensor:
    """Crop a rectangle from an image and resize the crop.

    Args:
        image: Image or hint map ``(1, C, H, W)``.
        rectangle: Rectangle in pixels of the image.
        size: Height and width of the resized crop; as in the paper, the aspect ratio may change.
        mode: Mode of `torch.nn.functional.interpolate`.

    Returns:
        Crop ``(1, C, *size)``.
    """
    return F.interpolate(image[rectangle.region], size, mode=mode)


def paste(crop: Tensor, rectangle: Rectangle, size: tuple[int, int]) -> Tensor:
    """Paste a feature map of a crop into a map of zeros with the full size.

    Args:
        crop: Feature map ``(1, C, h, w)`` of the crop, which is resized to the rectangle.
        rectangle: Position and size of the crop on the full map.
        size: Height and width of the full map.
    """
    inside = F.interpolate(crop, (rectangle.height, rectangle.width), mode="bilinear")
    right, bottom = size[1] - rectangle.left - rectangle.width, size[0] - rectangle.top - rectangle.height
    return F.pad(inside, (rectangle.left, right, rectangle.top, bottom))


class InstanceSums(NamedTuple):
    """Running sums of the softmax over instances (object crops) of an image.

    Attributes:
        largest: ``(1, 1, h, w)``, largest score.
        total: ``(1, 1, h, w)``, sum of exp(score - ``largest``).
        features: ``(1, C, h, w)``, sum of the instance features, weighted by exp(score - ``largest``).
        inside: ``(1, 1, h, w)`` bool, True inside any box.
    """

    largest: Tensor
    total: Tensor
    features: Tensor
    inside: Tensor


class FusionLayer(nn.Module):
    """Fusion of instance and full-image features by a softmax at each position.

    The layer predicts a score for each instance and the full image, and averages the features with the
    softmax of the scores as weights. As in the authors' code, an instance takes part in the softmax outside
    its box, too, with score 0 and features 0. Sums are accumulated in float32.

    Args:
        channels: Channel count of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.instance = _scores(channels)
        self.background = _scores(channels)

    def add(
        self, sums: InstanceSums | None, instance: Tensor, rectangle: Rectangle, size: tuple[int, int]
    ) -> InstanceSums:
        """Add an instance to the running sums and return the new sums (online softmax).

        When the largest score increases, the previous sums are rescaled to the new largest score.

        Args:
            sums: Sums of the previous instances; None for the first instance.
            instance: Features of the crop, ``(1, C, h', w')``.
            rectangle: Rectangle of the crop on the full map.
            size: Height and width of the full map.
        """
        score = paste(self.instance(instance).float(), rectangle, size)
        features = paste(instance.float(), rectangle, size)
        inside = torch.zeros_like(score, dtype=torch.bool)
        inside[rectangle.region] = True
        if sums is None:
            weight = torch.ones_like(score)  # the only score is the largest, and exp(0) is 1
            return InstanceSums(largest=score, total=weight, features=features, inside=inside)
        largest = torch.maximum(sums.largest, score)
        rescale = (sums.largest - largest).exp()  # factor of the previous sums
        weight = (score - largest).exp()
        return InstanceSums(
            largest=largest,
            total=sums.total * rescale + weight,
            features=sums.features * rescale + features * weight,
            inside=sums.inside | inside,
        )

    def finish(self, whole: Tensor, sums: InstanceSums) -> Tensor:
        """Return fused features ``(1, C, h, w)``, equal to ``whole`` outside all boxes.

        Args:
            whole: Features of the full image, ``(1, C, h, w)``.
            sums: Sums of all instances of the image.
        """
        background = self.background(whole).float() + OUTSIDE * ~sums.inside
        largest = torch.maximum(sums.largest, background)
        rescale = (sums.largest - largest).exp()
        weight = (background - largest).exp()
        fused: Tensor = (sums.features * rescale + whole.float() * weight) / (sums.total * rescale + weight)
        return fused.to(whole.dtype)


def _scores(channels: int) -> nn.Sequential:
    """Build three convolutions that predict a nonnegative score map."""
    return nn.Sequential(*conv_relu_stack((channels, HIDDEN, HIDDEN, 1)))


@dataclass(frozen=True)
class FusionState(HookState):
    """State of the full-image and fusion networks at the first feature hook; see `HookState`.

    Attributes:
        boxed: Whether each image has boxes.
        full: Decoder input of the full-image network; None if all images have boxes.
        fusion: Decoder input of the fusion network; None if no image has boxes.
        sums: A dict for each image that maps feature map names to `InstanceSums`; empty for images without
            boxes.
    """

    boxed: tuple[bool, ...]
    full: HintEncoding | None
    fusion: HintEncoding | None
    sums: Sequence[Mapping[str, InstanceSums]]


class InstanceNetworks(nn.Module):
    """Full-image, instance and fusion networks for any image size and number of boxes.

    Args:
        unets: U-Nets of the full-image, instance and fusion networks, which have equal widths.
        mask_center: Value that is subtracted from the hint mask.
        ab_scale: CIE units per unit of the output of the U-Nets.
    """

    def __init__(self, unets: Sequence[HintUNet], mask_center: float, ab_scale: float = AB_SCALE) -> None:
        super().__init__()
        self.mask_center, self.ab_scale = mask_center, ab_scale
        self.full, self.instance, self.fusion = unets
        self.layers = nn.ModuleDict(
            {name: FusionLayer(scaled_width(channels, self.full.width)) for name, channels, _ in FUSED}
        )

    def forward(self, lightness: Tensor, points: Points, boxes: Boxes | None) -> PointNetworkOutput:
        """Colorize images of any size.

        The fusion network colorizes images with boxes; the full-image network colorizes other images.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Color points; the maps have the image size.
            boxes: Object boxes of each image; None if no image has boxes.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units and logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the ab grid.
        """
        state = self.before_hooks(lightness, points, boxes)
        full_logits = None if state.full is None else self.full.distribution(state.full.trunk)
        fusion_logits = None if state.fusion is None else self.fusion.distribution(state.fusion.trunk)
        logits = _selected(state.boxed, full_logits, fusion_logits)
        rows, columns = cells(lightness.shape[-2], 4), cells(lightness.shape[-1], 4)  # without padding
        ab = self.after_hooks(state, unchanged)
        return PointNetworkOutput(ab, logits[:, :, :rows, :columns].float())

    def before_hooks(self, lightness: Tensor, points: Points, boxes: Boxes | None) -> FusionState:
        """Run the full-image and fusion networks up to block 8 and return their state.

        See `forward` for the arguments.
        """
        corners = _corners(boxes, lightness)
        boxed = tuple(len(each) > 0 for each in corners)
        x = hint_input(lightness, points, self.mask_center)
        sums = self._instance_sums(lightness, points, corners)
        full = None if all(boxed) else self.full.encode(x)
        fusion = self.fusion.encode(x, visit=partial(self._fused, sums)) if any(boxed) else None
        return FusionState((), (lightness.shape[-2], lightness.shape[-1]), boxed, full, fusion, sums)

    def after_hooks(self, state: FusionState, visit: Visit) -> Tensor:
        """Run the layers after block 8 and return ab ``(B, 2, H, W)`` in CIE units.

        Args:
            state: Output of `before_hooks`.
            visit: Function that is called with each fused feature map and returns the map to use.
        """
        height, width = state.size

        def fuse(name: str, activation: Tensor) -> Tensor:
            return visit(name, self._fused(state.sums, name, activation))

        ab = _selected(
            state.boxed,
            None if state.full is None else self.full.decode(state.full, visit),
            None if state.fusion is None else self.fusion.decode(state.fusion, fuse),
        )
        return ab[:, :, :height, :width].float() * self.ab_scale

    def color(self, name: str, lightness: Tensor, points: Points) -> Tensor:
        """Colorize images with a single network; return ab ``(B, 2, H, W)`` in CIE units.

        Args:
            name: Network, ``"full"`` or ``"instance"``.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Color points; the maps have the image size.
        """
        unet: HintUNet = getattr(self, name)
        height, width = lightness.shape[-2:]
        ab = unet.decode(unet.encode(hint_input(lightness, points, self.mask_center)))
        return ab[:, :, :height, :width].float() * self.ab_scale

    def instance_features(self, lightness: Tensor, points: Points) -> dict[str, Tensor]:
        """Return a dict that maps names to the instance network's feature maps for fusion.

        A ReLU is applied to maps with names ending in "up", although the fusion network fuses these maps
        before the ReLU. The authors' code has this effect because of an in-place activation, and the
        published weights depend on it.

        Args:
            lightness: Lightness of the crops, ``(N, 1, h, w)`` in [0, 100].
            points: Color points in the crops.
        """
        features: dict[str, Tensor] = {}

        def keep(name: str, activation: Tensor) -> Tensor:
            features[name] = torch.relu(activation) if name.endswith("_up") else activation
            return activation

        self.instance(hint_input(lightness, points, self.mask_center), visit=keep)
        return features

    def _instance_sums(
        self, lightness: Tensor, points: Points, corners: Sequence[Tensor]
    ) -> list[dict[str, InstanceSums]]:
        """Run the instance network on all crops and accumulate the feature maps per image."""
        boxes = instance_boxes(corners, (lightness.shape[-2], lightness.shape[-1]))
        gray = pad_to_multiple(lightness, STRIDE)
        hints = Points(pad_with_zeros(points.ab, STRIDE), pad_with_zeros(points.mask, STRIDE))
        step = max(1, len(boxes)) if torch.is_grad_enabled() else _BOXES_AT_A_TIME
        sums: list[dict[str, InstanceSums]] = [{} for _ in corners]
        for first in range(0, len(boxes), step):
            group = boxes[first : first + step]
            features = self.instance_features(*_crops(gray, hints, group))
            for name in list(features):
                maps = features.pop(name)  # frees the memory of each map after its use
                self._add_instances(name, maps, group, sums)
        return sums

    def _add_instances(
        self, name: str, maps: Tensor, boxes: Sequence[InstanceBox], sums: list[dict[str, InstanceSums]]
    ) -> None:
        """Add a feature map ``(N, C, h, w)`` of the crops of N boxes to the sums of their images."""
        layer = cast(FusionLayer, self.layers[name])
        size = (maps.shape[-2], maps.shape[-1])
        for box, instance in zip(boxes, torch.split(maps, 1), strict=True):
            own = sums[box.image]
            own[name] = layer.add(own.get(name), instance, box.rectangles[_STRIDES[name]], size)

    def _fused(self, sums: Sequence[Mapping[str, InstanceSums]], name: str, activation: Tensor) -> Tensor:
        """Fuse a map ``(B, C, h, w)`` with instance sums; images without boxes are unchanged."""
        layer = cast(FusionLayer, self.layers[name])
        pairs = zip(torch.split(activation, 1), sums, strict=True)
        return torch.cat([layer.finish(whole, own[name]) if own else whole for whole, own in pairs])


def _crops(lightness: Tensor, points: Points, boxes: Sequence[InstanceBox]) -> tuple[Tensor, Points]:
    """Return the lightness and the color points in all boxes, resized to the size of the images."""
    size = (lightness.shape[-2], lightness.shape[-1])

    def crops(maps: Tensor, mode: str) -> Tensor:
        cuts = [cut(maps[box.image, None], box.rectangles[1], size, mode=mode) for box in boxes]
        return torch.cat(cuts)

    return crops(lightness, "bilinear"), Points(crops(points.ab, "nearest"), crops(points.mask, "nearest"))


def _corners(boxes: Boxes | None, lightness: Tensor) -> list[Tensor]:
    """Return the box corners ``(K, 4)`` of each image."""
    if boxes is None:
        return [lightness.new_empty(0, 4)] * len(lightness)
    return [corners[given > 0] for corners, given in zip(boxes.corners, boxes.given, strict=True)]


def _selected(boxed: Sequence[bool], full: Tensor | None, fusion: Tensor | None) -> Tensor:
    """Return the fusion output for images with boxes and the full-image output otherwise."""
    if full is None or fusion is None:
        return cast(Tensor, full if fusion is None else fusion)
    return torch.where(torch.tensor(boxed, device=full.device)[:, None, None, None], fusion, full)
