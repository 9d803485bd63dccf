"""Squeeze and excitation: the whole picture decides how much each channel counts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_REDUCTION = 4
_OPEN = 4.0  # bias of the gates: they begin nearly open, so that an added gate changes little at first


class AttendedConv(nn.Module):
    """A convolution whose output channels are scaled by s = sigmoid(W2 relu(W1 z)), z their mean over space.

    Args:
        conv: The convolution.
    """

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        channels = conv.out_channels
        self.conv = conv
        self.squeeze = nn.Linear(channels, max(1, channels // _REDUCTION))
        self.excite = nn.Linear(self.squeeze.out_features, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.constant_(self.excite.bias, _OPEN)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scaled output of the convolution for ``(B, C, H, W)``."""
        features = self.conv(x)
        gate = torch.sigmoid(self.excite(torch.relu(self.squeeze(features.mean(dim=(2, 3))))))
        scaled: Tensor = features * gate[:, :, None, None]
        return scaled
