"""Instance-aware Image Colorization (Su et al., CVPR 2020).

One network colorizes the whole image, and a second network colorizes each object in its bounding box. A third
network fuses the features of these networks. The argument ``trunk`` is not in the paper.
https://arxiv.org/abs/2005.10825
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from types import EllipsisType
from typing import ClassVar, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import DetectionModel
from colorzoo.errors import GuidanceError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, conv_relu_stack, pad_to_multiple, pad_with_zeros, scaled_width
from colorzoo.networks.hint_unet import (
    HINT_UNET_NAMES,
    STRIDE,
    HintEncoding,
    HintUNet,
    PointNetworkOutput,
    Visit,
    hint_input,
    initialize,
    point_network,
    points_of,
    unchanged,
)
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.shared_weights import borrow
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Width
from colorzoo.weights.load import apply_weights, read_weights

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

# weights that are copied from the model `trunk` and not trained
_FROZEN = re.compile(r"full\.|instance\.(block[1-7]|scene|class_head)\.|fusion\.(?!block10\.|ab_head\.)")

# detected objects that are used
LEAST_SCORE, MOST = 0.7, 8
_LEAST_SIDE = 2.0  # pixels


# Names in the authors' three files, one file per network. Keys of the fusion network have the prefix
# ``module.`` from multi-GPU training.
NETWORKS = {"netGComp": "full", "netG": "instance", "netGF": "fusion"}
"""Map from key prefixes of the published files to network names."""

UNUSED = r"\.weight_layerout\."
_LAYERS = {
    "": "1_2",
    **{str(number): f"{number}_{2 if number == 2 else 3}" for number in range(2, 8)},
    "8_1": "8_up",
    "8_2": "8_3",
    "9_1": "9_up",
    "9_2": "9_3",
    "10_1": "10_up",
    "10_2": "10_2",
}
_SCORES = {"instance": "instance", "bg": "background"}

NAMES: tuple[Pattern, ...] = (
    (
        r"netGF\.(?:module\.)?weight_layer(\d*(?:_\d)?)\.simple_(instance|bg)_conv\.",
        lambda m: f"layers.{_LAYERS[m[1]]}.{_SCORES[m[2]]}.",
    ),
    *(
        (rf"{file}\.(?:module\.)?{theirs}", rf"{network}.{ours}")
        for file, network in NETWORKS.items()
        for theirs, ours in HINT_UNET_NAMES
    ),
)


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


class FusionEncoding(NamedTuple):
    """Output of `InstanceNetworks.encode` and input of `InstanceNetworks.decode`.

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
        height, width = lightness.shape[-2:]
        encoded = self.encode(lightness, points, boxes)
        full_logits = None if encoded.full is None else self.full.distribution(encoded.full.trunk)
        fusion_logits = None if encoded.fusion is None else self.fusion.distribution(encoded.fusion.trunk)
        logits = _selected(encoded.boxed, full_logits, fusion_logits)
        rows, columns = cells(height, 4), cells(width, 4)  # without padding
        ab = self.decode(encoded, (height, width))
        return PointNetworkOutput(ab, logits[:, :, :rows, :columns].float())

    def encode(self, lightness: Tensor, points: Points, boxes: Boxes | None) -> FusionEncoding:
        """Run the instance network, and the full-image and fusion networks up to block 8.

        See `forward` for the arguments.
        """
        if boxes is None:
            corners = [lightness.new_empty(0, 4)] * len(lightness)
        else:
            corners = [own[given > 0] for own, given in zip(boxes.corners, boxes.given, strict=True)]
        boxed = tuple(len(own) > 0 for own in corners)

        # instance network: feature maps of all crops, accumulated per image
        image_size = (lightness.shape[-2], lightness.shape[-1])
        instances = [(image, box) for image, own in enumerate(corners) for box in own.cpu()]
        gray = pad_to_multiple(lightness, STRIDE)
        ab, mask = pad_with_zeros(points.ab, STRIDE), pad_with_zeros(points.mask, STRIDE)
        crop_size = (gray.shape[-2], gray.shape[-1])
        step = max(1, len(instances)) if torch.is_grad_enabled() else _BOXES_AT_A_TIME
        sums: list[dict[str, InstanceSums]] = [{} for _ in corners]
        for first in range(0, len(instances), step):
            group = instances[first : first + step]
            rectangles = [(image, to_rectangle(box, image_size)) for image, box in group]
            gray_crops, ab_crops, mask_crops = (
                torch.cat([cut(maps[image, None], each, crop_size, mode=mode) for image, each in rectangles])
                for maps, mode in ((gray, "bilinear"), (ab, "nearest"), (mask, "nearest"))
            )
            features = self.instance_features(gray_crops, Points(ab_crops, mask_crops))
            for name in list(features):
                maps = features.pop(name)  # frees the memory of each map after its use
                size, layer = (maps.shape[-2], maps.shape[-1]), cast(FusionLayer, self.layers[name])
                for (image, box), instance in zip(group, torch.split(maps, 1), strict=True):
                    rectangle = to_rectangle(box, image_size, _STRIDES[name])
                    sums[image][name] = layer.add(sums[image].get(name), instance, rectangle, size)

        # full-image network for images without boxes, fusion network for images with boxes
        x = hint_input(lightness, points, self.mask_center)
        full = None if all(boxed) else self.full.encode(x)
        fusion = self.fusion.encode(x, visit=partial(self._fused, sums)) if any(boxed) else None
        return FusionEncoding(boxed, full, fusion, sums)

    def decode(self, encoded: FusionEncoding, size: tuple[int, int], visit: Visit = unchanged) -> Tensor:
        """Run the layers after block 8 and return ab ``(B, 2, H, W)`` in CIE units.

        Args:
            encoded: Output of `encode`.
            size: Height and width of the images in pixels.
            visit: Function that is called with each fused feature map and returns the map to use.
        """

        def fuse(name: str, activation: Tensor) -> Tensor:
            return visit(name, self._fused(encoded.sums, name, activation))

        ab = _selected(
            encoded.boxed,
            None if encoded.full is None else self.full.decode(encoded.full, visit),
            None if encoded.fusion is None else self.fusion.decode(encoded.fusion, fuse),
        )
        return ab[:, :, : size[0], : size[1]].float() * self.ab_scale

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

    def _fused(self, sums: Sequence[Mapping[str, InstanceSums]], name: str, activation: Tensor) -> Tensor:
        """Fuse a map ``(B, C, h, w)`` with instance sums; images without boxes are unchanged."""
        layer = cast(FusionLayer, self.layers[name])
        pairs = zip(torch.split(activation, 1), sums, strict=True)
        return torch.cat([layer.finish(whole, own[name]) if own else whole for whole, own in pairs])


