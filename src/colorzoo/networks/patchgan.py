"""PatchGAN: a discriminator that judges patches of 70 x 70 pixels (Isola et al. 2017, section 3.2.2)."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.networks.hint_unet import scaled_width

_SLOPE = 0.2


class PatchDiscriminator(nn.Module):
    """Five convolutions of 4 x 4, the first three of stride 2.

    Args:
        in_channels: Of what is judged; a picture beside its condition.
        width: Multiplier of every channel count; 1.0 is the network of the paper.
    """

    def __init__(self, in_channels: int, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256, c512 = (scaled_width(base, width) for base in (64, 128, 256, 512))
        self.layers = nn.Sequential(
            nn.Conv2d(in_channels, c64, 4, stride=2, padding=1),
            nn.LeakyReLU(_SLOPE),
            *_normed(c64, c128, stride=2),
            *_normed(c128, c256, stride=2),
            *_normed(c256, c512, stride=1),
            nn.Conv2d(c512, 1, 4, stride=1, padding=1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a score per patch, ``(B, 1, h, w)`` without bounds, for ``(B, in_channels, H, W)``."""
        scores: Tensor = self.layers(x)
        return scores


def _normed(fan_in: int, fan_out: int, *, stride: int) -> list[nn.Module]:
    conv = nn.Conv2d(fan_in, fan_out, 4, stride=stride, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(fan_out), nn.LeakyReLU(_SLOPE)]
