"""The paper's head for color distributions: a hypercolumn over blocks 3 to 8 (section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from colorzoo.color import hull_centers
from colorzoo.networks.blocks import conv3x3, upconv4x4
from colorzoo.networks.hint_unet import scaled_width


class HypercolumnHead(nn.Module):
    """Brings six maps to one size and width, sums them, and classifies each position by a 1x1 layer.

    (The sum before the ReLU is the same as concatenating the maps before one layer.) The head sends no
    gradient into the network whose maps it reads.

    Args:
        width: Multiplier of every channel count, that of the network.
    """

    def __init__(self, width: float) -> None:
        super().__init__()
        c256, c384, c512 = (scaled_width(base, width) for base in (256, 384, 512))
        self.fine = nn.ModuleList(conv3x3(c256, c384) for _ in range(2))
        self.coarse = nn.ModuleList(upconv4x4(c512, c384) for _ in range(4))
        self.classify = nn.Conv2d(c384, len(hull_centers()), 1)

    def forward(self, maps: Sequence[Tensor], trunk: Tensor) -> Tensor:
        """Return logits over the 313 bins, ``(B, 313, H/4, W/4)``.

        Args:
            maps: Outputs of blocks 3 to 7.
            trunk: Output of block 8, ``(B, C, H/4, W/4)``.
        """
        fine = [layer(each.detach()) for layer, each in zip(self.fine, (maps[0], trunk), strict=True)]
        coarse = [layer(each.detach()) for layer, each in zip(self.coarse, maps[1:], strict=True)]
        logits: Tensor = self.classify(torch.relu(torch.stack([*fine, *coarse]).sum(dim=0)))
        return logits
