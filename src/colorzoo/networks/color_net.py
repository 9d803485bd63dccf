"""The color network of Zhang et al. 2019 and of SPColor (Chen et al. 2023): warped colors in, ab out."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3
from colorzoo.networks.hint_unet import scaled_width

STRIDE = 8
"""Height and width of the input must be multiples of this."""
AB_RANGE = 128.0  # of the output, CIE units
_OPEN = 2.0  # a gate begins nearly open
_NARROWEST = 16  # channels at full size, however small the width


class ColorNet(nn.Module):
    """Ten blocks with three additive skips, normalized picture by picture.

    Args:
        in_channels: 4 for warped a, b, similarity and L - 50 (SPColor, in this order); 7 for those and the
            previous frame's L - 50, a, b (Zhang et al. 2019).
        width: Multiplier of every channel count; 1.0 is the published network.
        gated: Also answer which share of the warped colors to keep (not in the papers), as a third channel.
    """

    def __init__(self, in_channels: int = 4, width: float = 1.0, *, gated: bool = False) -> None:
        super().__init__()
        c32, c64, c128, c256, c512 = (
            max(_NARROWEST, scaled_width(base, width)) for base in (32, 64, 128, 256, 512)
        )
        self.conv1 = nn.ModuleList([conv3x3(in_channels, c32), conv3x3(c32, c64), conv3x3(c64, c64)])
        self.conv2 = _stack(c64, c128, 2)
        self.conv3 = _stack(c128, c256, 3)
        self.conv4 = _stack(c256, c512, 3)
        self.conv5 = _stack(c512, c512, 3, dilation=2)
        self.conv6 = _stack(c512, c512, 3, dilation=2)
        self.conv7 = _stack(c512, c512, 3)
        self.down = nn.ModuleList(
            [nn.Conv2d(c, c, 1, stride=2, groups=c, bias=False) for c in (c64, c128, c256)]
        )
        self.up8, self.skip3, self.conv8 = conv3x3(c512, c256), conv3x3(c256, c256), _stack(c256, c256, 2)
        self.up9, self.skip2, self.conv9 = conv3x3(c256, c128), conv3x3(c128, c128), _stack(c128, c128, 1)
        self.up10, self.skip1 = conv3x3(c128, c128), conv3x3(c64, c128)
        self.conv10 = conv3x3(c128, c128)
        self.ab = nn.Conv2d(c128, 3 if gated else 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in [-128, 128] CIE units of ``(B, in_channels, H, W)``.

        With a gate: ``(B, 3, H, W)``, the third channel in [0, 1].
        """
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
        answer: Tensor = self.ab(map10)
        ab = AB_RANGE * torch.tanh(answer[:, :2])
        return torch.cat([ab, torch.sigmoid(answer[:, 2:] + _OPEN)], dim=1)


def _stack(fan_in: int, fan_out: int, count: int, *, dilation: int = 1) -> nn.ModuleList:
    widths = [fan_in, *[fan_out] * (count - 1)]
    return nn.ModuleList([conv3x3(width, fan_out, dilation=dilation) for width in widths])


def _run(layers: nn.ModuleList, x: Tensor) -> Tensor:
    """Convolve with ReLU after each layer, and normalize at the end."""
    for layer in layers:
        x = F.relu(layer(x))
    return F.instance_norm(x)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
