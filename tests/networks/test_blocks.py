"""Padding, batch normalization and layer outputs."""

from collections.abc import Callable
from threading import Thread

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from colorzoo.networks.blocks import RunningNorm, layer_outputs, pad_to_multiple, pad_with_zeros

Pad = Callable[[Tensor], Tensor]
SIDES = [((37, 53), (64, 64)), ((32, 65), (32, 96)), ((64, 32), (64, 32))]
TWO_CELL_SIDES = [((5, 37), (32, 48)), ((32, 33), (32, 48))]  # at least two cells per side
XU_SIDES = [((3, 17), (16, 24)), ((16, 24), (16, 24)), ((11, 9), (16, 16))]
PADS: list[tuple[Pad, str, tuple[int, int], tuple[int, int]]] = [
    *((lambda x: pad_to_multiple(x, 32), "replicate", size, wanted) for size, wanted in SIDES),
    *((lambda x: pad_with_zeros(x, 32), "constant", size, wanted) for size, wanted in SIDES),
    *((lambda x: pad_to_multiple(x, 16, 32), "replicate", *each) for each in TWO_CELL_SIDES),
    *((lambda x: pad_to_multiple(x, 8, 16), "replicate", *each) for each in XU_SIDES),
]


def test_pad_to_multiple_replicates_and_pad_with_zeros_adds_zeros() -> None:
    for pad, mode, size, wanted in PADS:
        image = torch.rand(1, 2, *size)
        more = (0, wanted[1] - size[1], 0, wanted[0] - size[0])
        assert torch.equal(pad(image), F.pad(image, more, mode=mode)), (mode, size)


def test_running_norm_keeps_its_slow_averages_with_sync_batchnorm() -> None:
    synchronized = nn.SyncBatchNorm.convert_sync_batchnorm(RunningNorm(8))
    assert isinstance(synchronized, nn.SyncBatchNorm)
    assert synchronized.momentum == 0.001


def test_running_norm_averages_batches_with_almost_equal_weights() -> None:
    norm = RunningNorm(1).train()
    for value in (0.0, 1.0, 5.0):
        norm(torch.full((2, 1, 2, 2), value))
    torch.testing.assert_close(norm.running_mean, torch.tensor([2.0]), rtol=0, atol=0.01)


def test_layer_outputs_ignores_forward_passes_of_other_threads() -> None:
    model = nn.Sequential(nn.Identity())

    def run_in_two_threads() -> None:
        thread = Thread(target=model, args=(torch.ones(1),))
        thread.start()
        thread.join()
        model(torch.zeros(1))

    (output,) = layer_outputs(model, ("0",), run_in_two_threads)
    assert torch.equal(output, torch.zeros(1))
