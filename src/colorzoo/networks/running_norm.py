"""Batch normalization with the running statistics of Caffe."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

_FADING = 0.001  # share of a batch in running statistics


class RunningNorm(nn.BatchNorm2d):
    """Batch normalization without factors whose statistics forget as Caffe's do.

    A batch counts 0.999 of the next one; the sums are divided by the sum of these counts.

    Examples:
        >>> RunningNorm(8)(torch.rand(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])

    Args:
        channels: Channels of input and output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(B, C, H, W)``."""
        if self.training:
            batches = int(cast(Tensor, self.num_batches_tracked)) + 1
            self.momentum = _FADING / (1 - (1 - _FADING) ** batches)
        return super().forward(x)
