"""The correspondence trunk of exemplar papers (Zhang et al. 2019, "Deep Exemplar-based Video Colorization").

Four feature maps of any backbone become one map of 256 channels at a quarter of the picture's size. SPColor
(Chen et al. 2023) uses the same trunk. What is done with the map is in `colorzoo.networks.matching`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.networks.matching import Matched, match

STRIDE = 4
"""One place of the map stands for so many pixels a side."""
VGG_CHANNELS = (128, 256, 512, 512)


class WarpNet(nn.Module):
    """Four branches, three residual blocks, and a linear map for each of the two pictures.

    Args:
        channels: Of the four maps it reads, at strides 2, 4, 8 and 16.
        width: Multiplier of its own channel counts; 1.0 is the published network.
    """

    def __init__(self, channels: Sequence[int] = VGG_CHANNELS, width: float = 1.0) -> None:
        super().__init__()
        c64, c128, c256 = (scaled_width(base, width) for base in (64, 128, 256))
        tap2, tap3, tap4, tap5 = channels
        self.branches = nn.ModuleList(
            [
                _Branch(tap2, c128, c64, stride=2),
                _Branch(tap3, c128, c64),
                _Branch(tap4, c256, c64, enlarge=(1, 2)),
                _Branch(tap5, c256, c64, enlarge=(2, 2)),
            ]
        )
        self.residual = nn.Sequential(*(_Residual(4 * c64) for _ in range(3)))
        self.theta = nn.Linear(4 * c64, 4 * c64)
        self.phi = nn.Linear(4 * c64, 4 * c64)

    def forward(self, taps: Sequence[Tensor]) -> Tensor:
        """Return ``(B, 4 * c64, H/4, W/4)`` of `unit_features` at H/2, H/4, H/8 and H/16."""
        maps = [branch(tap) for branch, tap in zip(self.branches, taps, strict=True)]
        maps[3] = _fit(maps[3], maps[0])
        joined: Tensor = self.residual(torch.cat(maps, dim=1))
        return joined

    def warp(
        self,
        target: Tensor,
        reference: Tensor,
        values: Tensor,
        labels: tuple[Tensor, Tensor] | None = None,
        *,
        tau: float = 0.01,
    ) -> Matched:
        """Carry values from the reference to the target.

        Args:
            target: ``(B, C, h, w)``, what `forward` gives for the target.
            reference: ``(B, C, h', w')``, the same for the reference.
            values: ``(B, V, h', w')``.
            labels: Classes ``(B, 1, h, w)`` and ``(B, 1, h', w')``; None compares all places.
            tau: See `match`.

        Returns:
            Values ``(B, V, h, w)`` and similarity ``(B, 1, h, w)``.
        """
        rows = None if labels is None else (labels[0].flatten(1), labels[1].flatten(1))
        matched = match(self.theta(_rows(target)), self.phi(_rows(reference)), _rows(values), rows, tau=tau)
        size = target.shape[-2:]
        batch, _, channels = matched.values.shape
        warped = matched.values.transpose(1, 2).reshape(batch, channels, *size)
        return Matched(warped, matched.similarity.view(batch, 1, *size))


def unit_features(taps: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Divide each place of each map ``(B, C, h, w)`` by the length of its features."""
    tiny = torch.finfo(torch.float64).eps
    return tuple(tap / (torch.linalg.vector_norm(tap, dim=1, keepdim=True) + tiny) for tap in taps)


class _Branch(nn.Module):
    """Two convolutions with normalization and PReLU, and nearest enlargement after each."""

    def __init__(
        self, fan_in: int, middle: int, fan_out: int, *, stride: int = 1, enlarge: tuple[int, int] = (1, 1)
    ) -> None:
        super().__init__()
        self.enlarge = enlarge
        self.conv1 = _conv(fan_in, middle)
        self.prelu1 = nn.PReLU()
        self.conv2 = _conv(middle, fan_out, stride=stride)
        self.prelu2 = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        x = _nearest(self.prelu1(F.instance_norm(self.conv1(x))), self.enlarge[0])
        return _nearest(self.prelu2(F.instance_norm(self.conv2(x))), self.enlarge[1])


class _Residual(nn.Module):
    """A residual block whose two activations share their slope."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(channels, channels)
        self.conv2 = _conv(channels, channels)
        self.prelu = nn.PReLU()

    def forward(self, x: Tensor) -> Tensor:
        inner = self.prelu(F.instance_norm(self.conv1(x)))
        activated: Tensor = self.prelu(F.instance_norm(self.conv2(inner)) + x)
        return activated


def _conv(fan_in: int, fan_out: int, *, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(fan_in, fan_out, 3, stride=stride, padding=1, padding_mode="reflect")


def _nearest(x: Tensor, times: int) -> Tensor:
    return x if times == 1 else F.interpolate(x, scale_factor=times, mode="nearest")


def _fit(small: Tensor, like: Tensor) -> Tensor:
    """Repeat the border of a map whose size was rounded down at stride 16: one before, the rest after."""
    missing = [wanted - there for wanted, there in zip(like.shape[-2:], small.shape[-2:], strict=True)]
    (top, bottom), (left, right) = ((min(1, gap), max(0, gap - 1)) for gap in missing)
    return F.pad(small, (left, right, top, bottom), mode="replicate") if any(missing) else small


def _rows(maps: Tensor) -> Tensor:
    return maps.flatten(2).transpose(1, 2)
