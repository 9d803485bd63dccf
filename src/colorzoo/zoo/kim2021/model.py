"""Edge-aware interactive colorization against color bleeding (Kim et al., ICCV 2021).

The model is an add-on for a trained colorization model, the backbone. The user draws a scribble without color
over an edge with color bleeding. A small network E then refines the backbone's feature maps: the color edge
becomes sharp, and other regions do not change. https://arxiv.org/abs/2107.01619

The class `Propagation`, the function `fading` and the arguments ``read_lightness``, ``reach`` and
``propagation`` are not in the paper. The included weights use them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import EncodingModel
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model, is_meta
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import conv3x3
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.prediction import AbPrediction, Prediction
from colorzoo.settings import NonNegativeInt

_DILATIONS = (1, 2, 4)
_SCALES = {"ab": 20.0}  # typical magnitudes other than 1: approximate mean chroma of photos in CIE units
_GAIN = 0.1  # gain of the last convolution: training starts unstable with 1

# propagation
_STEP = 3  # pixels between sampled positions
_KEYS, _HIDDEN = 3, 16
_LOOK_STD = 0.01  # initial weights of the feature difference, small against lightness differences
_ALIKE = 6.0  # initial scale of lightness differences between similar pixels
_AVOID = 2.2  # logit of 0.9, the initial weight reduction of pixels under a scribble
_PROPAGATION_GAIN = 20.0  # gain of the last layer, which shortens training to some hundred steps


class DilatedResidual(nn.Module):
    """Residual block x + conv(relu(conv(x))) with dilated 3 x 3 convolutions, then ReLU.

    Args:
        channels: Number of input channels and of output channels.
        dilation: Dilation of both convolutions.
    """

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.first = conv3x3(channels, channels, dilation=dilation)
        self.second = conv3x3(channels, channels, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """Return a feature map of the shape of ``x``."""
        return torch.relu(x + self.second(torch.relu(self.first(x))))


class EdgeBranch(nn.Module):
    """Branch of the edge-enhancing network E for one feature map of the backbone.

    The branch computes a residual, which is added to the feature map and is initially zero.

    Args:
        channels: Number of channels of the feature map.
        hidden: Number of hidden channels.
        beside: Number of input channels besides the feature map: 1 for scribbles, 2 with lightness.
        scale: Typical magnitude of the values, by which the input is divided.
    """

    def __init__(self, channels: int, hidden: int, beside: int, scale: float) -> None:
        super().__init__()
        self.scale = scale
        self.enter = conv3x3(channels + beside, hidden)
        self.blocks = nn.Sequential(*(DilatedResidual(hidden, dilation) for dilation in _DILATIONS))
        self.leave = conv3x3(hidden, channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, activation: Tensor, beside: Tensor) -> Tensor:
        """Return the residual for a feature map, divided by ``scale``.

        Args:
            activation: Feature map ``(B, C, h, w)`` of the backbone.
            beside: Scribbles at the size of the map, ``(B, beside, h, w)``.
        """
        x = torch.relu(self.enter(torch.cat([activation / self.scale, beside.to(activation)], dim=1)))
        return _GAIN * self.leave(self.blocks(x))


class EdgeNetwork(nn.Module):
    """Network E with an `EdgeBranch` for each feature map of the backbone that E modifies.

    Args:
        maps: Dict that maps the names of these feature maps to their channels and strides.
        hidden: Number of hidden channels of each branch, or one number for all branches.
        read_lightness: See `EdgeAwareColorization`.
        reach: See `EdgeAwareColorization`.
        propagation: See `EdgeAwareColorization`.
    """

    def __init__(
        self,
        maps: Mapping[str, tuple[int, int]],
        hidden: Sequence[int],
        *,
        read_lightness: bool = False,
        reach: int | None = None,
        propagation: int = 0,
    ) -> None:
        super().__init__()
        self.read_lightness, self.reach = read_lightness, reach
        last = Propagation(propagation) if propagation else None  # initial weights depend on this order
        widths = [hidden[0]] * len(maps) if len(hidden) == 1 else hidden
        if len(widths) != len(maps):
            raise ColorzooError(
                f"'hidden' must contain one number, or one number for each of the {len(maps)} feature maps "
                f"({', '.join(maps)}), got {len(hidden)} numbers"
            )
        self.strides = {name: stride for name, (_, stride) in maps.items()}
        self.branches = nn.ModuleList(
            EdgeBranch(channels, width, 2 if read_lightness else 1, _SCALES.get(name, 1.0))
            for (name, (channels, _)), width in zip(maps.items(), widths, strict=True)
        )
        self.propagation = last

    def refine(
        self, backbone: Any, encoded: Any, scribbles: Tensor, lightness: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the decoder of the backbone and add a residual to each feature map.

        Args:
            backbone: Backbone.
            encoded: Output of the backbone's encoder.
            scribbles: ``(B, 1, H, W)`` in {0, 1}; images without scribbles do not change.
            lightness: Backbone input ``(B, 1, H, W)``.

        Returns:
            Output of the backbone, and a dict that maps the name of each feature map to its residual
            ``(B, C, h, w)``, divided by the scale of its branch.
        """
        branches: dict[str, Any] = dict(zip(self.strides, self.branches, strict=True))
        residuals: dict[str, Tensor] = {}

        def add_residual(name: str, activation: Tensor) -> Tensor:
            if name not in branches:
                return activation
            branch, stride = branches[name], self.strides[name]
            beside = pooled(scribbles, stride, activation, F.max_pool2d)
            if self.read_lightness:
                gray = pooled((lightness - 50) / 100, stride, activation, F.avg_pool2d)
                beside = torch.cat([beside, gray], dim=1)
            if self.reach is None:
                window = scribbles.amax(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
            else:
                window = pooled(fading(scribbles, self.reach), stride, activation, F.avg_pool2d)
            residuals[name] = branch(activation, beside) * window.to(activation)
            return activation + branch.scale * residuals[name]

        size = (lightness.shape[-2], lightness.shape[-1])
        ab = backbone.decode(encoded, size, visit=add_residual)
        if self.propagation is not None:
            ab = ab + fading(scribbles, self.propagation.radius) * self.propagation(ab, lightness, scribbles)
        return ab, residuals


def pooled(image: Tensor, stride: int, activation: Tensor, pool: Callable[..., Tensor]) -> Tensor:
    """Pool a map from image size to the size of ``activation``, with replicated borders."""
    height, width = (stride * side for side in activation.shape[-2:])
    cut = image[..., :height, :width]  # some networks drop the last row of an odd map
    padded = F.pad(cut, (0, width - cut.shape[-1], 0, height - cut.shape[-2]), mode="replicate")
    if stride == 1:
        return padded
    return pool(padded, stride)


def fading(scribbles: Tensor, reach: int) -> Tensor:
    """Return factors in [0, 1] that decrease with the distance from the scribbles.

    Args:
        scribbles: ``(B, 1, H, W)`` in {0, 1}.
        reach: Distance in pixels from the scribbles beyond which the factor is 0.

    Returns:
        Factors ``(B, 1, H, W)``: 1 at the scribbles, 0 beyond ``reach``.
    """
    flat, ramp = reach - reach // 2, reach // 2
    # one axis after the other, because a square window is much slower
    dilated = F.max_pool2d(scribbles, (2 * flat + 1, 1), stride=1, padding=(flat, 0))
    dilated = F.max_pool2d(dilated, (1, 2 * flat + 1), stride=1, padding=(0, flat))
    average = partial(F.avg_pool2d, stride=1, count_include_pad=False)
    averaged: Tensor = average(dilated, (2 * ramp + 1, 1), padding=(ramp, 0))
    faded: Tensor = average(averaged, (1, 2 * ramp + 1), padding=(0, ramp))
    return faded


class Propagation(nn.Module):
    """Propagation of colors from the surroundings of a scribble, guided by lightness.

    The layer moves the color of each pixel towards a weighted mean of its neighbors' colors. Neighbors with
    similar lightness and features have large weights, and neighbors under the scribble have small weights.
    The layer predicts for each pixel by which fraction the color moves; this fraction is initially 0.

    Args:
        radius: Radius of the neighborhood in pixels.
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius
        self.look = nn.Sequential(conv3x3(2, _HIDDEN), nn.ReLU(), conv3x3(_HIDDEN, _KEYS))
        self.belief = nn.Sequential(
            conv3x3(6, _HIDDEN),
            nn.ReLU(),
            conv3x3(_HIDDEN, _HIDDEN, dilation=2),
            nn.ReLU(),
            conv3x3(_HIDDEN, 1),
        )
        self.log_alike = nn.Parameter(torch.tensor(_ALIKE).log())
        self.avoid = nn.Parameter(torch.tensor(_AVOID))
        # features are compared by squared differences, whose gradient is 0 if all features are 0
        nn.init.normal_(self.look[2].weight, std=_LOOK_STD)  # type: ignore[arg-type]
        nn.init.zeros_(self.belief[4].weight)  # type: ignore[arg-type]
        nn.init.zeros_(self.belief[4].bias)  # type: ignore[arg-type]

    def forward(self, ab: Tensor, lightness: Tensor, scribbles: Tensor) -> Tensor:
        """Return the color change to add to ``ab``, ``(B, 2, H, W)`` in CIE units.

        Args:
            ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            scribbles: ``(B, 1, H, W)``, 1 under a scribble, else 0.
        """
        gray = (lightness - 50) / 100
        key = torch.cat(
            [lightness / self.log_alike.exp(), self.look(torch.cat([gray, scribbles], dim=1)).float()], dim=1
        )
        trust = 1 - self.avoid.sigmoid() * scribbles  # weight of each pixel as a neighbor

        # mean color of similar pixels within the radius
        height, width = ab.shape[-2:]
        reach = self.radius // _STEP * _STEP  # largest offset, a multiple of the step
        values = torch.cat([key, trust, trust * ab], dim=1)
        padded = F.pad(values, (reach,) * 4)  # pixels outside of the image have no weight
        weighted_sum = torch.zeros_like(ab)
        weight = torch.full_like(trust, 1e-6)  # above 0, to avoid division by 0
        for dy, dx in product(range(-reach, reach + 1, _STEP), repeat=2):
            if dy**2 + dx**2 > self.radius**2:
                continue
            top, left = reach + dy, reach + dx
            neighbors = padded[..., top : top + height, left : left + width]
            other_key, other_trust, trusted_ab = torch.split(neighbors, [key.shape[1], 1, 2], dim=1)
            similarity = torch.exp(-(other_key - key).square().sum(dim=1, keepdim=True) / 2)
            weighted_sum = weighted_sum + similarity * trusted_ab
            weight = weight + similarity * other_trust
        neighbor_ab = weighted_sum / weight

        # fraction by which the color of each pixel moves towards this mean
        inputs = torch.cat([gray, scribbles, ab / AB_SCALE, neighbor_ab / AB_SCALE], dim=1)
        belief = _PROPAGATION_GAIN * self.belief(inputs).float()
        return belief * (neighbor_ab - ab)


class EncodedImage(NamedTuple):
    """Encoding of an image by the backbone; see `EncodingModel.encode_image`.

    Attributes:
        maps: Output of the backbone's encoder.
        guidance: Guidance of the encoder, without scribbles.
    """

    maps: Any
    guidance: Guidance


class EdgeAwareColorization(ColoringModel, EncodingModel):
    """Edge-enhancing network E on top of a frozen backbone.

    The arguments from ``read_lightness`` on are extensions that are not in the paper.

    Attributes:
        backbone: Frozen model whose feature maps E refines.

    Args:
        backbone: Name of a registered model that has a decoder with ``refined_maps``, such as
            `zhang2017_local`, `zhang2016` or `su2020`.
        backbone_weights: Weights of the backbone, such as a tag of its model card; see `create_model`.
        backbone_hparams: Hyperparameters of the backbone; None uses the defaults.
        hidden: Number of hidden channels of E for each feature map, or one number for all maps.
        read_lightness: Whether E receives the image lightness in addition to feature maps and scribbles.
        reach: Maximum distance in pixels between a scribble and the feature map positions that E changes.
            None changes all positions, as in the paper.
        propagation: Radius of the layer `Propagation` in pixels; 0 disables the layer.

    Raises:
        ColorzooError: The backbone has no ``refined_maps``.
    """

    network: EdgeNetwork
    backbone: BorrowedModel[Any]

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        hidden: tuple[int, ...] = (88, 64, 32),
        read_lightness: bool = False,
        reach: int | None = None,
        propagation: NonNegativeInt = 0,
    ) -> None:
        weights = None if is_meta() else backbone_weights  # the meta device stores no weights
        model: Any = create_coloring_model(backbone, weights, **(backbone_hparams or {}))
        if not hasattr(model, "refined_maps"):
            raise ColorzooError(
                f"'backbone' must name a model with the attribute 'refined_maps', such as 'zhang2017_local', "
                f"'zhang2016' or 'su2020', got {backbone!r}"
            )
        network = EdgeNetwork(
            model.refined_maps, hidden, read_lightness=read_lightness, reach=reach, propagation=propagation
        )
        super().__init__(network)
        self.backbone = BorrowedModel(model)
        self.working_size = model.working_size
        self.accepts = model.accepts | {"scribbles"}
        self.feature_layers = tuple(f"backbone.model.{layer}" for layer in model.feature_layers)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None, encoded: Any = None) -> Prediction:
        """Colorize a batch; without scribbles, return the backbone's prediction.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Scribbles for E, and guidance for the backbone.
            encoded: Output of the backbone's encoder; None computes it.
        """
        backbone = self.backbone.model
        if guidance is None or guidance.scribbles is None:
            return backbone(lightness, guidance)
        if encoded is None:
            encoded = backbone.encode(lightness, guidance)
        ab, residuals = self.network.refine(backbone, encoded, guidance.scribbles.mask, lightness)
        return AbPrediction(ab=ab, extras=residuals)

    def encode_image(
        self, lightness: Tensor, guidance: Guidance, encoded: EncodedImage | None = None
    ) -> EncodedImage | None:
        """Run the backbone's encoder if there are scribbles; see `EncodingModel.encode_image`."""
        others = replace(guidance, scribbles=None)
        if guidance.scribbles is None or (encoded is not None and others.equals(encoded.guidance)):
            return encoded
        return EncodedImage(self.backbone.model.encode(lightness, others), others)

    def decode_image(self, lightness: Tensor, guidance: Guidance, encoded: EncodedImage | None) -> Prediction:
        """Run E and the backbone's decoder; see `EncodingModel.decode_image`."""
        return self(lightness, guidance, None if encoded is None else encoded.maps)
