"""The networks of Zhao et al. 2021: a U-Net that sees lightness alone, its decoder modulated by a vector."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.padding import pad_to_multiple
from colorzoo.zoo.zhao2021.encoder import ColorEncoder

AB_SCALE = 110.0
_STRIDE = 16
_SKIP_STEP = 4  # of the encoder's channels every fourth goes over to the decoder
_EPSILON = 1e-8


class ModulatedConvolution(nn.Module):
    """A convolution whose weight a vector scales by input channel, normalized by output channel.

    "SDFT" in the authors' code; StyleGAN2's modulated convolution without noise, bias and activation. Scaling
    the maps before and after one shared convolution gives the same as a weight for each picture.

    Args:
        channels: Of input and output.
        kernel: Side of the kernel.
        vector: Length of the vector.
    """

    def __init__(self, channels: int, kernel: int, vector: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, channels, kernel, kernel))
        self.modulation = nn.Linear(vector, channels)
        self.scale = 1 / math.sqrt(channels * kernel**2)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)`` as the vectors ``(B, V)`` (or one for all) say."""
        style = self.modulation(vector)
        factor = torch.rsqrt(self.squared_norms(style) + _EPSILON)
        weight = self.scale * self.weight
        y = F.conv2d(x * style[..., None, None], weight, padding=self.weight.shape[-1] // 2)
        return y * factor[..., None, None].to(y.dtype)

    def squared_norms(self, style: Tensor) -> Tensor:
        """Return the squared norm ``(B, C)`` of each output's weights under factors ``(B, C)`` of inputs."""
        with torch.autocast(style.device.type, enabled=False):
            squares = (self.scale * self.weight.float()).square().sum(dim=(2, 3))
            return style.float().square() @ squares.T


class Down(nn.Module):
    """Halve a map, change its width, and add what two convolutions make of it.

    Args:
        fan_in: Channels of the input.
        fan_out: Channels of the output.
    """

    def __init__(self, fan_in: int, fan_out: int) -> None:
        super().__init__()
        self.halve = nn.Sequential(nn.Conv2d(fan_in, fan_in, 4, stride=2, padding=1), nn.LeakyReLU(0.1))
        self.widen = nn.Conv2d(fan_in, fan_out, 1)
        self.refine = nn.Sequential(
            nn.Conv2d(fan_out, fan_out, 3, padding=1),
            nn.BatchNorm2d(fan_out),
            nn.LeakyReLU(0.2),
            nn.Conv2d(fan_out, fan_out, 3, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, fan_out, H/2, W/2)``."""
        x = self.widen(self.halve(x))
        y: Tensor = (x + self.refine(x)) / math.sqrt(2)
        return y


class Up(nn.Module):
    """Double a map, join it with a quarter of the skip, and let the vector modulate the result.

    Args:
        fan_in: Channels of the input.
        skip: Channels of the skip.
        fan_out: Channels of the output.
        kernel: Side of the modulated kernel.
        vector: Length of the vector.
    """

    def __init__(self, fan_in: int, skip: int, fan_out: int, *, kernel: int, vector: int) -> None:
        super().__init__()
        self.join = nn.Sequential(
            nn.Conv2d(fan_in + -(-skip // _SKIP_STEP), fan_out, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(fan_out, fan_out, 3, padding=1),
            nn.LeakyReLU(0.2),
        )
        self.shortcut = nn.Conv2d(fan_in, fan_out, 1)
        self.modulated = ModulatedConvolution(fan_out, kernel, vector)

    def forward(self, x: Tensor, skip: Tensor, vector: Tensor) -> Tensor:
        """Return ``(B, fan_out, 2H, 2W)``; nothing is activated after the sum."""
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        y = self.join(torch.cat([x, skip[:, ::_SKIP_STEP].to(x.dtype)], dim=1))
        answer: Tensor = self.modulated(y, vector) + self.shortcut(x)
        return answer


class ColorUNet(nn.Module):
    """Lightness and a vector in, ab out.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        vector: Length of the vector.
    """

    def __init__(self, width: float = 1.0, vector: int = 512) -> None:
        super().__init__()
        c1, c2, c3, c4 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.inc = nn.Sequential(
            *(nn.Conv2d(1, c1, 3, padding=1), nn.BatchNorm2d(c1), nn.LeakyReLU(0.1)),
            *(nn.Conv2d(c1, c1, 3, padding=1), nn.BatchNorm2d(c1), nn.LeakyReLU(0.1)),
        )
        self.down1, self.down2, self.down3, self.down4 = (
            Down(c1, c2),
            Down(c2, c3),
            Down(c3, c4),
            Down(c4, c4),
        )
        self.up1 = Up(c4, c4, c3, kernel=3, vector=vector)
        self.up2 = Up(c3, c3, c2, kernel=3, vector=vector)
        self.up3 = Up(c2, c2, c1, kernel=5, vector=vector)
        self.up4 = Up(c1, c1, c1, kernel=5, vector=vector)
        self.outc = nn.Sequential(
            nn.Conv2d(c1, c1, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(c1, 2, 3, padding=1), nn.Tanh()
        )

    def forward(self, luma: Tensor, vector: Tensor) -> Tensor:
        """Return ab / 110, ``(B, 2, H, W)``.

        Args:
            luma: ``(B, 1, H, W)``, (L - 50) / 50; height and width are multiples of 16.
            vector: ``(B, V)``, or one for all.
        """
        x1 = self.inc(luma)
        x2 = self.down1(x1)
        x3 = self.down2(x2)
        x4 = self.down3(x3)
        x = self.up1(self.down4(x4), x4, vector)
        x = self.up4(self.up3(self.up2(x, x3, vector), x2, vector), x1, vector)
        ab: Tensor = self.outc(x)
        return ab


class Color2Embed(nn.Module):
    """Both networks, with their scaling and any size of pictures around them.

    Args:
        encoder: Makes the vector of a reference.
        width: Multiplier of the U-Net's channel counts.
        reference_side: Side to which references are squashed.
    """

    def __init__(self, encoder: ColorEncoder, width: float = 1.0, reference_side: int = 256) -> None:
        super().__init__()
        self.encoder, self.reference_side = encoder, reference_side
        self.unet = ColorUNet(width, encoder.size)

    def vector(self, rgb: Tensor) -> Tensor:
        """Return the vectors ``(B, 512w)`` float32 of references ``(B, 3, H, W)`` in [0, 1], of any size.

        They are squashed to a square without antialiasing, as in the authors' script.
        """
        side = (self.reference_side, self.reference_side)
        square = F.interpolate(rgb.float(), size=side, mode="bilinear", align_corners=False)
        vector: Tensor = self.encoder(square)
        return vector

    def forward(self, luma: Tensor, vector: Tensor) -> Tensor:
        """Return ab ``(B, 2, H, W)`` in CIE units for lightness ``(B, 1, H, W)`` in [0, 100], of any size."""
        height, width = luma.shape[-2:]
        ab: Tensor = self.unet((pad_to_multiple(luma, _STRIDE) - 50) / 50, vector)
        return AB_SCALE * ab[:, :, :height, :width].float()
