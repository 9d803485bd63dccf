"""U-Net of Zhang et al. 2017 ("Local Hints"), which follow-up papers also use.

The input is lightness, hint colors and hint mask, normalized by `hint_input`. The output is ab in [-1, 1] and
logits over the 23 x 23 ab grid at a quarter of the image size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance, Points
from colorzoo.networks.blocks import (
    cells,
    conv3x3,
    conv_block,
    pad_to_multiple,
    pad_with_zeros,
    scaled_width,
    upconv4x4,
)
from colorzoo.networks.renaming import Pattern
from colorzoo.networks.scaling import AB_SCALE

STRIDE = 8
"""Height and width of the input must be multiples of this number of pixels."""

GRID_BINS = 529
_DEFAULT_LIGHTNESS = 60.0  # L of points whose lightness is not specified

Visit = Callable[[str, Tensor], Tensor]
"""Function that receives the name and value ``(B, C, h, w)`` of a feature map and returns a new value."""

Detach = Literal["none", "regression", "classification"]
"""Output branch whose gradient does not reach the layers that both branches share."""


def unchanged(_: str, features: Tensor) -> Tensor:
    """Return the feature map unchanged; the default `Visit` function."""
    return features


def hint_input(lightness: Tensor, points: Points, mask_center: float) -> Tensor:
    """Normalize and pad lightness and hints as in Zhang et al. 2017.

    Examples:
        >>> lightness = torch.full((2, 1, 30, 45), 50.0)
        >>> hint_input(lightness, colorzoo.Points.none(lightness), mask_center=0.5).shape
        torch.Size([2, 4, 32, 48])

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        points: Hints at the size of ``lightness``.
        mask_center: Value subtracted from the hint mask.

    Returns:
        The input of a `HintUNet`, ``(B, 4, H', W')``.
    """
    gray = pad_to_multiple((lightness - 50) / 100, STRIDE)
    colors = pad_with_zeros(points.ab / AB_SCALE * points.mask, STRIDE)
    mask = pad_with_zeros(points.mask, STRIDE)
    return torch.cat([gray, colors, mask - mask_center], dim=1)


def points_of(guidance: Guidance | None, lightness: Tensor) -> Points:
    """Return the points of the guidance, or an empty `Points` if there are none."""
    points = None if guidance is None else guidance.points
    return Points.none(lightness) if points is None else points


def point_colors(points: Points) -> Tensor:
    """Return the point colors as RGB ``(B, 3, H, W)`` in [-1, 1], the input of sketch models."""
    lightness = (
        torch.full_like(points.mask, _DEFAULT_LIGHTNESS) if points.lightness is None else points.lightness
    )
    return 2 * lab_to_rgb(torch.cat([lightness, points.ab], dim=1)) - 1


class HintUNetOutput(NamedTuple):
    """Output of a `HintUNet`.

    Attributes:
        ab: ``(B, 2, H, W)`` in [-1, 1].
        logits: ``(B, 529, H/4, W/4)`` over the full 23 x 23 ab grid; ``(B, 0, H/4, W/4)`` without a
            classification head.
        trunk: ``(B, C, H/4, W/4)``, the input of the classification head.
        maps: Outputs of blocks 3 to 7: block 3 at H/4, blocks 4 to 7 at H/8.
    """

    ab: Tensor
    logits: Tensor
    trunk: Tensor
    maps: tuple[Tensor, ...]


class HintEncoding(NamedTuple):
    """Output of the encoder of a `HintUNet` and input of its decoder.

    Attributes:
        trunk: ``(B, C, H/4, W/4)``, the output of block 8.
        beside9: ``(B, C, H/2, W/2)``, the skip connection into block 9.
        beside10: ``(B, C, H, W)``, the skip connection into block 10.
        maps: Outputs of blocks 3 to 7.
    """

    trunk: Tensor
    beside9: Tensor
    beside10: Tensor
    maps: tuple[Tensor, ...]


class HintUNet(nn.Module):
    """U-Net with ten convolution blocks and three additive skips (Zhang et al. 2017).

    Examples:
        >>> out = HintUNet(width=0.125)(torch.rand(2, 4, 32, 48))
        >>> out.ab.shape, out.logits.shape
        (torch.Size([2, 2, 32, 48]), torch.Size([2, 529, 8, 12]))

    Each skip connection adds a convolution of an encoder map to an upsampled decoder map. The ReLU follows
    the sum. Downsampling keeps every second row and column of an encoder map. The skip connections use the
    maps before downsampling.

    Args:
        in_channels: 4 for lightness, a, b and mask.
        width: Multiplier for every channel count; 1.0 matches the published network.
        distribution: Whether to add the classification head over the ab grid.

    Attributes:
        refined_maps: Channels and stride of the maps of `decode` that the add-on `kim2021` modifies.
    """

    def __init__(self, in_channels: int = 4, width: float = 1.0, *, distribution: bool = True) -> None:
        super().__init__()
        self.width = width
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.block1 = conv_block((in_channels, c64, c64))
        self.block2 = conv_block((c64, c128, c128))
        self.block3 = conv_block((c128, c256, c256, c256))
        self.block4 = conv_block((c256, c512, c512, c512))
        self.block5 = conv_block((c512,) * 4, dilation=2)
        self.block6 = conv_block((c512,) * 4, dilation=2)
        self.block7 = conv_block((c512,) * 4)
        self.up8, self.skip3 = upconv4x4(c512, c256), conv3x3(c256, c256)
        self.block8 = nn.Sequential(nn.ReLU(), *conv_block((c256, c256, c256)))
        self.up9, self.skip2 = upconv4x4(c256, c128), conv3x3(c128, c128)
        self.block9 = nn.Sequential(nn.ReLU(), *conv_block((c128, c128)))
        self.up10, self.skip1 = upconv4x4(c128, c128), conv3x3(c64, c128)
        self.block10 = nn.Sequential(nn.ReLU(), conv3x3(c128, c128), nn.LeakyReLU(0.2))
        self.class_head = nn.Conv2d(c256, GRID_BINS, 1) if distribution else None
        self.ab_head = nn.Sequential(nn.Conv2d(c128, 2, 1), nn.Tanh())
        self.refined_maps = {"8_3": (c256, 4), "9_3": (c128, 2), "10_up": (c128, 1)}

    def forward(
        self, x: Tensor, *, context: Tensor | None = None, detach: Detach = "none", visit: Visit = unchanged
    ) -> HintUNetOutput:
        """Predict ab and the logits of the ab bins.

        Args:
            x: ``(B, in_channels, H, W)``, the output of `hint_input`; H and W are multiples of 8.
            context: ``(B, C, 1, 1)``, global features added to the output of block 4.
            detach: Output branch (``"regression"`` or ``"classification"``) whose gradient does not reach the
                layers that both branches share, or ``"none"``.
            visit: Function that is called with the name and the value of each of 13 activation maps and
                returns the value to use. The names are as in the published code: 1_2, 2_2, 3_3 to 7_3, 8_up,
                8_3, 9_up, 9_3, 10_up, 10_2. Maps whose names end in "up" are passed before the ReLU.
        """
        encoded = self.encode(x, context=context, detach=detach, visit=visit)
        trunk_without_gradient = encoded.trunk.detach()
        if detach == "classification":
            logits = self.distribution(trunk_without_gradient)
        else:
            logits = self.distribution(encoded.trunk)
        if detach == "regression":  # `encode` has detached the maps of the skip connections
            encoded = encoded._replace(trunk=trunk_without_gradient)
        ab = self.decode(encoded, visit)
        return HintUNetOutput(ab, logits, encoded.trunk, encoded.maps)

    def encode(
        self, x: Tensor, *, context: Tensor | None = None, detach: Detach = "none", visit: Visit = unchanged
    ) -> HintEncoding:
        """Run the network up to block 8 and return its outputs for `decode` and `distribution`.

        The arguments are described in `forward`.
        """
        maps = self.contract(x, context, visit)
        trunk = self.merge(maps, visit)
        map1, map2 = (each.detach() if detach == "regression" else each for each in maps[:2])
        return HintEncoding(trunk, self.skip2(map2), self.skip1(map1), maps[2:])

    def contract(
        self, x: Tensor, context: Tensor | None = None, visit: Visit = unchanged
    ) -> tuple[Tensor, ...]:
        """Return the outputs of blocks 1 to 7; see `forward` for the arguments."""
        map1 = visit("1_2", self.block1(x))
        map2 = visit("2_2", self.block2(map1[:, :, ::2, ::2]))
        map3 = visit("3_3", self.block3(map2[:, :, ::2, ::2]))
        map4 = visit("4_3", self.block4(map3[:, :, ::2, ::2]))
        if context is not None:
            map4 = map4 + context
        map5 = visit("5_3", self.block5(map4))
        map6 = visit("6_3", self.block6(map5))
        map7 = visit("7_3", self.block7(map6))
        return map1, map2, map3, map4, map5, map6, map7

    def merge(self, maps: Sequence[Tensor], visit: Visit = unchanged) -> Tensor:
        """Return the output of block 8, ``(B, C, H/4, W/4)``, from the outputs of blocks 1 to 7."""
        return self.block8(visit("8_up", self.up8(maps[6]) + self.skip3(maps[2])))

    def decode(self, encoded: HintEncoding, visit: Visit = unchanged) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-1, 1] from the output of `encode`."""
        trunk = visit("8_3", encoded.trunk)
        map9 = visit("9_3", self.block9(visit("9_up", self.up9(trunk) + encoded.beside9)))
        map10 = visit("10_2", self.block10(visit("10_up", self.up10(map9) + encoded.beside10)))
        return self.ab_head(map10)

    def distribution(self, trunk: Tensor) -> Tensor:
        """Return logits ``(B, 529, H/4, W/4)`` over the ab grid.

        The result has 0 channels if the network has no classification head.

        Args:
            trunk: Input of the classification head; see `HintUNetOutput`.
        """
        if self.class_head is None:
            return trunk[:, :0]
        return self.class_head(trunk)


