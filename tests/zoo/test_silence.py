"""Channels that never fired answer a constant, whatever they read; photos are answered as before."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from colorzoo.networks.blocks import conv_block
from colorzoo.zoo.zhang2017.silence import silence

DEAD = 1


@pytest.fixture
def block() -> nn.Sequential:
    """Two convolutions and a normalization that knows its maps, with a channel that no input makes fire."""
    torch.manual_seed(0)
    block = conv_block((2, 4, 4))
    last = block[2]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    nn.init.constant_(last.bias, 0.5)  # the others fire
    nn.init.constant_(last.bias[DEAD : DEAD + 1], -100.0)
    norm = block[-1]
    nn.init.normal_(norm.weight)
    nn.init.normal_(norm.bias)
    norm.running_mean.fill_(0.01)
    for _ in range(200):
        block(_photos())
    return block.eval()


def _photos() -> Tensor:
    return torch.rand(8, 2, 16, 16, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_photos_are_answered_as_before(block: nn.Sequential) -> None:
    before = block(_photos())
    assert silence(block) == 1
    torch.testing.assert_close(block(_photos()), before)
    assert silence(block) == 1, "what is silent stays as it is"
    torch.testing.assert_close(block(_photos()), before)


@torch.no_grad()
def test_what_fires_after_all_is_not_heard(block: nn.Sequential) -> None:
    wild = 1000 * _photos()
    resting = block(_photos())[:, DEAD, 0, 0]
    assert block(wild)[:, DEAD].abs().max() > 1000
    silence(block)
    torch.testing.assert_close(block(wild)[:, DEAD], resting.view(-1, 1, 1).expand(-1, 16, 16))
