"""Batch normalization with Caffe's running statistics."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn

_FADING = 0.001  # momentum of the running statistics


class RunningNorm(nn.BatchNorm2d):
    """BatchNorm without affine parameters, with Caffe's moving averages of mean and variance.

    The running statistics are weighted averages over all batches. Each batch has 0.999 times the weight of
    the next batch. With the Trainer option ``sync_batchnorm``, the initial statistics also contribute, with
    the weight 0.999^n after n batches.

    Examples:
        >>> RunningNorm(8)(torch.rand(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])

    Args:
        channels: Number of input and output channels.
    """

    def __init__(self, channels: int) -> None:
        # `SyncBatchNorm` replaces this layer on several GPUs and keeps the momentum
        super().__init__(channels, momentum=_FADING, affine=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalize ``(B, C, H, W)``; in training mode, update the running statistics."""
        if self.training:
            batches = int(cast(Tensor, self.num_batches_tracked)) + 1
            self.momentum = _FADING / (1 - (1 - _FADING) ** batches)
        return super().forward(x)