class PointNetworkOutput(NamedTuple):
    """Output of a `PointNetwork`.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units.
        logits: ``(B, 529, ceil(H/4), ceil(W/4))`` over the 23 x 23 ab grid, or the logits of another head.
    """

    ab: Tensor
    logits: Tensor


class PointNetwork(nn.Module):
    """`HintUNet` with the input and output normalization of Zhang et al. 2017.

    Examples:
        >>> lightness = torch.full((2, 1, 32, 48), 50.0)
        >>> PointNetwork(HintUNet(width=0.125))(lightness, colorzoo.Points.none(lightness)).ab.shape
        torch.Size([2, 2, 32, 48])

    The input of the U-Net is (L - 50) / 100, hint ab / 110 and the hint mask minus ``mask_center``. The
    output of the U-Net is multiplied by ``ab_scale``.

    Args:
        unet: The U-Net.
        mask_center: Value subtracted from the hint mask.
        ab_scale: CIE units per unit of the output: 110, or 100 for the authors' Caffe weights.
    """

    def __init__(self, unet: HintUNet, *, mask_center: float = 0.0, ab_scale: float = AB_SCALE) -> None:
        super().__init__()
        self.mask_center, self.ab_scale = mask_center, ab_scale
        self.unet = unet

    def forward(self, lightness: Tensor, points: Points, *, detach: Detach = "none") -> PointNetworkOutput:
        """Colorize images of any size.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Hints at the size of ``lightness``.
            detach: Output branch (``"regression"`` or ``"classification"``) whose gradient does not reach the
                layers that both branches share, or ``"none"``.
        """
        height, width = lightness.shape[-2:]
        out = self.unet(hint_input(lightness, points, self.mask_center), detach=detach)
        rows, columns = cells(height, 4), cells(width, 4)
        ab = out.ab[:, :, :height, :width].float() * self.ab_scale
        return PointNetworkOutput(ab, self.logits_of(out)[:, :, :rows, :columns].float())

    def logits_of(self, out: HintUNetOutput) -> Tensor:
        """Return the logits of the color distribution; by default, the logits of the U-Net."""
        return out.logits


