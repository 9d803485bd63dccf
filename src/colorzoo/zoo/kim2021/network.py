"""Network E of Kim et al. 2021, which computes residuals for a backbone's feature maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.errors import ColorzooError
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import conv3x3
from colorzoo.networks.feature_hooks import FeatureHook, HookState

_DILATIONS = (1, 2, 4)
_GAIN = 0.1  # gain of the last convolution: training starts unstable with 1


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
        beside: Number of input channels besides the feature map: 1 for scribbles.
    """

    def __init__(self, hook: FeatureHook, hidden: int, beside: int) -> None:
        super().__init__()
        self.scale = hook.scale
        self.enter = conv3x3(hook.channels + beside, hidden)
        self.blocks = nn.Sequential(*(DilatedResidual(hidden, dilation) for dilation in _DILATIONS))
        self.leave = conv3x3(hidden, hook.channels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, activation: Tensor, beside: Tensor) -> Tensor:
        """Return the residual for a feature map, divided by `FeatureHook.scale`.

        Args:
            activation: Feature map ``(B, C, h, w)`` of the backbone.
            beside: Scribbles at the size of the map, ``(B, beside, h, w)``.
        """
        x = torch.relu(self.enter(torch.cat([activation / self.scale, beside.to(activation)], dim=1)))
        return _GAIN * self.leave(self.blocks(x))


class EdgeNetwork(nn.Module):
    """Network E with a `HookBranch` for each feature map of the backbone that E modifies.

    Args:
        hooks: Feature hooks of the backbone, which describe these feature maps.
        hidden: Number of hidden channels of each branch, or one number for all branches.
        beside: Number of input channels of a branch besides the feature map; see `HookBranch`.
    """

    def __init__(self, hooks: Sequence[FeatureHook], hidden: Sequence[int], beside: int = 1) -> None:
        super().__init__()
        self.strides = tuple(hook.stride for hook in hooks)
        widths = [hidden[0]] * len(hooks) if len(hidden) == 1 else hidden
        if len(widths) != len(hooks):
            raise ColorzooError(
                f"'hidden' must contain one number, or one number for each of the {len(hooks)} feature hooks "
                f"({', '.join(hook.name for hook in hooks)}), got {len(hidden)} numbers"
            )
        self.branches = nn.ModuleList(map(HookBranch, hooks, widths, [beside] * len(hooks)))

    def refine(
        self, backbone: ColoringModel, state: HookState, scribbles: Tensor, lightness: Tensor
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the backbone from the first feature hook, and add a residual to each feature map.

        Args:
            backbone: Backbone.
            state: Backbone activations at the first feature hook.
            scribbles: ``(B, 1, H, W)`` in {0, 1}; images without scribbles do not change.
            lightness: Backbone input ``(B, 1, H, W)``.

        Returns:
            Output of the backbone, and a dict that maps the name of each hook to its residual.
        """
        indices = {hook.name: index for index, hook in enumerate(backbone.hooks)}
        residuals: dict[str, Tensor] = {}

        def visit(name: str, activation: Tensor) -> Tensor:
            if name not in indices:
                return activation
            index = indices[name]
            residuals[name] = self.residual(index, activation, scribbles, lightness)
            return activation + backbone.hooks[index].scale * residuals[name]

        return backbone.after_hooks(state, visit), residuals

    def residual(self, index: int, activation: Tensor, scribbles: Tensor, lightness: Tensor) -> Tensor:
        """Return the residual ``(B, C, h, w)`` of a feature map, divided by `FeatureHook.scale`.

        Args:
            index: Index of the feature hook.
            activation: Feature map ``(B, C, h, w)`` of the hook.
            scribbles: ``(B, 1, H, W)`` in {0, 1}.
            lightness: Not used.
        """
        pooled_scribbles = pooled(scribbles, self.strides[index], activation, F.max_pool2d)
        has_scribbles = scribbles.amax(dim=(1, 2, 3), keepdim=True)  # (B, 1, 1, 1) in {0, 1}
        residual: Tensor = self.branches[index](activation, pooled_scribbles)
        return residual * has_scribbles.to(activation)


def pooled(image: Tensor, stride: int, activation: Tensor, pool: Callable[..., Tensor]) -> Tensor:
    """Pool a map from image size to the size of ``activation``, with replicated borders."""
    height, width = (stride * side for side in activation.shape[-2:])
    cut = image[..., :height, :width]  # some networks drop the last row of an odd map
    padded = F.pad(cut, (0, width - cut.shape[-1], 0, height - cut.shape[-2]), mode="replicate")
    if stride == 1:
        return padded
    return pool(padded, stride)
