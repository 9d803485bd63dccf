"""The fusion module of Su et al. 2020: at each pixel background and instances vote whose features count."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from colorzoo.networks.blocks import conv3x3
from colorzoo.zoo.su2020.places import Place, paste

HIDDEN = 16
OUTSIDE = 1e5  # added to the background's vote where no box is


class FusionLayer(nn.Module):
    """Blends the features of the instances into those of the whole picture.

    Args:
        channels: Of the features.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.instance = _votes(channels)
        self.background = _votes(channels)

    def forward(self, whole: Tensor, instances: Tensor, places: list[Place]) -> Tensor:
        """Fuse one picture.

        Where boxes overlap, and beside an instance that votes 0 in another one's box, votes are shared with
        features of zero, as in the authors' code.

        Args:
            whole: ``(1, C, h, w)``, features of the whole picture.
            instances: ``(N, C, h', w')``, features of the crops.
            places: Of the crops, in cells of ``whole``.

        Returns:
            ``(1, C, h, w)``; outside of all boxes exactly ``whole``.
        """
        size = (whole.shape[-2], whole.shape[-1])
        votes = self.instance(instances).float()
        placed = [paste(votes[i : i + 1], place, size) for i, place in enumerate(places)]
        features = [paste(instances[i : i + 1].float(), place, size) for i, place in enumerate(places)]
        inside = torch.zeros_like(placed[0])
        for place in places:
            inside[:, :, place.top : place.top + place.height, place.left : place.left + place.width] = 1
        background = self.background(whole).float() + OUTSIDE * (1 - inside)
        weights = torch.softmax(torch.cat([*placed, background]), dim=0)
        fused = (weights * torch.cat([*features, whole.float()])).sum(dim=0, keepdim=True)
        return fused.to(whole.dtype)


def _votes(channels: int) -> nn.Sequential:
    """Return three convolutions to one channel of at least 0."""
    return nn.Sequential(
        conv3x3(channels, HIDDEN),
        nn.ReLU(),
        conv3x3(HIDDEN, HIDDEN),
        nn.ReLU(),
        conv3x3(HIDDEN, 1),
        nn.ReLU(),
    )
