"""Shared parts of exemplar models, such as the color network and checkpoint conversion."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3, instance_norm, scaled_width
from colorzoo.networks.exemplar_features import TrunkFeatures
from colorzoo.networks.matching import STRIDE
from colorzoo.networks.renaming import Pattern, rename_keys

AB_RANGE = 128.0  # output range in CIE units
MULTIPLE = 32
"""Images are padded until height and width are multiples of this number of pixels.

At H/16, the deepest feature map then has at least 2 x 2 positions, which instance normalization requires.
"""
_NARROWEST = 16  # minimum channels of a layer
_OPEN = 2.0  # initial gate bias; sigmoid(2) is nearly open


class ReferenceImage(NamedTuple):
    """Reference image in RGB and ab.

    Attributes:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        ab: ``(B, 2, H, W)`` in CIE units.
    """

    rgb: Tensor
    ab: Tensor


class Warped(NamedTuple):
    """Colors warped from the reference at a quarter of the image size.

    Attributes:
        ab: ``(B, 2, h, w)`` in CIE units.
        similarity: ``(B, 1, h, w)``, cosine similarity of a position and its match, multiplied by the class
            confidences of both positions; 0 without a match.
        matched: ``(B, 1, h, w)`` bool, True where the reference contains the class of the position.
        source: ``(B, 2, h, w)``, x and y of the source position as fractions of the reference size.
    """

    ab: Tensor
    similarity: Tensor
    matched: Tensor
    source: Tensor


def to_grid(classes: Tensor, size: tuple[int, int], grid: tuple[int, int]) -> Tensor:
    """Resample a class map ``(B, 1, h, w)`` to the resolution of a feature map.

    Args:
        classes: Class map of any resolution.
        size: Height and width in pixels of the image that the class map covers.
        grid: Rows and columns of the feature map, which has stride 4.

    Returns:
        Class map ``(B, 1, *grid)``. As published, a position of the feature map gets the class of its
        top-left pixel. Positions outside the image get the class of the last row or column.
    """
    rows, columns = (
        (torch.arange(count, device=classes.device) * STRIDE * cells // side).clamp(max=cells - 1)
        for side, cells, count in zip(size, classes.shape[-2:], grid, strict=True)
    )
    return classes[:, :, rows][:, :, :, columns]


def enlarge(maps: Tensor) -> Tensor:
    """Upsample ``(B, C, h, w)`` to ``(B, C, 4h, 4w)`` by nearest neighbor."""
    return maps.repeat_interleave(STRIDE, dim=2).repeat_interleave(STRIDE, dim=3)


def unmatched(features: TrunkFeatures) -> Warped:
    """Return a `Warped` without matches, with ab 0, for the features of an image."""
    stride4 = features.hooks[1]
    zeros = stride4.new_zeros(len(stride4), 2, *stride4.shape[-2:])
    similarity = zeros[:, :1].clone()
    return Warped(ab=zeros, similarity=similarity, matched=similarity > 0, source=zeros)


def fill_automatic(warped: Warped, features: TrunkFeatures) -> Warped:
    """Fill positions without a match with colors of an automatic colorization model.

    The papers set ab to 0 at these positions.

    Args:
        warped: Colors warped from the reference.
        features: Features of the images; without predicted colors, ``warped`` is not changed.
    """
    if features.automatic is None:
        return warped
    automatic = F.avg_pool2d(features.automatic, STRIDE)
    return warped._replace(ab=torch.where(warped.matched, warped.ab, automatic))


def maps_of(warped: Warped, height: int, width: int) -> dict[str, Tensor]:
    """Upsample maps of a `Warped` to image size and return them in a dict.

    The keys are ``similarity``, ``warped_ab`` and ``match`` (source positions).

    Args:
        warped: Colors warped from the reference.
        height: Image height in pixels.
        width: Image width in pixels.
    """
    maps = {"similarity": warped.similarity, "warped_ab": warped.ab, "match": warped.source}
    return {name: enlarge(part)[:, :, :height, :width] for name, part in maps.items()}


def centers_of(grid: Tensor) -> Tensor:
    """Return the coordinates of the cell centers of a map ``(B, C, h, w)``.

    The result ``(B, 2, h, w)`` contains x and y in (0, 1).
    """
    rows, columns = ((torch.arange(n, device=grid.device) + 0.5) / n for n in grid.shape[-2:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack([x, y]).expand(len(grid), -1, -1, -1)


def source_in_reference(warped: Warped, padded: Tensor, reference: Tensor) -> Warped:
    """Convert source positions from fractions of padded references to fractions of the references.

    Args:
        warped: Colors warped from the padded references.
        padded: ``(B, 3, H', W')``, references that were padded at the bottom and right.
        reference: ``(B, 3, H, W)``, references without padding.
    """
    scale = [padded.shape[-1] / reference.shape[-1], padded.shape[-2] / reference.shape[-2]]  # of x and y
    source = warped.source * warped.source.new_tensor(scale).view(2, 1, 1)
    return warped._replace(source=source.clamp(0, 1))


class ColorNet(nn.Module):
    """Color network with ten blocks, three additive skips and instance normalization.

    Height and width of the input must be multiples of 8.

    Args:
        in_channels: 4 for warped a, warped b, similarity and L - 50 (SPColor, in this order); 7 with L - 50,
            a and b of the previous frame appended (Zhang et al. 2019).
        width: Multiplier for every channel count; 1.0 matches the published network.
    """

    outputs = 2

    def __init__(self, in_channels: int = 4, width: float = 1.0) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (
            max(_NARROWEST, scaled_width(base, width)) for base in (32, 64, 128, 256, 512)
        )
        # encoder
        self.conv1 = nn.ModuleList([conv3x3(in_channels, c32), conv3x3(c32, c64), conv3x3(c64, c64)])
        self.conv2 = _stack(c64, c128, 2)
        self.conv3 = _stack(c128, c256, 3)
        self.conv4 = _stack(c256, c512, 3)
        self.conv5 = _stack(c512, c512, 3, dilation=2)
        self.conv6 = _stack(c512, c512, 3, dilation=2)
        self.conv7 = _stack(c512, c512, 3)
        # downsampling after blocks 1 to 3, with one weight per channel
        self.down = nn.ModuleList(
            [nn.Conv2d(c, c, 1, stride=2, groups=c, bias=False) for c in (c64, c128, c256)]
        )
        # decoder: upsampling (up), skip connection (skip) and block (conv)
        self.up8 = conv3x3(c512, c256)
        self.skip3 = conv3x3(c256, c256)
        self.conv8 = _stack(c256, c256, 2)
        self.up9 = conv3x3(c256, c128)
        self.skip2 = conv3x3(c128, c128)
        self.conv9 = _stack(c128, c128, 1)
        self.up10 = conv3x3(c128, c128)
        self.skip1 = conv3x3(c64, c128)
        self.conv10 = conv3x3(c128, c128)
        self.ab = nn.Conv2d(c128, self.outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-128, 128] CIE units for ``(B, in_channels, H, W)``."""
        return AB_RANGE * torch.tanh(self.raw(x)).float()

    def raw(self, x: Tensor) -> Tensor:
        """Return the output of the last convolution, ``(B, outputs, H, W)``."""
        map1 = _run(self.conv1, x)
        map2 = _run(self.conv2, self.down[0](map1))
        map3 = _run(self.conv3, self.down[1](map2))
        deep = _run(self.conv4, self.down[2](map3))
        for block in (self.conv5, self.conv6, self.conv7):
            deep = _run(block, deep)
        map8 = _run(self.conv8, F.relu(self.up8(_double(deep)) + self.skip3(map3)))
        map9 = _run(self.conv9, F.relu(self.up9(_double(map8)) + self.skip2(map2)))
        map10 = F.relu(self.up10(_double(map9)) + self.skip1(map1))
        map10 = F.leaky_relu(self.conv10(map10), 0.2)
        return self.ab(map10)


