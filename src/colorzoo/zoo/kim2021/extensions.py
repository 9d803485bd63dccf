"""Extensions of the network E and its losses that are not in the paper.

The included weights use them. `Extensions` selects them when a model is constructed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses.edges import color_error, edge_error, widened
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import conv3x3
from colorzoo.networks.feature_hooks import FeatureHook, HookState
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.prediction import Prediction
from colorzoo.settings import NonNegativeFloat, NonNegativeInt
from colorzoo.zoo.kim2021.losses import EdgeLoss, Objective, mean_residual_square
from colorzoo.zoo.kim2021.network import EdgeNetwork, pooled

_STEP = 3  # pixels between sampled positions
_KEYS, _HIDDEN = 3, 16
_ALIKE = 6.0  # initial scale of lightness differences between similar pixels
_AVOID = 2.2  # logit of 0.9, the initial weight reduction of pixels under a scribble
_GAIN = 20.0  # gain of the last layer, which shortens training to some hundred steps
_SOUND = 2e-4  # squared error of ab / 110 for an image without bleeding: 1.6 CIE units


@dataclass(frozen=True)
class Extensions:
    """Extensions of E and its losses that are not in the paper.

    Attributes:
        read_lightness: Whether E receives the image lightness in addition to feature maps and scribbles.
        reach: Maximum distance in pixels between a scribble and the feature map positions that E changes.
            None changes all positions, as in the paper.
        propagation: Radius of the layer `Propagation` in pixels; 0 disables the layer.
        edge_band: Distance in pixels up to which the loss L_edge and the color error include the surroundings
            of the scribbles.
        relative: Whether to divide the losses of each image by the backbone's error without scribbles, so
            that images with weak and strong colors have equal weight.
        color_weight: Weight of the loss ``color``, the squared color error near the scribbles.
        hold_weight: Weight of the loss ``hold``, the squared color change away from the scribbles.
    """

    read_lightness: bool = False
    reach: int | None = None
    propagation: NonNegativeInt = 0
    edge_band: NonNegativeInt = 0
    relative: bool = False
    color_weight: NonNegativeFloat = 0.0
    hold_weight: NonNegativeFloat = 0.0

    def build(self, hooks: Sequence[FeatureHook], hidden: Sequence[int]) -> EdgeNetwork:
        """Build the network E; see `EdgeNetwork` for the arguments."""
        if self.reach is None and not (self.read_lightness or self.propagation):
            return EdgeNetwork(hooks, hidden)
        return ExtendedEdgeNetwork(hooks, hidden, self)

    def loss(self, objective: Objective) -> EdgeLoss:
        """Return the loss of E."""
        extended = self.edge_band or self.relative or self.color_weight or self.hold_weight
        return ExtendedEdgeLoss(objective, self) if extended else EdgeLoss(objective)


class ExtendedEdgeNetwork(EdgeNetwork):
    """Network E that reads the lightness, changes only the surroundings of scribbles and propagates colors.

    Args:
        hooks: See `EdgeNetwork`.
        hidden: See `EdgeNetwork`.
        extensions: Settings.
    """

    def __init__(self, hooks: Sequence[FeatureHook], hidden: Sequence[int], extensions: Extensions) -> None:
        propagation = Propagation(extensions.propagation) if extensions.propagation else None
        super().__init__(hooks, hidden, 2 if extensions.read_lightness else 1)
        self.read_lightness, self.reach = extensions.read_lightness, extensions.reach
        self.propagation = propagation

    def refine(
        self, backbone: ColoringModel, state: HookState, scribbles: Tensor, lightness: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the backbone with refined feature maps and propagate colors near scribbles.

        See `EdgeNetwork.refine` for the arguments.
        """
        ab, residuals = super().refine(backbone, state, scribbles, lightness)
        if self.propagation is not None:
            window = fading(scribbles, self.propagation.radius)
            ab = ab + window * self.propagation(ab, lightness, scribbles)
        return ab, residuals

    def residual(self, index: int, activation: Tensor, scribbles: Tensor, lightness: Tensor) -> Tensor:
        """Return the residual of a feature map, which is 0 beyond the reach of the scribbles.

        See `EdgeNetwork.residual` for the arguments.
        """
        stride = self.strides[index]
        branch_input = pooled(scribbles, stride, activation, F.max_pool2d)
        if self.read_lightness:
            normalized = (lightness - 50) / 100  # in [-0.5, 0.5]
            gray = pooled(normalized, stride, activation, F.avg_pool2d)
            branch_input = torch.cat([branch_input, gray], dim=1)
        if self.reach is None:
            window = scribbles.amax(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1)
        else:
            window = pooled(fading(scribbles, self.reach), stride, activation, F.avg_pool2d)  # (B, 1, h, w)
        residual: Tensor = self.branches[index](activation, branch_input)
        return residual * window.to(activation)


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
        for last in (self.look[2], self.belief[4]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

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
        neighbor_ab = self._neighbor_mean(ab, key, trust=1 - self.avoid.sigmoid() * scribbles)
        inputs = torch.cat([gray, scribbles, ab / AB_SCALE, neighbor_ab / AB_SCALE], dim=1)
        belief = _GAIN * self.belief(inputs).float()
        return belief * (neighbor_ab - ab)

    def _neighbor_mean(self, ab: Tensor, key: Tensor, trust: Tensor) -> Tensor:
        """Return the mean color of similar pixels within the radius, ``(B, 2, H, W)`` in CIE units.

        Args:
            ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
            key: ``(B, C, H, W)``, lightness and features, which are similar for similar pixels.
            trust: ``(B, 1, H, W)`` in [0, 1], weight of each pixel as a neighbor.
        """
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
        return weighted_sum / weight


class ExtendedEdgeLoss(EdgeLoss):
    """Loss with color terms, a band around the scribbles and image weights.

    Args:
        objective: Settings of the paper's loss.
        extensions: Settings of the extensions.
    """

    def __init__(self, objective: Objective, extensions: Extensions) -> None:
        super().__init__(objective)
        self.extensions = extensions

    def terms(
        self, prediction: Prediction, target: Tensor, backbone_ab: Tensor, scribbles: Tensor
    ) -> dict[str, Tensor]:
        """Return the unweighted terms of the loss; see `EdgeLoss.terms` for the arguments.

        Returns:
            The terms of `EdgeLoss.terms`, ``color`` (color error near the scribbles) and ``hold`` (color
            change elsewhere). Color terms are mean squared differences of ab / 110.
        """
        ab = prediction.to_ab()
        near = widened(scribbles, self.extensions.edge_band)
        relative = self.extensions.relative
        edge_weights = image_weights(edge_error(backbone_ab, target, near), relative)
        color_weights = image_weights(color_error(backbone_ab, target, near), relative)
        return {
            "edge": (edge_error(ab, target, near) * edge_weights).mean(),
            "con": (edge_error(ab, backbone_ab, 1 - near) * edge_weights).mean(),
            "reg": mean_residual_square(prediction),
            "color": (color_error(ab, target, near) * color_weights).mean(),
            "hold": (color_error(ab, backbone_ab, 1 - near) * color_weights).mean(),
        }

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms from `terms`."""
        color = self.extensions.color_weight * terms["color"]
        hold = self.extensions.hold_weight * terms["hold"]
        return super().total(terms) + color + hold


def image_weights(lost: Tensor, relative: bool) -> Tensor:
    """Return a loss weight for each image of a batch.

    Args:
        lost: Errors ``(B,)`` of the backbone's predictions, which do not use scribbles.
        relative: Whether the weights are 1 / (error + c) with a small constant c; if false, all weights are
            1.

    Returns:
        Weights ``(B,)``.
    """
    return 1 / (lost + _SOUND) if relative else torch.ones_like(lost)
