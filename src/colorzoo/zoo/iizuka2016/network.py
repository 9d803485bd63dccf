"""Network of Iizuka et al. 2016: local features, a global scene vector and a decoder.

Color conversions match Torch7's image package, which the authors used.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from colorzoo.networks.blocks import is_traced, scaled_width

WHITE = (0.950456, 1.0, 1.088754)
EPSILON, KAPPA = 216 / 24389, 24389 / 27
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))


def torch7_lab(rgb: Tensor) -> Tensor:
    """Convert RGB ``(B, 3, H, W)``, which can exceed [0, 1], to Lab in CIE units."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = multiply(_XYZ, linear) / torch7_white(rgb)
    cubic = torch.where(xyz > EPSILON, xyz.clamp(min=EPSILON) ** (1 / 3), (KAPPA * xyz + 16) / 116)
    x, y, z = cubic.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


def torch7_white(like: Tensor) -> Tensor:
    """Return Torch7's XYZ white point ``(3, 1, 1)`` with the dtype and device of ``like``."""
    return torch.tensor(WHITE, dtype=like.dtype, device=like.device).view(3, 1, 1)


def multiply(rows: Sequence[Sequence[float]], maps: Tensor) -> Tensor:
    """Multiply the channels of images by a matrix, without autocast.

    Args:
        rows: Matrix of n rows with three factors each.
        maps: Images ``(B, 3, H, W)``.

    Returns:
        Images ``(B, n, H, W)``.
    """
    first, second, third = maps.unbind(1)
    return torch.stack([a * first + b * second + c * third for a, b, c in rows], dim=1)


STRIDE = 8
"""Stride of the local features in pixels."""

_MEAN = 0.44505388568813414  # mean gray level of Places, from the authors' file