class GatedColorNet(ColorNet):
    """Color network that adds the warped colors, multiplied by a predicted gate, to its output.

    The papers have no gate. Without it, instance normalization discards the chroma magnitude of the warped
    colors, which are the first two input channels.
    """

    outputs = 3

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in CIE units for ``(B, in_channels, H, W)``."""
        output = self.raw(x)
        ab = AB_RANGE * torch.tanh(output[:, :2])
        gate = torch.sigmoid(output[:, 2:] + _OPEN)
        warped = F.interpolate(x[:, :2, ::STRIDE, ::STRIDE], scale_factor=STRIDE, mode="bilinear")
        return ab.float() + gate.float() * warped


def _stack(in_channels: int, out_channels: int, count: int, *, dilation: int = 1) -> nn.ModuleList:
    widths = [in_channels, *[out_channels] * (count - 1)]
    return nn.ModuleList([conv3x3(width, out_channels, dilation=dilation) for width in widths])


def _run(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Apply each layer and ReLU, then instance normalization."""
    for layer in layers:
        x = F.relu(layer(x))
    return instance_norm(x)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2)


_LAYER = {"1": "conv1", "3": "prelu1", "5": "conv2", "7": "prelu2", "6": "conv2", "8": "prelu2"}
_WARP_NET: tuple[Pattern, ...] = (
    (r"layer(\d)_1\.(\d)\.", lambda m: f"branches.{int(m[1]) - 2}.{_LAYER[m[2]]}."),
    (r"layer\.(\d)\.", r"residual.\1."),
    (r"(theta|phi)(_class)?\.", r"\1."),
)
_COLOR_NET: tuple[Pattern, ...] = (
    (r"conv1_1_new\.0\.", "conv1.0."),
    (r"conv1_1_new\.2\.", "conv1.1."),
    (r"conv1_1\.0\.", "conv1.0."),
    (r"conv1_1\.2\.", "conv1.1."),
    (r"conv1_2\.", "conv1.2."),
    (r"conv1_2norm_ss\.", "down.0."),
    (r"conv2_2norm_ss\.", "down.1."),
    (r"conv3_3norm_ss\.", "down.2."),
    (r"conv(8|9|10)_1\.1\.", r"up\1."),
    (r"conv3_3_short\.", "skip3."),
    (r"conv2_2_short\.", "skip2."),
    (r"conv1_2_short\.", "skip1."),
    (r"conv10_ab\.", "ab."),
    (r"conv10_2\.", "conv10."),
    (r"conv([89])_(\d)\.", lambda m: f"conv{m[1]}.{int(m[2]) - 2}."),  # layer 1 is the separate ``up``
    (r"conv(\d)_(\d)\.", lambda m: f"conv{m[1]}.{int(m[2]) - 1}."),
)


