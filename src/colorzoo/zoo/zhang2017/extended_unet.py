"""Extensions of the network of Local Hints that are not in the paper.

`ExtendedHintUNet` adds the other classes to a `HintUNet`. `HintAttention` propagates hint colors to similar
positions. `AttendedConv` adds squeeze-and-excitation. `SceneBlocks` add ConvNeXt blocks at stride 16.
`RankLayers` bias training towards low rank.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3, is_traced
from colorzoo.networks.feature_hooks import Visit, unchanged
from colorzoo.networks.hint_unet import Detach, HintEncoding, HintUNet
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt
from colorzoo.zoo.zhang2017.network import LocalArchitecture

MASKED = -1e4  # attention logit of a cell without a hint; finite in bfloat16
_REDUCTION = 4  # channel reduction of the squeeze-and-excitation layer
_OPEN = 4.0  # initial gate bias; sigmoid(4) is nearly 1, so a new gate changes little
_EXPANSION = 4  # MLP expansion ratio of a scene block


@dataclass(frozen=True)
class LocalExtensions:
    """Extensions of Local Hints that are not in the paper.

    Attributes:
        hint_attention: Whether to add an attention layer that propagates hint colors to similar positions;
            see `HintAttention`.
        channel_attention: Whether the skip connections have squeeze-and-excitation layers.
        rank_layers: Number of linear 1 x 1 layers between encoder and decoder, which weight files contain as
            part of the next layer; see `RankLayers`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `SceneBlocks`.
        colorfulness: Factor c in the smooth L1 weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        many: Fraction of the training images with a log-uniform number of points; see `PointSimulation`.
    """

    hint_attention: bool = False
    channel_attention: bool = False
    rank_layers: NonNegativeInt = 0
    scene_blocks: NonNegativeInt = 0
    colorfulness: NonNegativeFloat = 0.0
    many: Fraction = 0.0


class ExtendedHintUNet(HintUNet):
    """`HintUNet` with extensions that are not in the paper.

    Args:
        architecture: Settings of the paper's network.
        extensions: Settings of the extensions.
    """

    def __init__(self, architecture: LocalArchitecture, extensions: LocalExtensions) -> None:
        super().__init__(width=architecture.width)
        c256, c512 = self.up9.in_channels, self.up8.in_channels
        rank_layers, scene_blocks = extensions.rank_layers, extensions.scene_blocks
        self.mask_center = architecture.mask_center
        # new modules are created in the order of stored optimizer states; see `_move_to_end`
        self.rank_layers = RankLayers(c512, rank_layers) if rank_layers else None
        self.scene = SceneBlocks((c256, c512, c512), 2 * c512, scene_blocks) if scene_blocks else None
        self._move_to_end("up8", "skip3", "block8")
        self.attention = HintAttention(c256) if extensions.hint_attention else None
        self.inject = conv3x3(3, c256) if extensions.hint_attention else None
        self._move_to_end("up9", "skip2", "block9", "up10", "skip1", "block10", "class_head", "ab_head")
        if extensions.channel_attention:
            for name in ("skip1", "skip2", "skip3"):
                setattr(self, name, AttendedConv(getattr(self, name)))

    def _move_to_end(self, *names: str) -> None:
        """Register modules again, so that the order of the parameters is the order of the layers.

        Optimizer states in checkpoints and seeded initial weights depend on this order.
        """
        for name in names:
            module = getattr(self, name)
            delattr(self, name)
            setattr(self, name, module)

    def encode(
        self, x: Tensor, *, context: Tensor | None = None, detach: Detach = "none", visit: Visit = unchanged
    ) -> HintEncoding:
        """Run the network up to block 8 and add the attended hint colors."""
        encoded = super().encode(x, context=context, detach=detach, visit=visit)
        if self.attention is None or self.inject is None:
            return encoded
        hints = torch.cat([x[:, 1:3], x[:, 3:] + self.mask_center], dim=1)
        attended = self.inject(self.attention(encoded.trunk, hints))
        return encoded._replace(trunk=encoded.trunk + attended)

    def merge(self, maps: Sequence[Tensor], visit: Visit = unchanged) -> Tensor:
        """Apply the scene blocks and rank layers to the output of block 7, then block 8."""
        deep = maps[6]
        if self.scene is not None:
            deep = self.scene((maps[2], maps[3], deep))
        if self.rank_layers is not None:  # directly before `up8`, into which `fold_rank_layers` folds them
            deep = self.rank_layers(deep)
        return super().merge((*maps[:6], deep), visit)


class HintAttention(nn.Module):
    """Attention layer that propagates hint colors to positions with similar features.

    The layer is a kernel regression of hint colors in a learned feature space. A cell covers 2 x 2 positions
    of the feature map. Each position p attends to all cells q that contain a hint. The logit is
    ``k - |f_p - f_q|^2 - |p - q|^2 / s^2``. Here f are projected features, p and q are coordinates divided by
    the mean of height and width, and k and s are learned scalars. Each position also attends to a null cell
    with logit 0 and color 0, which limits how far a hint spreads.

    Args:
        channels: Number of channels of the feature map.
        key_channels: Number of channels of the projected features.
    """

    def __init__(self, channels: int, key_channels: int = 16) -> None:
        super().__init__()
        self.key = nn.Conv2d(channels, key_channels, 1)
        self.log_reach = nn.Parameter(torch.tensor(math.log(0.2)))
        self.bias = nn.Parameter(torch.tensor(3.0))

    def forward(self, features: Tensor, hints: Tensor) -> Tensor:
        """Propagate hint colors to all positions.

        Args:
            features: ``(B, C, h, w)`` features of the positions.
            hints: ``(B, 3, H, W)``: two color channels, 0 where unknown, and the mask in {0, 1}.

        Returns:
            ``(B, 3, h, w)``: the attended color and the total attention weight of cells with a hint.
        """
        batch, _, height, width = features.shape
        grid = ((height + 1) // 2, (width + 1) // 2)  # rows and columns of the cells
        cell_hints = F.adaptive_avg_pool2d(hints.float(), grid)
        hinted_fraction = cell_hints[:, 2:]  # fraction of the cell's pixels that have a hint
        projected = self.key(features)
        projected_cells = F.adaptive_avg_pool2d(projected.float(), grid)
        query = _extend_query(self._embed(projected))
        key = _extend_key(self._embed(projected_cells), self.bias, hinted_fraction)
        # dividing by the fraction gives the mean color of the hinted pixels, and 1 as the third channel
        hint_means = cell_hints / hinted_fraction.clamp(min=1e-6)
        value = hint_means.flatten(2).transpose(1, 2)  # (B, cells, 3)
        value = torch.cat([value, torch.zeros_like(value[:, :1])], dim=1)  # the null cell is 0
        if not torch.is_grad_enabled() and not is_traced():
            key, value = _hinted_in_some_image(key, value, hinted_fraction)
        # one attention head, because ONNX export supports only 4D attention
        heads = F.scaled_dot_product_attention(query[:, None], key[:, None], value[:, None], scale=1.0)
        attended = heads[:, 0]  # (B, h * w, 3)
        return attended.transpose(1, 2).reshape(batch, 3, height, width)

    def _embed(self, projected: Tensor) -> Tensor:
        """Append scaled coordinates to projected features and flatten to ``(B, h * w, D)``."""
        batch, _, height, width = projected.shape
        reach = self.log_reach.exp().float()
        mean_side = (height + width) / 2
        rows = (torch.arange(height, device=projected.device) + 0.5) / mean_side
        columns = (torch.arange(width, device=projected.device) + 0.5) / mean_side
        coordinates = torch.stack(torch.meshgrid(rows, columns, indexing="ij")) / reach
        coordinates = coordinates.expand(batch, -1, -1, -1)
        return torch.cat([projected.float(), coordinates], dim=1).flatten(2).transpose(1, 2)


def _extend_query(query: Tensor) -> Tensor:
    """Return ``[2 q, -|q|^2, 1]``, whose product with `_extend_key` is ``bias - |q - k|^2``."""
    norm = query.square().sum(-1, keepdim=True)
    return torch.cat([2 * query, -norm, torch.ones_like(norm)], dim=-1)


def _extend_key(key: Tensor, bias: Tensor, weight: Tensor) -> Tensor:
    """Return the key ``[k, 1, bias - |k|^2]`` of each cell, followed by the null key 0.

    For cells without a hint, the last element is `MASKED`.
    """
    norm = key.square().sum(-1, keepdim=True)
    hinted = weight.flatten(2).transpose(1, 2) > 0
    level = torch.where(hinted, bias - norm, MASKED)
    keys = torch.cat([key, torch.ones_like(norm), level], dim=-1)
    return torch.cat([keys, torch.zeros_like(keys[:, :1])], dim=1)


def _hinted_in_some_image(key: Tensor, value: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Drop cells that have no hint in any image of the batch.

    The output does not change, because the attention weights of these cells are exactly 0. Images have
    thousands of cells but only dozens of points, so most of the computation is saved. Training and export
    keep all cells, because they require static shapes.
    """
    hinted = (weight > 0).any(dim=0).flatten()
    kept = torch.cat([hinted, hinted.new_ones(1)]).nonzero().flatten()
    return key[:, kept], value[:, kept]


