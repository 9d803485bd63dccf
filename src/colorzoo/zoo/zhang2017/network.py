"""Networks of Zhang et al. 2017: ab from lightness and either points or global statistics.

The classes from `ExtendedHintUNet` on are extensions that are not in the paper. `ExtendedHintUNet` adds
layers to a `HintUNet`: `HintAttention` propagates hint colors to similar positions, `AttendedConv` adds
squeeze-and-excitation, `SceneBlocks` add ConvNeXt blocks at stride 16, and `RankLayers` bias training
towards low rank. `SteeredNetwork` conditions a Local Hints network on a color histogram or a mean
saturation. The predicted color distributions of all positions are multiplied by the same color weights,
computed so that the mean distribution has the target histogram or saturation. Each position then gets
the mean color of the reweighted distribution.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import hull_centers, lab_to_rgb
from colorzoo.color.bins import hull_mask
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import cells, conv3x3, is_traced, pad_to_multiple, scaled_width, upconv4x4
from colorzoo.networks.hint_unet import (
    STRIDE,
    Detach,
    HintEncoding,
    HintUNet,
    HintUNetOutput,
    PointNetwork,
    Visit,
    hint_input,
    initialize,
    point_network,
    unchanged,
)
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.shared_weights import borrow

MASKED = -1e4  # attention logit of a cell without a hint; finite in bfloat16
_REDUCTION = 4  # channel reduction of the squeeze-and-excitation layer
_OPEN = 4.0  # initial gate bias; sigmoid(4) is nearly 1, so a new gate changes little
_EXPANSION = 4  # MLP expansion ratio of a scene block
_FAINT_VECTOR = 0.1  # initial scale of the branch, so training starts near the colors of the trunk
_CELL = 4  # stride of the distribution in pixels
_ROUNDS = 2  # iterations of histogram fitting; more iterations do not improve the fit
_FAINT = 1e-4  # added to probabilities to bound the weights
_MAX_SLOPE = 16.0  # maximum exponent of the weight of a color with chroma 40
_BISECTIONS = 12  # bisection steps; resolves the exponent to 0.01
_CHROMA_UNIT = 40.0
_LIGHTNESS_STEP = 5.0  # lightness step of the saturation table
_LEAST = 1e-30


class HypercolumnHead(nn.Module):
    """Hypercolumn head, which predicts color distributions from blocks 3 to 8 (section 3.3).

    Each feature map is projected by a separate layer. The sum of the projections is equivalent to one layer
    on the concatenated feature maps. The head passes no gradient to other layers.

    Args:
        width: Multiplier for every channel count of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits ``(B, 313, H/4, W/4)`` over the ab bins.

        Args:
            maps: Outputs of blocks 3 to 7: block 3 at 1/4 scale, blocks 4 to 7 at 1/8 scale.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        return self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))


class LocalHintsNetwork(PointNetwork):
    """U-Net of Zhang et al. 2017 with a classification head over color bins.

    Args:
        unet: U-Net with input channels for lightness, a, b and mask.
        mask_center: Value that is subtracted from the hint mask in the network input.
        ab_scale: Factor that converts the network output to CIE units.
        hypercolumn: Hypercolumn head (313 bins); None uses the head of the U-Net (529 bins).
    """

    def __init__(
        self, unet: HintUNet, mask_center: float, ab_scale: float, hypercolumn: HypercolumnHead | None = None
    ) -> None:
        super().__init__(unet, mask_center=mask_center, ab_scale=ab_scale)
        self.hypercolumn = hypercolumn

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return logits ``(B, 529, h, w)``, or ``(B, 313, h, w)`` with the hypercolumn head.

        Args:
            out: Output of the U-Net.
        """
        return out.logits if self.hypercolumn is None else self.hypercolumn(out.maps, out.trunk)


class VectorNorm(nn.BatchNorm2d):
    """BatchNorm for vectors that uses running statistics for a batch with a single vector.

    Batch statistics would normalize a single vector to 0.
    """

    def forward(self, vectors: Tensor) -> Tensor:
        """Normalize ``(B, C, 1, 1)``; a single vector does not update the running statistics."""
        if not self.training or len(vectors) > 1:
            return super().forward(vectors)
        known = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(vectors, *known, training=False, eps=self.eps)


class GlobalBranch(nn.Module):
    """Encoder of a color histogram and a mean saturation into one vector per image.

    Args:
        channels: Vector length.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.saturation = nn.Conv2d(1 + 1, channels, 1)
        self.histogram = nn.Conv2d(len(hull_centers()) + 1, channels, 1)
        self.norm = VectorNorm(channels)
        self.last_norm = VectorNorm(channels)
        middle = [layer for _ in range(2) for layer in (*_layer(channels), VectorNorm(channels))]
        self.deeper = nn.Sequential(*middle, *_layer(channels))

    def forward(self, statistics: GlobalStatistics, batch: int) -> Tensor:
        """Encode global statistics as vectors ``(batch, channels, 1, 1)``.

        Each statistic has an indicator input, 1 if the statistic is present and 0 if it is missing. Missing
        statistics are encoded as zeros.

        Args:
            statistics: Color histograms and mean saturations.
            batch: Batch size.
        """
        histogram, saturation = known_statistics(statistics, batch, self.histogram.weight)
        has_histogram = (histogram.sum(dim=1, keepdim=True) > 0).to(histogram)
        has_saturation = (saturation >= 0).to(saturation)
        x = self.histogram(torch.cat([histogram, has_histogram], dim=1)[:, :, None, None])
        x = x + self.saturation(torch.cat([saturation.clamp_min(0), has_saturation], dim=1)[:, :, None, None])
        return self.last_norm(self.deeper(self.norm(torch.relu(x))))


