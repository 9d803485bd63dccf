"""Padding repeats the border of an image and adds zeros to hints."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from colorzoo.networks.blocks import pad_to_multiple, pad_with_zeros

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
