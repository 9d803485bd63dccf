"""Batch normalization with Caffe's running statistics."""

import torch
from torch import nn

from colorzoo.networks.running_norm import RunningNorm


def test_running_norm_keeps_its_slow_averages_with_sync_batchnorm() -> None:
    synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(RunningNorm(8))
    assert isinstance(synchronized, nn.SyncBatchNorm)
    assert synchronized.momentum == 0.001


def test_running_norm_averages_batches_with_almost_equal_weights() -> None:
    norm = RunningNorm(1).train()
    for value in (0.0, 1.0, 5.0):
        norm(torch.full((2, 1, 2, 2), value))
    torch.testing.assert_close(norm.running_mean, torch.tensor([2.0]), rtol=0, atol=0.01)