class GlobalNetwork(nn.Module):
    """Global Hints network, which adds a statistics vector after block 4 of a U-Net.

    Args:
        unet: U-Net that predicts ab.
        ab_scale: Factor that converts the U-Net output to CIE units.
    """

    def __init__(self, unet: HintUNet, ab_scale: float) -> None:
        super().__init__()
        self.unet, self.ab_scale = unet, ab_scale
        self.branch = GlobalBranch(unet.up8.in_channels)

    def forward(self, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Colorize images of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            statistics: Color histograms and mean saturations; an attribute is None if the statistic is
                missing.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units.
        """
        height, width = lightness.shape[-2:]
        ab = self.unet.decode(self.encode(lightness, statistics))
        return ab[:, :, :height, :width].float() * self.ab_scale

    def encode(self, lightness: Tensor, statistics: GlobalStatistics) -> HintEncoding:
        """Run the network up to block 8; see `forward` for the arguments."""
        context = self.branch(statistics, lightness.shape[0])
        return self.unet.encode(pad_to_multiple((lightness - 50) / 100, STRIDE), context=context)


def known_statistics(statistics: GlobalStatistics, batch: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """Convert statistics to histograms ``(batch, 313)`` and saturations ``(batch, 1)``.

    Missing histograms are 0, and missing saturations are -1.

    Args:
        statistics: Color histograms and mean saturations.
        batch: Batch size.
        like: Tensor with the dtype and device of the results.
    """
    histogram = like.new_zeros(batch, len(hull_centers()))
    saturation = like.new_full((batch, 1), -1.0)
    if statistics.histogram is not None:
        histogram = statistics.histogram.to(like)
    if statistics.saturation is not None:
        saturation = statistics.saturation.to(like)
    return histogram, saturation


def _layer(channels: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(channels, channels, 1), nn.ReLU()


class ExtendedHintUNet(HintUNet):
    """`HintUNet` with extensions that are not in the paper.

    Args:
        width: Multiplier for every channel count.
        mask_center: Value that is subtracted from the hint mask in the network input.
        hint_attention: Whether to add a `HintAttention` layer.
        channel_attention: Whether the skip connections are `AttendedConv` layers.
        rank_layers: Number of `RankLayers` between encoder and decoder.
        scene_blocks: Number of `SceneBlocks` at stride 16.
    """

    def __init__(
        self,
        width: float,
        mask_center: float,
        *,
        hint_attention: bool = False,
        channel_attention: bool = False,
        rank_layers: int = 0,
        scene_blocks: int = 0,
    ) -> None:
        super().__init__(width=width)
        c256, c512 = self.up9.in_channels, self.up8.in_channels
        self.mask_center = mask_center
        # new modules are created in the order of stored optimizer states; see `_move_to_end`
        self.rank_layers = RankLayers(c512, rank_layers) if rank_layers else None
        self.scene = SceneBlocks((c256, c512, c512), 2 * c512, scene_blocks) if scene_blocks else None
        self._move_to_end("up8", "skip3", "block8")
        self.attention = HintAttention(c256) if hint_attention else None
        self.inject = conv3x3(3, c256) if hint_attention else None
        self._move_to_end("up9", "skip2", "block9", "up10", "skip1", "block10", "class_head", "ab_head")
        if channel_attention:
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
        # The dot product of the extended vectors is the negative squared distance, plus `bias` for cells with
        # a hint and `MASKED` for other cells. The logit of the null cell is 0.
        query, key = self._embed(projected), self._embed(projected_cells)
        query_norm, key_norm = (each.square().sum(-1, keepdim=True) for each in (query, key))
        query = torch.cat([2 * query, -query_norm, torch.ones_like(query_norm)], dim=-1)
        is_hinted = hinted_fraction.flatten(2).transpose(1, 2) > 0
        level = torch.where(is_hinted, self.bias - key_norm, MASKED)
        key = torch.cat([key, torch.ones_like(key_norm), level], dim=-1)
        key = torch.cat([key, torch.zeros_like(key[:, :1])], dim=1)
        # dividing by the fraction gives the mean color of the hinted pixels, and 1 as the third channel
        hint_means = cell_hints / hinted_fraction.clamp(min=1e-6)
        value = hint_means.flatten(2).transpose(1, 2)  # (B, cells, 3)
        value = torch.cat([value, torch.zeros_like(value[:, :1])], dim=1)  # the null cell is 0
        if not torch.is_grad_enabled() and not is_traced():
            # Keep the null cell and cells with a hint in some image, because the attention weights of other
            # cells are exactly 0. Training and export require static shapes.
            in_some_image = is_hinted.any(dim=0)[:, 0]
            kept = torch.cat([in_some_image, in_some_image.new_ones(1)]).nonzero().flatten()
            key, value = key[:, kept], value[:, kept]
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


class SteeredNetwork(GlobalNetwork):
    """Local Hints network conditioned on global statistics instead of points.

    As in the paper, a branch encodes the statistics as a vector that is added after block 4. In addition, the
    predicted color distributions are matched to the statistics, and a convolution adds the resulting colors
    to the feature map 8_3 (the output of block 8), like the colors of points. Without statistics, the Local
    Hints output is unchanged.

    Args:
        backbone: Trained Local Hints model that provides the U-Net, which is frozen and not stored in weight
            files.

    Raises:
        ColorzooError: ``backbone`` is not a Local Hints model.
    """

    shown: Tensor
    saturations: Tensor

    def __init__(self, backbone: ColoringModel) -> None:
        local_hints = point_network(backbone, "--model.trunk")
        unet = local_hints.unet
        super().__init__(unet, local_hints.ab_scale)
        self.mask_center = local_hints.mask_center
        self.bring = nn.Conv2d(3, unet.up9.in_channels, 3, padding=1, bias=False)
        # Tensors created during tracing would be tracer proxies, so these buffers are computed here. Indices
        # replace a mask because the number of channels that a mask selects is data-dependent.
        self.register_buffer("shown", hull_mask().nonzero().flatten(), persistent=False)
        self.register_buffer("saturations", saturation_table(), persistent=False)
        borrow(self, [f"unet.{key}" for key in unet.state_dict()])

    def begin(self, std: float | None) -> None:
        """Initialize the statistics branch and the convolution that adds matched colors.

        If the U-Net has a convolution for hint colors, its weights are copied.

        Args:
            std: Standard deviation of the initial weights; None selects He initialization.
        """
        initialize(self.branch, std)
        nn.init.constant_(self.branch.last_norm.weight, _FAINT_VECTOR)
        nn.init.zeros_(self.bring.weight)
        if isinstance(self.unet, ExtendedHintUNet) and self.unet.inject is not None:
            with torch.no_grad():
                self.bring.weight.copy_(self.unet.inject.weight)

    def train(self, mode: bool = True) -> SteeredNetwork:
        """Set the mode of all layers except the U-Net, which stays in eval mode.

        Args:
            mode: True selects training mode, False selects eval mode.
        """
        super().train(mode)
        self.unet.eval()
        return self

    def encode(self, lightness: Tensor, statistics: GlobalStatistics) -> HintEncoding:
        """Run the network up to block 8 and add the matched colors; see `forward` for the arguments."""
        histogram, saturation = known_statistics(statistics, lightness.shape[0], lightness)
        is_known = (histogram.sum(dim=1, keepdim=True) > 0) | (saturation >= 0)
        vector = self.branch(statistics, lightness.shape[0]) * is_known[:, :, None, None]
        x = hint_input(lightness, Points.none(lightness), self.mask_center)
        encoded = self.unet.encode(x, context=vector)
        # mean color of the reweighted distribution of each cell
        rows, columns = cells(lightness.shape[-2], _CELL), cells(lightness.shape[-1], _CELL)
        logits = self.unet.distribution(encoded.trunk)[:, self.shown]
        with torch.autocast(logits.device.type, enabled=False):  # float32 for small probabilities
            shares = logits.float().softmax(dim=1)
            inside = shares.detach()[:, :, :rows, :columns].flatten(2)
            light = F.avg_pool2d(lightness.float(), _CELL, ceil_mode=True).flatten(1)
            weights = self._weights(inside, light, statistics)
            likely = mean_colors(shares.flatten(2), weights).view(-1, 2, *logits.shape[2:]) / AB_SCALE
        hinted_colors = (
            torch.cat([likely, torch.ones_like(likely[:, :1])], dim=1) * is_known[:, :, None, None]
        )
        return encoded._replace(trunk=encoded.trunk + self.bring(hinted_colors.to(encoded.trunk)))

    @torch.no_grad()
    def _weights(self, shares: Tensor, lightness: Tensor, statistics: GlobalStatistics) -> Tensor:
        """Return color weights ``(B, 313)`` that match the statistics of each image.

        A histogram takes precedence over a saturation. Without statistics, all weights are 1.
        """
        histogram, saturation = known_statistics(statistics, shares.shape[0], shares)
        weights = torch.ones_like(histogram)
        if statistics.saturation is not None:
            saturations = saturation_at(lightness, self.saturations)
            matched = match_saturation(shares, saturations, saturation)
            weights = torch.where(saturation >= 0, matched, weights)
        if statistics.histogram is not None:
            known = histogram.sum(dim=1, keepdim=True) > 0
            weights = torch.where(known, match_histogram(shares, histogram), weights)
        return weights


def match_histogram(shares: Tensor, histogram: Tensor) -> Tensor:
    """Return bin weights for which the mean reweighted distribution equals a histogram.

    The weights are approximated by iterative proportional fitting.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        histogram: Target histogram ``(B, 313)``.

    Returns:
        Bin weights ``(B, 313)``.
    """
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        current = weights * torch.bmm(_normalizers(shares, weights), shares.mT).squeeze(1) / shares.shape[2]
        weights = weights * (histogram + _FAINT) / (current + _FAINT)
    return weights


def match_saturation(shares: Tensor, saturations: Tensor, target: Tensor) -> Tensor:
    """Return bin weights for which the mean expected saturation equals a target.

    The weight of a bin is an exponential function of its chroma: weight = exp(slope * chroma / 40). The slope
    is computed by bisection for each image, because the mean saturation increases with the slope.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        saturations: Bin saturations ``(B, 313, N)``; see `saturation_at`.
        target: Target mean saturation ``(B, 1)`` in [0, 1].

    Returns:
        Bin weights ``(B, 313)``.
    """
    saturation_terms = shares * saturations
    chroma = torch.linalg.vector_norm(hull_centers(), dim=1).to(shares) / _CHROMA_UNIT  # (313,)
    # bounds of the slope, (B, 1)
    low, high = torch.full_like(target, -_MAX_SLOPE), torch.full_like(target, _MAX_SLOPE)
    for _ in range(_BISECTIONS):
        slope = (low + high) / 2
        weights = torch.exp(slope * chroma)  # (B, 313)
        saturation_sums = torch.bmm(weights.unsqueeze(1), saturation_terms)
        expected = saturation_sums * _normalizers(shares, weights)  # saturation of each position, (B, 1, N)
        is_too_pale = expected.mean(dim=2) < target
        low = torch.where(is_too_pale, slope, low)
        high = torch.where(is_too_pale, high, slope)
    slope = (low + high) / 2
    return torch.exp(slope * chroma)


def mean_colors(shares: Tensor, weights: Tensor) -> Tensor:
    """Return the mean colors ``(B, 2, N)`` in CIE units of reweighted distributions.

    Args:
        shares: Bin probabilities ``(B, 313, N)`` at N positions.
        weights: Bin weights ``(B, 313)``.
    """
    weighted = weights[:, :, None] * hull_centers().to(shares)
    return torch.bmm(weighted.mT, shares) * _normalizers(shares, weights)


def saturation_at(lightness: Tensor, table: Tensor) -> Tensor:
    """Return the HSV saturation of each bin at the lightness of each position.

    Args:
        lightness: ``(B, N)`` in [0, 100].
        table: Output of `saturation_table`.

    Returns:
        Saturations ``(B, 313, N)``.
    """
    table = table.to(lightness)
    columns = torch.arange(table.shape[1], device=lightness.device)
    position = (lightness / _LIGHTNESS_STEP).clamp(0, table.shape[1] - 1)  # column, not rounded
    # linear interpolation: weights (B, 21, N) of the columns
    weights = (1 - (position[:, None] - columns[:, None]).abs()).clamp_min(0)
    return table @ weights


def saturation_table() -> Tensor:
    """Return HSV saturations ``(313, 21)`` of the bins at lightness 0, 5, ..., 100."""
    with torch.device("cpu"):  # models can be built on the meta device
        lightness = torch.arange(0, 100 + _LIGHTNESS_STEP, _LIGHTNESS_STEP)
        centers = hull_centers()
        planes = torch.stack(
            [
                lightness.expand(len(centers), -1),
                *(each[:, None].expand(-1, len(lightness)) for each in centers.T),
            ]
        )
        return pixel_saturation(lab_to_rgb(planes[None]).clamp(0, 1))[0]


def _normalizers(shares: Tensor, weights: Tensor) -> Tensor:
    """Return normalization factors ``(B, 1, N)`` of reweighted distributions."""
    return 1 / torch.bmm(weights.unsqueeze(1), shares).clamp_min(_LEAST)
