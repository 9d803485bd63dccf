"""The critic of DeOldify: spectral norm, dropout of whole maps, self-attention, scores of large patches."""

from __future__ import annotations

from torch import Tensor, nn

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.stored_spectral import StoredSpectralAttention, StoredSpectralConv

SMALLEST = 64
"""Side in pixels of the smallest picture that gets a score."""

_CHANNELS = 256
_SLOPE = 0.2
_FIRST_DROPOUT, _DROPOUT = 0.075, 0.15


class Critic(nn.Sequential):
    """Judges normalized RGB ``(B, 3, H, W)``: one score for each place that sees a whole patch, ``(B, n)``.

    Layers are numbered as its author's, so that its state dict has the same names.

    Args:
        width: Multiplier of every channel count; 1.0 is the published critic.
    """

    def __init__(self, width: float = 1.0) -> None:
        channels = scaled_width(_CHANNELS, width)
        layers: list[nn.Module] = [_strided(3, channels), nn.Dropout2d(_FIRST_DROPOUT)]
        for attends in (True, False, False):
            halved = _strided(channels, 2 * channels)
            if attends:
                halved.append(StoredSpectralAttention(2 * channels))
            layers += [_same(channels), nn.Dropout2d(_DROPOUT), halved]
            channels *= 2
        judge = StoredSpectralConv(channels, 1, (4, 4), bias=False)
        super().__init__(*layers, _same(channels), nn.Sequential(judge), nn.Flatten())

    def forward(self, normalized: Tensor) -> Tensor:
        """Return the scores."""
        scores = normalized
        for layer in self:
            scores = layer(scores)
        return scores.float()


def _strided(fan_in: int, fan_out: int) -> nn.Sequential:
    return nn.Sequential(
        StoredSpectralConv(fan_in, fan_out, (4, 4), stride=2, padding=1), nn.LeakyReLU(_SLOPE)
    )


def _same(channels: int) -> nn.Sequential:
    return nn.Sequential(StoredSpectralConv(channels, channels, (3, 3), padding=1), nn.LeakyReLU(_SLOPE))
