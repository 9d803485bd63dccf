"""An option that the paper does not have: colors near a stroke are drawn from beyond it, along lightness.

Where color bled over a border, the pixels at the border have the mixture; those a little farther away on the
same side have the color. So each pixel near a stroke takes the mean color of its surroundings, weighted by
how alike they look and by how little they lie under the stroke themselves. What counts as alike, how much the
stroke is avoided and where the mean is believed are learned; at the start it is believed nowhere.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.blocks import conv3x3

STEP = 3  # pixels between the places that are looked at
_KEYS, _HIDDEN = 3, 16
_ALIKE = 6.0  # units of lightness within which two pixels are alike at the start
_AVOID = 2.2  # logit of 0.9, by which a pixel under a stroke counts less at the start
_GAIN = 20.0  # of the last layer, so that belief is learned within some hundred steps
_AB_SCALE = 110.0


class Propagation(nn.Module):
    """Draw colors from beyond a stroke.

    Args:
        radius: How far a pixel looks, in pixels.
    """

    def __init__(self, radius: int) -> None:
        super().__init__()
        self.radius = radius
        self.look = nn.Sequential(conv3x3(2, _HIDDEN), nn.ReLU(), conv3x3(_HIDDEN, _KEYS))
        self.belief = nn.Sequential(
            conv3x3(6, _HIDDEN),
            nn.ReLU(),
            conv3x3(_HIDDEN, _HIDDEN, dilation=2),
            nn.ReLU(),
            conv3x3(_HIDDEN, 1),
        )
        self.log_alike = nn.Parameter(torch.tensor(_ALIKE).log())
        self.avoid = nn.Parameter(torch.tensor(_AVOID))
        for last in (self.look[2], self.belief[4]):
            nn.init.zeros_(last.weight)  # type: ignore[arg-type]
            nn.init.zeros_(last.bias)  # type: ignore[arg-type]

    def forward(self, ab: Tensor, luma: Tensor, scribbles: Tensor) -> Tensor:
        """Return what to add to the colors.

        Args:
            ab: ``(B, 2, H, W)`` in CIE units.
            luma: ``(B, 1, H, W)`` in [0, 100].
            scribbles: ``(B, 1, H, W)`` in {0, 1}.
        """
        gray = (luma - 50) / 100
        key = torch.cat(
            [luma / self.log_alike.exp(), self.look(torch.cat([gray, scribbles], dim=1)).float()], dim=1
        )
        drawn = self._drawn(ab, key, 1 - self.avoid.sigmoid() * scribbles)
        seen = torch.cat([gray, scribbles, ab / _AB_SCALE, drawn / _AB_SCALE], dim=1)
        belief = _GAIN * self.belief(seen).float()
        return belief * (drawn - ab)

    def _drawn(self, ab: Tensor, key: Tensor, trust: Tensor) -> Tensor:
        """Return the mean color of what looks alike within the radius."""
        height, width = ab.shape[-2:]
        reach = self.radius // STEP * STEP
        padded = F.pad(torch.cat([key, trust, trust * ab], dim=1), (reach,) * 4)  # nothing is trusted outside
        channels = key.shape[1]
        total = torch.zeros_like(ab)
        weight = torch.full_like(trust, 1e-6)
        for row in range(-reach, reach + 1, STEP):
            for column in range(-reach, reach + 1, STEP):
                if row * row + column * column > self.radius**2:
                    continue
                top, left = reach + row, reach + column
                other = padded[..., top : top + height, left : left + width]
                apart = (other[:, :channels] - key).square().sum(dim=1, keepdim=True)
                alike = torch.exp(-apart / 2)
                total = total + alike * other[:, channels + 1 :]
                weight = weight + alike * other[:, channels : channels + 1]
        return total / weight