class AttendedConv(nn.Module):
    """Convolution followed by squeeze-and-excitation (Hu et al. 2018).

    The output channels are scaled by s = sigmoid(W2 relu(W1 z)), where z is the global average of each
    channel.

    Args:
        conv: The convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        channels = conv.out_channels
        self.conv = conv
        self.squeeze = nn.Linear(channels, max(1, channels // _REDUCTION))
        self.excite = nn.Linear(self.squeeze.out_features, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.constant_(self.excite.bias, _OPEN)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled output of the convolution for ``(B, C, H, W)``."""
        features = self.conv(x)
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(features.mean(dim=(2, 3))))))
        return features * gate[:, :, None, None]


class SceneBlock(nn.Module):
    """ConvNeXt block: 7x7 depthwise convolution and MLP (Liu et al. 2022).

    Args:
        channels: Number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, _EXPANSION * channels)
        self.narrow = nn.Linear(_EXPANSION * channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return a feature map with the shape of the input, ``(B, C, h, w)``."""
        places = self.norm(self.spread(x).permute(0, 2, 3, 1))
        change: Tensor = self.narrow(F.gelu(self.widen(places)))
        return x + change.permute(0, 3, 1, 2)


class SceneBlocks(nn.Module):
    """ConvNeXt blocks at stride 16, added to the deepest map.

    The blocks increase the capacity for object recognition at a low cost, because the map is small. The last
    layer is initialized to zero, so adding the blocks to a trained network does not change its output.

    Args:
        channels: Number of channels of each input map, the deepest map last.
        width: Number of channels inside the blocks.
        depth: Number of blocks.
    """

    def __init__(self, channels: Sequence[int], width: int, depth: int) -> None:
        super().__init__()
        self.enter = nn.Conv2d(sum(channels), width, 1)
        self.blocks = nn.Sequential(*(SceneBlock(width) for _ in range(depth)))
        self.leave = nn.Conv2d(width, channels[-1], 1)
        self.reset_output()

    def reset_output(self) -> None:
        """Set the last layer to zero, so that the blocks do not change the deepest map."""
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Return the deepest map plus the output of the blocks.

        Args:
            maps: Feature maps ``(B, C, n * h, n * w)``. The integer n is 1 for the last (deepest) map.
        """
        deep = maps[-1]
        height, width = deep.shape[-2:]
        # pool to half the size of the deepest map; border cells of odd maps average only pixels inside
        sides = [2 * (each.shape[-1] // width) for each in maps]
        halves = [F.avg_pool2d(each, side, ceil_mode=True) for each, side in zip(maps, sides, strict=True)]
        scene = self.leave(self.blocks(self.enter(torch.cat(halves, dim=1))))
        return deep + F.interpolate(scene, scale_factor=2, mode="bilinear")[:, :, :height, :width]


class RankLayers(nn.Module):
    """Stack of linear 1x1 layers without bias, initialized to the identity.

    The layers implement implicit rank minimization (Jing, Zbontar and LeCun 2020,
    https://arxiv.org/abs/2010.00679). Stacked linear layers bias gradient descent towards low-rank features.
    Their product is one linear layer, so `fold_rank_layers` can remove them after training.

    Args:
        channels: Channels of the features.
        count: Number of layers.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.eye(channels) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """Apply all layers to ``(B, C, H, W)``."""
        for weight in self.weights:
            x = F.conv2d(x, weight[:, :, None, None])
        return x


def fold_rank_layers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Fold the rank layers of a `HintUNet` into the next transposed convolution.

    Args:
        state_dict: State dict with ``...rank_layers.weights.N`` and ``...up8.weight``; returned unchanged if
            it has no rank layers.

    Returns:
        State dict of an equivalent network without rank layers.
    """
    rank_keys = [key for key in state_dict if ".rank_layers." in key]
    if not rank_keys:
        return dict(state_dict)
    rank_keys.sort(key=lambda key: int(key.rpartition(".")[2]))  # in the order of the layers
    product = reduce(torch.matmul, [state_dict[key].double() for key in reversed(rank_keys)])
    prefix = rank_keys[0].partition("rank_layers.")[0]
    next_key = f"{prefix}up8.weight"
    weight = state_dict[next_key]
    folded = {key: value for key, value in state_dict.items() if key not in rank_keys}
    folded[next_key] = torch.einsum("cd,cohw->dohw", product, weight.double()).to(weight.dtype)
    return folded
