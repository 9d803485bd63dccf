"""The discriminator of DDColor, which the paper calls a PatchGAN: spectral norm, ReLU, one self-attention."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.stored_spectral import StoredSpectralAttention, StoredSpectralConv

_CHANNELS = (64, 128, 256, 512)


class ColorDiscriminator(nn.Module):
    """Four halvings, each but the first after a 3 x 3 convolution, and a last one without padding.

    Args:
        width: Multiplier of every channel count; 1.0 is published.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        first, *wider = (scaled_width(base, width) for base in _CHANNELS)
        blocks = [_block(3, first, 4, stride=2)]
        fan_in = first
        for index, fan_out in enumerate(wider):
            attention = [StoredSpectralAttention(fan_out)] if index == 0 else []
            blocks += [_block(fan_in, fan_in, 3), _block(fan_in, fan_out, 4, *attention, stride=2)]
            fan_in = fan_out
        last = nn.Sequential(StoredSpectralConv(fan_in, 1, (4, 4), bias=False))
        self.layers = nn.Sequential(*blocks, _block(fan_in, fan_in, 3), last)

    def forward(self, rgb: Tensor) -> Tensor:
        """Return scores ``(B, n)`` without bounds of RGB ``(B, 3, H, W)`` in [0, 1], 64 pixels or more."""
        scores: Tensor = self.layers(rgb).flatten(1)
        return scores


def _block(fan_in: int, fan_out: int, side: int, *last: nn.Module, stride: int = 1) -> nn.Sequential:
    conv = StoredSpectralConv(fan_in, fan_out, (side, side), stride=stride, padding=1)
    return nn.Sequential(conv, nn.ReLU(), *last)