def convert_vgg19(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename VGG-19 keys such as ``conv1_1.weight`` to `CaffeVGG19` names."""
    names: tuple[Pattern, ...] = ((r"conv(\d)_(\d)\.", lambda m: f"blocks.{int(m[1]) - 1}.{int(m[2]) - 1}."),)
    return rename_keys(state_dict, names)


def convert_warp_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename WarpNet keys and convert the 1 x 1 convolutions theta and phi to linear layers."""
    return {
        key: value.flatten(1) if key in ("theta.weight", "phi.weight") else value
        for key, value in rename_keys(state_dict, _WARP_NET).items()
    }


def convert_color_net(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename ColorVidNet keys of Zhang et al. 2019 and SPColor to `ColorNet` names.

    The order of the input channels does not change.
    """
    return rename_keys(state_dict, _COLOR_NET)


def convert_networks(state_dict: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Rename the keys of VGG-19, WarpNet and ColorVidNet in a checkpoint.

    Args:
        state_dict: State dict with the key prefixes ``vggnet.``, ``nonlocal_net.`` and ``colornet.``.

    Returns:
        State dict of the three networks with renamed keys, and state dict of the remaining keys.
    """
    ours: dict[str, Tensor] = {}
    left = dict(state_dict)
    for theirs, prefix, convert in (
        ("vggnet.", "features.vgg.", convert_vgg19),
        ("nonlocal_net.", "correspondence.", convert_warp_net),
        ("colornet.", "network.", convert_color_net),
    ):
        part = {key.removeprefix(theirs): left.pop(key) for key in list(left) if key.startswith(theirs)}
        ours |= {prefix + key: value for key, value in convert(part).items()}
    return ours, left
