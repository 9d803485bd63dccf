"""What networks add to an image repeats its border; what they add to hints is nothing."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from colorzoo.networks.blocks import pad_to_multiple, pad_with_zeros

Pad = Callable[[Tensor], Tensor]
SIDES = [((37, 53), (64, 64)), ((32, 65), (32, 96)), ((64, 32), (64, 32))]
XU_SIDES = [((3, 17), (16, 24)), ((16, 24), (16, 24)), ((11, 9), (16, 16))]
PADS: list[tuple[Pad, str, tuple[int, int], tuple[int, int]]] = [
    *((lambda x: pad_to_multiple(x, 32), "replicate", size, wanted) for size, wanted in SIDES),
    *((lambda x: pad_with_zeros(x, 32), "constant", size, wanted) for size, wanted in SIDES),
    # a map of one cell is not enough for these
    *(
        (lambda x: pad_to_multiple(x, 16, 32), "replicate", *e)
        for e in (((5, 37), (32, 48)), ((32, 33), (32, 48)))
    ),
    *((lambda x: pad_to_multiple(x, 8, 16), "replicate", *each) for each in XU_SIDES),
]


@pytest.mark.parametrize(("pad", "mode", "size", "wanted"), PADS)
def test_the_border_goes_on(pad: Pad, mode: str, size: tuple[int, int], wanted: tuple[int, int]) -> None:
    image = torch.rand(1, 2, *size)
    more = (0, wanted[1] - size[1], 0, wanted[0] - size[0])
    assert torch.equal(pad(image), F.pad(image, more, mode=mode))
