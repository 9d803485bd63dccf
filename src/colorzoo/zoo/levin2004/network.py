"""The optimization of Levin et al. 2004: each free pixel is the weighted mean of its neighbors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from colorzoo.guidance import Points
from colorzoo.guidance.propagate import Array, propagate


class EditPropagation(nn.Module):
    """Solves for ab on the CPU in float64, one picture after the other.

    Args:
        variance_share: Share of a 3 x 3 window's variance that is the variance of its Gaussian weights; the
            less, the sharper the border between two colors.
    """

    def __init__(self, variance_share: float) -> None:
        super().__init__()
        self.variance_share = variance_share

    @torch.no_grad()
    def forward(self, luma: Tensor, points: Points) -> Tensor:
        """Spread the points.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Colors at some pixels, of the same size.

        Returns:
            ``(B, 2, H, W)`` float32 in CIE units; the given colors where given, zero without any.
        """
        answers = [
            propagate(
                _to_numpy(gray[0]),
                _to_numpy(ab),
                _to_numpy(mask[0]) > 0.5,
                variance_share=self.variance_share,
            )
            for gray, ab, mask in zip(luma, points.ab, points.mask, strict=True)
        ]
        return torch.from_numpy(np.stack(answers)).float().to(luma.device)


def _to_numpy(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().double().numpy()
    return array
