"""Let there be Color! (Iizuka, Simo-Serra and Ishikawa, SIGGRAPH 2016).

The network fuses local image features with a global vector of the scene, which a second branch computes from
the resized image. Color conversions match Torch7's image package, which the authors used.
https://doi.org/10.1145/2897824.2925974
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn

from colorzoo.abilities import ExemplarModel
from colorzoo.color import lightness_to_rgb
from colorzoo.color.sketch import rgb_to_gray
from colorzoo.errors import WeightsError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced, scaled_width
from colorzoo.networks.renaming import reshape_like
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Range, Width

WHITE = (0.950456, 1.0, 1.088754)
EPSILON, KAPPA = 216 / 24389, 24389 / 27
_XYZ = ((0.412453, 0.357580, 0.180423), (0.212671, 0.715160, 0.072169), (0.019334, 0.119193, 0.950227))

STRIDE = 8
"""Stride of the local features in pixels."""

_MEAN = 0.44505388568813414  # mean gray level of Places, from the authors' file
LAYERS = (
    *(f"low.conv{index}" for index in range(1, 7)),
    *("mid.conv1", "mid.conv2"),
    *(f"scene.conv{index}" for index in range(1, 5)),
    *("scene.fc1", "scene.fc2", "style.fc3"),
    *(f"color.conv{index}" for index in range(1, 7)),
)
"""Layers with weights in the order of the authors' files."""


def torch7_lab(rgb: Tensor) -> Tensor:
    """Convert RGB ``(B, 3, H, W)``, which can exceed [0, 1], to Lab in CIE units."""
    linear = torch.where(rgb > 0.04045, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4, rgb / 12.92)
    xyz = multiply(_XYZ, linear) / rgb.new_tensor(WHITE).view(3, 1, 1)
    cubic = torch.where(xyz > EPSILON, xyz.clamp(min=EPSILON) ** (1 / 3), (KAPPA * xyz + 16) / 116)
    x, y, z = cubic.unbind(1)
    return torch.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], dim=1)


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
        return self.low(scale(local, (self.scene_side, self.scene_side)))


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


class LetThereBeColor(ColoringModel, ExemplarModel):
    """Colorization without guidance, or with the style of a reference.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        scene_side: Height and width in pixels of the resized image from which the global scene vector is
            computed, a multiple of 32.
        normalization: Whether all layers except the last have batch normalization, as in training. The
            published weights require false, because their normalization is folded into the convolutions.
    """

    accepts = frozenset({"exemplar"})
    reference_needs_color = False
    network: JointPriorNetwork

    def __init__(
        self,
        width: Width = 1.0,
        scene_side: Annotated[int, Range(32, unit="pixels", step=32)] = 224,
        normalization: bool = False,
    ) -> None:
        network = JointPriorNetwork(width, scene_side=scene_side, normalization=normalization)
        super().__init__(network)
        if normalization:  # PyTorch computes less precise batch statistics in channels_last
            self.network.to(memory_format=torch.contiguous_format)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch, with the scene style of an exemplar if the guidance contains one.

        The exemplar's global vector replaces the image's global vector. The exemplar's ``alpha`` interpolates
        between the vectors of the image (0) and the exemplar (1). The exemplar's colors are not used.
        """
        exemplar = (guidance or Guidance()).exemplar
        gray = lightness_to_rgb(lightness)[:, :1]
        if exemplar is None:
            return AbPrediction(ab=self.network(gray))
        style = exemplar.embed_by(self.encode_reference, lambda: self.network.style_of(gray).unsqueeze(1))
        return AbPrediction(ab=self.network(gray, style[:, 0]))

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode references ``(B, 3, H, W)`` in [0, 1] as global vectors ``(B, 1, 256 * width)``."""
        return self.network.style_of(rgb_to_gray(rgb)).unsqueeze(1)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Name the unnamed layers of the authors' Torch7 files ``colornet.t7`` and ``colornet_imagenet.t7``.

        Each file contains the mean gray level of the training images and the layers in forward order. A
        second copy of the shared low-level layers is dropped. Convolution weights that are stored as matrices
        are reshaped.

        Args:
            state_dict: Tensors of the authors' file, as returned by the Torch7 reader.

        Raises:
            WeightsError: The file contains a different network.
        """
        published_layers: list[str] = []
        for key in [each for each in state_dict if each.endswith(".weight")]:
            earlier = [state_dict[f"{layer}.weight"] for layer in published_layers]
            if not any(torch.equal(state_dict[key], weight) for weight in earlier):
                published_layers.append(key.removesuffix(".weight"))
        if len(published_layers) != len(LAYERS):
            raise WeightsError(f"the file must have {len(LAYERS)} weight layers, got {len(published_layers)}")

        own = self.state_dict()
        converted = {"network.mean": torch.as_tensor(state_dict.get("mean", own["network.mean"]))}
        for published_layer, layer in zip(published_layers, LAYERS, strict=True):
            for parameter in ("weight", "bias"):
                converted[f"network.{layer}.{parameter}"] = state_dict[f"{published_layer}.{parameter}"]
        return reshape_like(converted, own)