def _selected(boxed: Sequence[bool], full: Tensor | None, fusion: Tensor | None) -> Tensor:
    """Return the fusion output for images with boxes and the full-image output otherwise."""
    if full is None or fusion is None:
        return cast(Tensor, full if fusion is None else fusion)
    return torch.where(torch.tensor(boxed, device=full.device)[:, None, None, None], fusion, full)


Detector = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function that maps gray RGB ``(3, H, W)`` in [0, 1] to boxes and scores.

Boxes are ``(K, 4)`` in pixels (left, top, right, bottom), and scores are ``(K,)`` in [0, 1].
"""


def torchvision_detector(path: str) -> Detector:
    """Load torchvision's Faster R-CNN as a `Detector`; the paper uses Mask R-CNN.

    Args:
        path: Path of a state dict of ``torchvision.models.detection.fasterrcnn_resnet50_fpn_v2``.

    Returns:
        Function that maps an image to boxes and scores.

    Raises:
        WeightsError: The file is missing or contains the weights of a different network.
    """
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2  # slow import

    model = fasterrcnn_resnet50_fpn_v2(weights_backbone=None).eval()
    apply_weights(model, read_weights(Path(path)).state_dict, name=path)

    def detect(image: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            detections = model.to(image.device)([image])[0]
        return detections["boxes"], detections["scores"]

    return detect


class InstanceColorization(ColoringModel, DetectionModel):
    """Colorization of an image and each object, guided by boxes and color points.

    Attributes:
        detector: Function that detects objects; None before the first detection or without a detector.
        detector_file: Weight file of the detector, loaded at the first detection; None without a detector.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input; the published weights
            require 0.5.
        trunk: Name of a Local Hints model (Zhang et al. 2017), which initializes all three networks and
            determines ``width``, ``mask_center`` and the scale of the output. The decoder of the instance
            network, the last layers of the fusion network and the fusion layers are trainable. The other
            weights are frozen. The paper has no such argument.
        detector: State dict file of torchvision's ``fasterrcnn_resnet50_fpn_v2``, which detects objects if
            the user does not specify boxes. None disables the detection.
    """

    accepts = frozenset({"points", "boxes"})
    weight_settings = ("mask_center",)
    published_names, published_unused = NAMES, UNUSED
    published_files: ClassVar[Mapping[str, str]] = {
        "latest_net_GComp.pth": "netGComp",
        "latest_net_G.pth": "netG",
        "latest_net_GF.pth": "netGF",
    }
    feature_layers = (
        "network.full.block1",
        "network.full.block2",
        "network.full.block3",
        "network.full.block7",
    )
    network: InstanceNetworks

    def __init__(
        self,
        width: Width = 1.0,
        mask_center: float = 0.5,
        trunk: str | None = None,
        detector: str | None = None,
    ) -> None:
        if trunk is None:
            network = InstanceNetworks([HintUNet(width=width) for _ in range(3)], mask_center)
            initialize(network, None)
        else:
            local_hints = point_network(create_backbone(trunk, "trunk"), "--model.trunk")
            unets = [deepcopy(local_hints.unet) for _ in range(3)]
            network = InstanceNetworks(unets, local_hints.mask_center, local_hints.ab_scale)
            initialize(network.layers, None)
            borrow(network, [key for key in network.state_dict() if _FROZEN.match(key)])
        super().__init__(network)
        self.trunk = trunk
        self.refined_maps = network.full.refined_maps
        self.detector_file = detector
        self.detector: Detector | None = None

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; the fusion network is used for images with boxes.

        ``extras["logits"]`` contains logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the bins of the ab grid.
        """
        out = self.network(lightness, *_points_and_boxes(lightness, guidance))
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    @property
    def detects(self) -> bool:
        """Whether an object detector is configured."""
        return self.detector is not None or self.detector_file is not None

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Detect objects in images and return their bounding boxes.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """
        if self.detector is None and self.detector_file is not None:
            self.detector = torchvision_detector(self.detector_file)
        if self.detector is None:
            raise GuidanceError(
                "su2020 requires bounding boxes. Set `--box X,Y,WIDTH,HEIGHT`, add boxes to the recipe, or "
                "set the model argument `detector` (Python) to a weight file. To use the full-image network "
                "only, set `--box none`."
            )
        return detect(lightness, self.detector)

    def encode(self, lightness: Tensor, guidance: Guidance | None = None) -> FusionEncoding:
        """Run the networks up to block 8 and return the input of `decode`."""
        return self.network.encode(lightness, *_points_and_boxes(lightness, guidance))

    def decode(self, encoded: FusionEncoding, size: tuple[int, int], visit: Visit = unchanged) -> Tensor:
        """Compute ab ``(B, 2, H, W)`` in CIE units; see `InstanceNetworks.decode`."""
        return self.network.decode(encoded, size, visit)


def detect(lightness: Tensor, detector: Detector) -> Boxes:
    """Return the boxes of at most 8 objects per image, with detector scores of at least 0.7.

    Boxes are sorted by descending score. Boxes with a side below 2 pixels are dropped.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        detector: Function that detects objects, called once per image.
    """
    height, width = lightness.shape[-2:]
    scale = torch.tensor([width, height, width, height])
    kept = []
    for gray in lightness:
        boxes, scores = (each.detach().float().cpu() for each in detector((gray / 100).expand(3, -1, -1)))
        sides = boxes[:, 2:] - boxes[:, :2]
        sure = (scores >= LEAST_SCORE) & (sides >= _LEAST_SIDE).all(dim=1)
        order = scores[sure].argsort(descending=True)[:MOST]
        kept.append((boxes[sure][order] / scale).clamp(0, 1))
    return Boxes.of(kept).to(lightness.device)


def _points_and_boxes(lightness: Tensor, guidance: Guidance | None) -> tuple[Points, Boxes | None]:
    return points_of(guidance, lightness), None if guidance is None else guidance.boxes
