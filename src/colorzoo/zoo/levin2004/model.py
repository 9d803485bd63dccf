"""Colorization using Optimization (Levin, Lischinski and Weiss, SIGGRAPH 2004).

Neighbors of similar lightness get similar colors. A sparse linear system propagates the user's points; each
free pixel is the weighted mean of its neighbors.
https://doi.org/10.1145/1015706.1015780
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.guidance import Guidance, Points
from colorzoo.guidance.propagate import Array, propagate
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction


class EditPropagation(nn.Module):
    """Sparse solver for ab on the CPU in float64, one image at a time.

    Args:
        variance_share: Variance of the Gaussian weights as a fraction of the variance in a 3 x 3 window;
            smaller values give sharper borders between colors.
    """

    def __init__(self, variance_share: float) -> None:
        super().__init__()
        self.variance_share = variance_share

    @torch.no_grad()
    def forward(self, lightness: Tensor, points: Points) -> Tensor:
        """Propagate the points.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Colors at some pixels of the image.

        Returns:
            ``(B, 2, H, W)`` float32 in CIE units: exact at the points, zero without points.
        """
        answers = [
            propagate(
                _to_numpy(gray[0]),
                _to_numpy(ab),
                _to_numpy(mask[0]) > 0.5,
                variance_share=self.variance_share,
            )
            for gray, ab, mask in zip(lightness, points.ab, points.mask, strict=True)
        ]
        return torch.from_numpy(np.stack(answers)).float().to(lightness.device)


class ColorizationByOptimization(ColoringModel):
    """Colorize an image by propagating color points.

    Args:
        variance_share: See `EditPropagation`.
    """

    accepts = frozenset({"points"})
    network: EditPropagation

    def __init__(self, variance_share: float = 0.3) -> None:
        super().__init__(EditPropagation(variance_share), variance_share=variance_share)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch: exact at the points, gray without points."""
        points = guidance.points if guidance is not None else None
        return AbPrediction(
            ab=self.network(lightness, points if points is not None else Points.none(lightness))
        )


def _to_numpy(tensor: Tensor) -> Array:
    return tensor.detach().cpu().double().numpy()
