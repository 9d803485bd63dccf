"""Additions to Kim et al. 2021 in the embedded add-ons; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.losses.edges import color_error
from colorzoo.networks.blocks import conv3x3
from colorzoo.settings import Count, Natural, Weight

STEP = 3  # pixels between the sampled positions
_KEYS, _HIDDEN = 3, 16
_ALIKE = 6.0  # initial distance in lightness within which two pixels are similar
_AVOID = 2.2  # logit of 0.9, the initial reduction of the weight of a pixel under a stroke
_GAIN = 20.0  # of the last layer, so that it is learned within some hundred steps
_AB_SCALE = 110.0
_SOUND = 2e-4  # squared error of ab / 110 of a picture without bleeding: 1.6 CIE units


@dataclass(frozen=True)
class Extensions:
    """Additions to E and its losses.

    Attributes:
        read_lightness: Let E read lightness too.
        reach: Distance in pixels from a scribble within which E changes maps; None: everywhere, as in the
            paper.
        propagation: Radius in pixels of `Propagation` on the final colors; 0: none.
        edge_band: Pixels by which L_edge (and the color term) extend beyond the scribbles.
        edge_scales: Number of picture sizes for L_edge, each half of the one before.
        relative: Divide the losses of each picture by the error of its first result, so that a picture with
            weak colors counts as much as one with strong ones.
        color_weight: Weight of the squared color error near the scribbles.
        hold_weight: Weight of the squared change of color away from them.
    """

    read_lightness: bool = False
    reach: int | None = None
    propagation: Count = 0
    edge_band: Count = 0
    edge_scales: Natural = 1
    relative: bool = False
    color_weight: Weight = 0.0
    hold_weight: Weight = 0.0


class Propagation(nn.Module):
    """Propagation of colors from beyond a stroke, guided by lightness.

    Where color bled over a border, the pixels at the border have a mixture, and those a little farther away
    on the same side have the color. Each pixel near a stroke takes the mean color of its surroundings,
    weighted by similarity and reduced under the stroke itself. Similarity, reduction, and the share of the
    mean in the result are learned; the initial share is zero.

    Args:
        radius: Radius of the surroundings in pixels.
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

    def forward(self, ab: Tensor, lightness: Tensor, scribbles: Tensor) -> Tensor:
        """Return the change of the colors.

        Args:
            ab: ``(B, 2, H, W)`` in CIE units.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            scribbles: ``(B, 1, H, W)`` in {0, 1}.
        """
        gray = (lightness - 50) / 100
        key = torch.cat(
            [lightness / self.log_alike.exp(), self.look(torch.cat([gray, scribbles], dim=1)).float()], dim=1
        )
        drawn = self._drawn(ab, key, 1 - self.avoid.sigmoid() * scribbles)
        seen = torch.cat([gray, scribbles, ab / _AB_SCALE, drawn / _AB_SCALE], dim=1)
        belief = _GAIN * self.belief(seen).float()
        change: Tensor = belief * (drawn - ab)
        return change

    def _drawn(self, ab: Tensor, key: Tensor, trust: Tensor) -> Tensor:
        """Return the mean color of similar pixels within the radius."""
        height, width = ab.shape[-2:]
        reach = self.radius // STEP * STEP
        padded = F.pad(
            torch.cat([key, trust, trust * ab], dim=1), (reach,) * 4
        )  # pixels outside have no weight
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


def picture_weights(lost: Tensor, relative: bool) -> Tensor:
    """Return the factor ``(B,)`` of each picture's losses from the error ``(B,)`` of its first result."""
    return 1 / (lost + _SOUND) if relative else torch.ones_like(lost)


def color_terms(
    found: Tensor, truth: Tensor, first: Tensor, near: Tensor, relative: bool
) -> tuple[Tensor, Tensor]:
    """Return the color error near the scribbles, and the change of color away from them.

    Args:
        found: ``(B, 2, H, W)`` ab after the scribbles.
        truth: True ab.
        first: ab before the scribbles.
        near: ``(B, 1, H, W)``, 1 near the scribbles.
        relative: See `Extensions`.
    """
    weight = picture_weights(color_error(first, truth, near), relative)
    color = (color_error(found, truth, near) * weight).mean()
    return color, (color_error(found, first, 1 - near) * weight).mean()