def initialize(module: nn.Module, std: float | None) -> None:
    """Initialize the weights of all convolutions.

    Args:
        module: Module to initialize.
        std: Standard deviation of the normal distribution; None selects He initialization.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            if std is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, 0.0, std)
            if layer.bias is not None:
                torch.nn.init.zeros_(layer.bias)


def point_network(model: nn.Module, setting: str) -> PointNetwork:
    """Return the network of a Local Hints model.

    Args:
        model: Model that the user selected.
        setting: Setting that selects the model, for the error message.

    Raises:
        ColorzooError: The model is not a Local Hints model.
    """
    network: Any = model.network
    if not isinstance(network, PointNetwork):
        raise ColorzooError(f"{setting} must name a Local Hints model, got {type(model).__name__}")
    return network


def start_weights(model: nn.Module, mask_center: float) -> dict[str, Tensor]:
    """Return the U-Net weights of the Local Hints model in ``--init_from``.

    Args:
        model: Model that the user selected.
        mask_center: Value that the new network subtracts from the hint mask.

    Raises:
        ColorzooError: The model is not a Local Hints model, or its input or output normalization differs.
    """
    network = point_network(model, "--init_from")
    if (network.mask_center, network.ab_scale) != (mask_center, AB_SCALE):
        raise ColorzooError(
            f"--init_from must name a model with mask_center {mask_center} and ab_scale {AB_SCALE}, got "
            f"mask_center {network.mask_center} and ab_scale {network.ab_scale}"
        )
    return network.unet.state_dict()


HINT_UNET_NAMES: tuple[Pattern, ...] = (
    (r"model(\d+)up\.0(?=\.)", r"up\1"),
    (r"model(\d)short(?:8|9|10)\.0(?=\.)", r"skip\1"),
    (r"model(\d+)\.(\d+)(?=\.)", r"block\1.\2"),
    (r"model_class\.0(?=\.)", "class_head"),
    (r"model_out\.0(?=\.)", "ab_head.0"),
)
"""Patterns that rename the parameters of the authors' networks; see `rename_keys`."""
