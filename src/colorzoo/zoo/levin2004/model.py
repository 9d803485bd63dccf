"""Colorization using Optimization (Levin, Lischinski and Weiss, SIGGRAPH 2004).

Neighboring pixels of similar lightness get similar colors. In a sparse linear system, the color of a pixel
without a user point equals a weighted mean of its neighbors' colors. https://doi.org/10.1145/1015706.1015780
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.guidance import Guidance
from colorzoo.guidance.propagate import Array, propagate
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import points_of
from colorzoo.prediction import AbPrediction


class ColorizationByOptimization(ColoringModel):
    """Propagation of color points by a sparse linear solver on the CPU in float64.

    The weight of a neighboring pixel is a Gaussian of the lightness difference.

    Args:
        variance_share: Variance of this Gaussian as a fraction of the lightness variance in a window of 3 x 3
            pixels. Smaller values give sharper color edges.
    """

    accepts = frozenset({"points"})
    reproduces_points = True

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__(nn.Identity())
        self.variance_share = variance_share

    @torch.no_grad()
    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch by propagating color points; images without points stay gray."""
        points = points_of(guidance, lightness)
        ab_maps = [
            propagate(
                _to_numpy(gray[0]),
                _to_numpy(ab),
                _to_numpy(mask[0]) > 0.5,
                variance_share=self.variance_share,
            )
            for gray, ab, mask in zip(lightness, points.ab, points.mask, strict=True)
        ]
        return AbPrediction(ab=torch.from_numpy(np.stack(ab_maps)).float().to(lightness.device))


def _to_numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