class JointPriorNetwork(nn.Module):
    """Network that predicts ab at half size from local and global features (section 3).

    The local branch consists of the layers ``low`` and ``mid``. The global branch consists of ``low``,
    ``scene`` and ``style`` and computes one vector per image. The decoder ``color`` receives the concatenated
    outputs of the two branches.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        scene_side: Height and width in pixels of the global branch's input, a multiple of 32.
        normalization: Whether all layers except the last have batch normalization.
    """

    mean: Tensor

    def __init__(self, width: float, *, scene_side: int = 224, normalization: bool = False) -> None:
        super().__init__()
        self.scene_side = scene_side
        c32, c64, c128, c256, c512, c1024 = (
            scaled_width(base, width) for base in (32, 64, 128, 256, 512, 1024)
        )
        self.scene_channels, self.style_channels = c512, c256
        self.normalization = normalization
        self.register_buffer("mean", torch.tensor(_MEAN))
        # shared low-level features at 1/8 scale, then mid-level features of the local branch
        self.low = nn.Sequential(
            convolutions((1, c64, c128, c128, c256, c256, c512), (2, 1, 2, 1, 2, 1), normalization)
        )
        self.mid = nn.Sequential(convolutions((c512, c512, c256), (1, 1), normalization))
        # global branch: scene features, which the scene classifier uses, and the global vector
        scene_positions = (scene_side // 32) ** 2  # of the last convolution, at 1/32 scale
        self.scene = nn.Sequential(
            convolutions((c512,) * 5, (2, 1, 2, 1), normalization)
            | OrderedDict(flat=nn.Flatten())
            | linear("fc1", c512 * scene_positions, c1024, normalization)
            | linear("fc2", c1024, c512, normalization)
        )
        self.style = nn.Sequential(linear("fc3", c512, c256, normalization))
        # decoder of the fused local and global features, from 1/8 to 1/2 scale
        self.color = nn.Sequential(
            convolutions((2 * c256, c256, c128), (1, 1), normalization)
            | OrderedDict(up1=nn.Upsample(scale_factor=2))
            | convolutions((c128, c64, c64), (1, 1), normalization, first=3)
            | OrderedDict(up2=nn.Upsample(scale_factor=2))
            | convolutions((c64, c32), (1,), normalization, first=5)
            | OrderedDict(conv6=nn.Conv2d(c32, 2, 3, padding=1), sigmoid=nn.Sigmoid())
        )

    def forward(self, gray: Tensor, style: Tensor | None = None) -> Tensor:
        """Colorize gray images of any size.

        Args:
            gray: Gray images ``(B, 1, H, W)`` in [0, 1].
            style: Global vector of another image, ``(B, 256 * width)``; None uses the image's own vector.

        Returns:
            ab ``(B, 2, H, W)`` in CIE units, float32.
        """
        local = self.local_input(gray)
        low = self.low(local)
        maps = self.fuse(self.mid(low), self._style(local, low) if style is None else style)
        return to_ab(scale(maps, (gray.shape[-2], gray.shape[-1])))

    def maps_and_scene(self, gray: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decoder's ab and the scene features, for training.

        Args:
            gray: Gray images ``(B, 1, H, W)`` in [0, 1].

        Returns:
            ab ``(B, 2, H/2, W/2)``, scaled to (0, 1), and scene features ``(B, 512 * width)``, which the
            scene classifier uses. H and W are rounded to multiples of 8.
        """
        local = self.local_input(gray)
        low = self.low(local)
        scene = self.scene(self._scene_input(local, low))
        return self.fuse(self.mid(low), self.style(scene)), scene

    def style_of(self, gray: Tensor) -> Tensor:
        """Return global vectors ``(B, 256 * width)`` of gray images ``(B, 1, H, W)`` in [0, 1]."""
        return self._style(self.local_input(gray), None)

    def fuse(self, mid: Tensor, style: Tensor) -> Tensor:
        """Decode local features and a global vector to ab scaled to (0, 1).

        Args:
            mid: Local features ``(B, 256 * width, h, w)``.
            style: Global vectors ``(B, 256 * width)``.

        Returns:
            ab ``(B, 2, 4h, 4w)`` in float32.
        """
        everywhere = style[:, :, None, None].expand(-1, -1, mid.shape[-2], mid.shape[-1])
        maps: Tensor = self.color(torch.cat([mid, everywhere.to(mid.dtype)], dim=1))
        return maps.float()

    def local_input(self, gray: Tensor) -> Tensor:
        """Resize gray images to multiples of 8 pixels and subtract the training set's mean gray."""
        height, width = gray.shape[-2:]
        return scale(gray, (whole_cells(height), whole_cells(width))) - self.mean

    def scene_input(self, local: Tensor) -> Tensor:
        """Resize the output of `local_input` to the global branch's square input size."""
        return scale(local, (self.scene_side, self.scene_side))

    def _style(self, local: Tensor, low: Tensor | None) -> Tensor:
        """Compute the global vector in float32; casting the large weights is slow."""
        features = self._scene_input(local, low)
        with torch.autocast(features.device.type, enabled=False):
            style: Tensor = self.style(self.scene(features.float()))
        return style

    def _scene_input(self, local: Tensor, low: Tensor | None) -> Tensor:
        """Return low-level features at the input size of the global branch."""
        if low is not None and not is_traced() and local.shape[-2:] == (self.scene_side,) * 2:
            return low
        return self.low(self.scene_input(local))


def linear(
    name: str, in_features: int, out_features: int, normalization: bool
) -> OrderedDict[str, nn.Module]:
    """Return a dict with a linear layer, optional batch normalization and a ReLU.

    Args:
        name: Name of the linear layer. The other modules have the names ``norm_NAME`` and ``relu_NAME``.
        in_features: Number of input features.
        out_features: Number of output features.
        normalization: Whether to add batch normalization.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict({name: nn.Linear(in_features, out_features)})
    if normalization:
        layers[f"norm_{name}"] = nn.BatchNorm1d(out_features)
    layers[f"relu_{name}"] = nn.ReLU(inplace=True)
    return layers


def convolutions(
    channels: Sequence[int], strides: Sequence[int], normalization: bool, first: int = 1
) -> OrderedDict[str, nn.Module]:
    """Return 3 x 3 convolutions, each with ReLU and optional batch norm, as modules by name.

    The names are ``convN``, ``normN`` and ``reluN``, with consecutive numbers N.

    Args:
        channels: Number of input channels, then the number of output channels of each convolution.
        strides: Stride of each convolution.
        normalization: Whether to add batch normalization.
        first: Number N of the first convolution.
    """
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    number = first
    for (in_channels, out_channels), stride in zip(pairwise(channels), strides, strict=True):
        layers[f"conv{number}"] = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)
        if normalization:
            layers[f"norm{number}"] = nn.BatchNorm2d(out_channels)
        layers[f"relu{number}"] = nn.ReLU(inplace=True)
        number += 1
    return layers


def to_ab(maps: Tensor) -> Tensor:
    """Convert ab scaled to (0, 1), the decoder output, to ab in CIE units."""
    return 200 * maps - 100


def whole_cells(side: int) -> int:
    """Round a height or width in pixels to the nearest multiple of 8, with a minimum of 8."""
    cells = (side + STRIDE // 2) // STRIDE
    return STRIDE * (cells if is_traced() else max(1, cells))  # exported graphs require larger images


def scale(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize maps like ``image.scale`` of Torch7.

    Upsampling interpolates linearly with aligned corners. Downsampling averages over the area of each output
    pixel.

    Args:
        maps: ``(B, C, H, W)``.
        size: Output height and width in pixels.

    Returns:
        Maps ``(B, C, *size)``, float32.
    """
    height, width = size
    with torch.autocast(maps.device.type, enabled=False):
        maps = maps.float()
        always_resize = is_traced()  # the graph is also used for other sizes
        # separable: one matrix product along the width and one along the height
        if always_resize or maps.shape[-1] != width:
            maps = maps @ _resampling_matrix(maps.shape[-1], width, maps).T
        if always_resize or maps.shape[-2] != height:
            maps = _resampling_matrix(maps.shape[-2], height, maps) @ maps
        return maps


def _resampling_matrix(old: int, new: int, like: Tensor) -> Tensor:
    """Return the resampling matrix ``(new, old)``.

    Sizes are computed from tensors so that exported graphs support any size.
    """
    column = torch.arange(old, device=like.device, dtype=like.dtype)
    row = torch.arange(new, device=like.device, dtype=like.dtype)[:, None]
    old_size, new_size = column[-1:] + 1, row[-1:] + 1
    step = old_size / new_size
    # downsampling: fraction of the output pixel that each input pixel covers
    start, end = row * step, (row + 1) * step
    area_weight = (torch.minimum(end, column + 1) - torch.maximum(start, column)).clamp(min=0) / step
    # upsampling: linear interpolation with aligned corners, undefined for a single output pixel
    position = row * ((old_size - 1) / (new_size - 1))
    linear_weight = (1 - (position - column).abs()).clamp(min=0)
    return torch.where(step > 1, area_weight, linear_weight)
