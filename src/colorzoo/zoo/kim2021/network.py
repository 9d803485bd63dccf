"""Network E of Kim et al. 2021, which computes residuals for a backbone's feature maps.

`Extensions` contains settings that are not in the paper; the published model disables them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.losses.edges import color_error
from colorzoo.networks.blocks import conv3x3, is_traced
from colorzoo.networks.feature_hooks import FeatureHook
from colorzoo.settings import NonNegativeFloat, NonNegativeInt

STEP = 3  # pixels between sampled positions
_KEYS, _HIDDEN = 3, 16
_ALIKE = 6.0  # initial scale of lightness differences between similar pixels
_AVOID = 2.2  # logit of 0.9, the initial weight reduction of pixels under a scribble
_GAIN = 20.0  # gain of the last layer, which shortens training to some hundred steps
_AB_SCALE = 110.0
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
        drawn = self._drawn(ab, key, 1 - self.avoid.sigmoid() * scribbles)
        inputs = torch.cat([gray, scribbles, ab / _AB_SCALE, drawn / _AB_SCALE], dim=1)
        belief = _GAIN * self.belief(inputs).float()
        return belief * (drawn - ab)

    def _drawn(self, ab: Tensor, key: Tensor, trust: Tensor) -> Tensor:
        """Return the mean color of similar pixels within the radius."""
        height, width = ab.shape[-2:]
        reach = self.radius // STEP * STEP
        padded = F.pad(
            torch.cat([key, trust, trust * ab], dim=1), (reach,) * 4
        )  # zero padding: pixels outside of the image have no weight
        channels = key.shape[1]
        total = torch.zeros_like(ab)
        weight = torch.full_like(trust, 1e-6)
        for row in range(-reach, reach + 1, STEP):
            for column in range(-reach, reach + 1, STEP):
                if row * row + column * column > self.radius**2:
                    continue
                top, left = reach + row, reach + column
                other = padded[..., top : top + height, left : left + width]
                apart = (other[:, :channels] - key).square().sum(dim=1, keepdim=True)
                alike = torch.exp(-apart / 2)
                total = total + alike * other[:, channels + 1 :]
                weight = weight + alike * other[:, channels : channels + 1]
        return total / weight


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


def color_terms(
    found: Tensor, truth: Tensor, first: Tensor, near: Tensor, relative: bool
) -> tuple[Tensor, Tensor]:
    """Return the color error near the scribbles and the color change elsewhere.

    Args:
        found: Predicted ab ``(B, 2, H, W)`` with scribbles.
        truth: Ground truth ab ``(B, 2, H, W)``.
        first: Predicted ab ``(B, 2, H, W)`` without scribbles.
        near: Mask ``(B, 1, H, W)``, 1 near the scribbles, else 0.
        relative: Whether to divide the losses of each image by the error of ``first`` near the scribbles.

    Returns:
        Two scalars: mean squared differences of ab / 110, weighted by `image_weights`.
    """
    weight = image_weights(color_error(first, truth, near), relative)
    color = (color_error(found, truth, near) * weight).mean()
    return color, (color_error(found, first, 1 - near) * weight).mean()


DILATIONS = (1, 2, 4)
FIELD = 2 + 2 * sum(DILATIONS)  # receptive field of a branch to each side, in map positions
PROPAGATION_FIELD = 4  # receptive field of the `Propagation` convolutions to each side, in pixels
GAIN = 0.1  # gain of the last convolution: training starts unstable with 1


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


class HookBranch(nn.Module):
    """Branch of the edge-enhancing network E for one feature map of the backbone.

    The branch computes a residual, which is added to the feature map and is initially zero.

    Args:
        hook: Feature hook (description of the backbone layer) whose output is the feature map.
        hidden: Number of hidden channels.
        beside: Number of input channels besides the feature map: 1 for scribbles, 2 with lightness.
    """

    def __init__(self, hook: FeatureHook, hidden: int, beside: int) -> None:
        super().__init__()
        self.scale = hook.scale
        self.enter = conv3x3(hook.channels + beside, hidden)
        self.blocks = nn.Sequential(*(DilatedResidual(hidden, dilation) for dilation in DILATIONS))
        self.leave = conv3x3(hidden, hook.channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, activation: Tensor, beside: Tensor) -> Tensor:
        """Return the residual for a feature map, divided by `FeatureHook.scale`.

        Args:
            activation: Feature map ``(B, C, h, w)`` of the backbone.
            beside: Scribbles and optional lightness at the size of the map, ``(B, beside, h, w)``.
        """
        x = torch.relu(self.enter(torch.cat([activation / self.scale, beside.to(activation)], dim=1)))
        return GAIN * self.leave(self.blocks(x))


class EdgeNetwork(nn.Module):
    """Network E with a `HookBranch` for each feature map of the backbone that E modifies.

    Args:
        hooks: Feature hooks of the backbone, which describe these feature maps.
        hidden: Number of hidden channels of each branch, or one number for all branches.
        extensions: Extensions that are not in the paper.
    """

    def __init__(self, hooks: Sequence[FeatureHook], hidden: Sequence[int], extensions: Extensions) -> None:
        super().__init__()
        self.strides = tuple(hook.stride for hook in hooks)
        self.read_lightness, self.reach = extensions.read_lightness, extensions.reach
        self.propagation = Propagation(extensions.propagation) if extensions.propagation else None
        widths = [hidden[0]] * len(hooks) if len(hidden) == 1 else hidden
        if len(widths) != len(hooks):
            raise ColorzooError(
                f"'hidden' must contain one number, or one number for each of the {len(hooks)} feature hooks "
                f"({', '.join(hook.name for hook in hooks)}), got {len(hidden)} numbers"
            )
        pairs = zip(hooks, widths, strict=True)
        self.branches = nn.ModuleList(
            HookBranch(hook, width, 2 if self.read_lightness else 1) for hook, width in pairs
        )

    def near(self, scribbles: Tensor) -> Tensor:
        """Return factors in [0, 1] that limit residuals to the surroundings of scribbles.

        The factors ``(B, 1, H, W)`` decrease from 1 at the scribbles to 0 at the distance `Extensions.reach`.
        If ``reach`` is None, the shape is ``(B, 1, 1, 1)``, and the factor is 1 for images with scribbles,
        else 0.
        """
        if self.reach is None:
            return scribbles.amax(dim=(1, 2, 3), keepdim=True)
        return self._fading(scribbles, self.reach)

    def forward(
        self, index: int, activation: Tensor, scribbles: Tensor, lightness: Tensor, near: Tensor
    ) -> Tensor:
        """Return the residual for a feature map, divided by `FeatureHook.scale`.

        Args:
            index: Index of the feature hook, which selects the branch.
            activation: Feature map ``(B, C, h, w)`` of the backbone at this hook.
            scribbles: ``(B, 1, H, W)`` in {0, 1}; without scribbles, the residual is zero.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            near: Output of `near` for the scribbles, by which the residual is multiplied.
        """
        stride = self.strides[index]
        size = (activation.shape[-2], activation.shape[-1])
        drawn = _pooled(scribbles, stride, size, F.max_pool2d)
        beside = [drawn]
        if self.read_lightness:
            beside.append(_pooled((lightness - 50) / 100, stride, size, F.avg_pool2d))
        window = near if self.reach is None else _pooled(near, stride, size, F.avg_pool2d)
        window = window.to(activation)
        branch, read = self.branches[index], torch.cat(beside, dim=1)
        if self.reach is None or self._everywhere():
            return branch(activation, read) * window
        return _run_around(branch, activation, read, window)

    def propagate(self, ab: Tensor, lightness: Tensor, scribbles: Tensor) -> Tensor:
        """Return ab with propagated colors near scribbles, or unchanged ab without `Propagation`.

        Args:
            ab: Predicted ab ``(B, 2, H, W)`` in CIE units.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            scribbles: ``(B, 1, H, W)`` in {0, 1}.
        """
        if self.propagation is None:
            return ab
        window = self._fading(scribbles, self.propagation.radius)
        if self._everywhere():
            return ab + window * self.propagation(ab, lightness, scribbles)
        part = _around(window, self.propagation.radius + PROPAGATION_FIELD)
        if part is None:
            return ab
        changed = ab.clone()
        changed[part] += window[part] * self.propagation(ab[part], lightness[part], scribbles[part])
        return changed

    def _everywhere(self) -> bool:
        """Return whether to process the whole image, as training and exported graphs require."""
        return self.training or is_traced()

    def _fading(self, scribbles: Tensor, reach: int) -> Tensor:
        if self._everywhere():
            return fading(scribbles, reach)
        faded = torch.zeros_like(scribbles)
        part = _around(scribbles, reach + reach // 2)  # margin for complete averages within the reach
        if part is not None:
            faded[part] = fading(scribbles[part], reach)
        return faded


def _run_around(branch: nn.Module, activation: Tensor, read: Tensor, window: Tensor) -> Tensor:
    """Run a branch only on the map region that affects the output inside the window."""
    change = torch.zeros_like(activation)
    part = _around(window, FIELD)
    if part is not None:
        change[part] = (branch(activation[part], read[part]) * window[part]).to(change)
    return change


def _around(window: Tensor, margin: int) -> tuple[Any, slice, slice] | None:
    """Return the bounding box of a window, enlarged by ``margin`` positions, or None if empty."""
    marked = (window > 0).any(dim=0).any(dim=0)
    if not marked.any():
        return None
    rows, columns = (_ends(marked.any(dim=axis), margin) for axis in (1, 0))
    return ..., rows, columns


def _ends(marked: Tensor, margin: int) -> slice:
    places = marked.nonzero()
    return slice(max(0, int(places.min()) - margin), int(places.max()) + 1 + margin)


def fading(scribbles: Tensor, reach: int) -> Tensor:
    """Return factors in [0, 1] that decrease with the distance from the scribbles.

    Args:
        scribbles: ``(B, 1, H, W)`` in {0, 1}.
        reach: Distance in pixels from the scribbles beyond which the factor is 0.

    Returns:
        Factors ``(B, 1, H, W)``: 1 at the scribbles, 0 beyond ``reach``.
    """
    flat, ramp = reach - reach // 2, reach // 2
    for axis in (0, 1):  # separable, because a square window is much slower
        scribbles = _along(F.max_pool2d, scribbles, flat, axis)
    for axis in (0, 1):
        scribbles = _along(partial(F.avg_pool2d, count_include_pad=False), scribbles, ramp, axis)
    return scribbles


def _along(pool: Callable[..., Tensor], image: Tensor, reach: int, axis: int) -> Tensor:
    """Pool along one axis within a distance of ``reach`` pixels."""
    size, padding = [1, 1], [0, 0]
    size[axis], padding[axis] = 2 * reach + 1, reach
    return pool(image, tuple(size), stride=1, padding=tuple(padding))


def _pooled(image: Tensor, stride: int, size: tuple[int, int], pool: object) -> Tensor:
    """Pool a map from image size to feature map size, with replicated borders."""
    height, width = size[0] * stride, size[1] * stride
    cut = image[..., :height, :width]  # some networks drop the last row of an odd map
    padded = F.pad(cut, (0, width - cut.shape[-1], 0, height - cut.shape[-2]), mode="replicate")
    if stride == 1:
        return padded
    return pool(padded, stride)  # type: ignore[operator]
