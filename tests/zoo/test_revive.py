"""Channels that never fire are drawn anew, and the network answers as before."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from colorzoo.errors import ColorzooError
from colorzoo.networks.hint_unet import HintUNet, initialize
from colorzoo.zoo.zhang2017.revive import BLOCKS, Inputs, Revived, fired, revive, shown

KILLED = {
    "block1": (0, 1),
    "block2": (1,),
    "block3": (0, 2),
    "block5": (2,),
    "block7": (1, 2),
    "block8": (1,),
}
_INNER = slice(28, 36)  # of the pixels, in multiples of 4; what blocks 1 to 3 make there sees no border


@pytest.fixture(scope="module")
def inputs() -> Inputs:
    """What the network reads of noise that is smooth, as photos are."""
    noise = torch.rand(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return shown(list(nn.functional.interpolate(noise, (64, 64), mode="bicubic").clamp(0, 1)), 0.0)


@pytest.fixture
def half_dead(inputs: Inputs) -> HintUNet:
    """A small network whose normalizations know its maps, with dead channels in some layers."""
    torch.manual_seed(0)
    unet = HintUNet(width=0.125, hint_attention=True, scene_blocks=1)
    initialize(unet, None)
    assert unet.scene is not None
    nn.init.normal_(unet.scene.leave.weight, std=0.05)
    for name, layers in KILLED.items():
        for index in layers:
            layer = _convolutions(unet, name)[index]
            assert layer.bias is not None
            nn.init.constant_(layer.bias[:2], -1000.0)
    _normalize(unet, inputs)
    return unet


@torch.no_grad()
def _normalize(unet: HintUNet, inputs: Inputs) -> None:
    """Let the normalizations know the maps as they are."""
    for norm in _norms(unet):
        norm.momentum = 1.0
    for x, hints in inputs:
        unet.train()(x, hints)
    unet.eval()


def _convolutions(unet: HintUNet, name: str) -> list[nn.Conv2d]:
    return [layer for layer in unet.get_submodule(name).children() if isinstance(layer, nn.Conv2d)]


def _watched(unet: HintUNet) -> list[nn.Conv2d]:
    return [layer for name in BLOCKS for layer in _convolutions(unet, name)]


def _norms(unet: HintUNet) -> list[nn.BatchNorm2d]:
    return [layer for layer in unet.modules() if isinstance(layer, nn.BatchNorm2d)]


def _dead(unet: HintUNet, inputs: Inputs) -> int:
    return sum(int(fired(unet, layer, inputs).dead.sum()) for layer in _watched(unet))


@torch.inference_mode()
def test_dead_channels_fire_again_and_answers_stay(half_dead: HintUNet, inputs: Inputs) -> None:
    dead = _dead(half_dead, inputs)
    assert dead >= 2 * sum(map(len, KILLED.values()))
    before = half_dead(*inputs[0])
    assert revive(half_dead, inputs) == Revived(
        dead, sum(layer.out_channels for layer in _watched(half_dead))
    )
    assert _dead(half_dead, inputs) == 0
    after = half_dead(*inputs[0])
    torch.testing.assert_close(after.ab, before.ab, atol=1e-3, rtol=0)
    torch.testing.assert_close(after.logits, before.logits, atol=0.01, rtol=1e-3)


@torch.inference_mode()
def test_what_a_dead_channel_was_worth_moves_into_biases(half_dead: HintUNet, inputs: Inputs) -> None:
    for norm in _norms(half_dead):
        nn.init.uniform_(norm.bias, 1.0, 2.0)
    _normalize(half_dead, inputs)
    before = half_dead.shallow(inputs[0][0])
    revive(half_dead, inputs)
    after = half_dead.shallow(inputs[0][0])
    for old, new, stride in zip(before[1:], after[1:], (4, 2, 1), strict=True):
        inner = slice(_INNER.start // stride, _INNER.stop // stride)
        torch.testing.assert_close(new[..., inner, inner], old[..., inner, inner], atol=1e-3, rtol=1e-3)


@torch.inference_mode()
def test_what_lives_has_a_mean_square_of_one(half_dead: HintUNet, inputs: Inputs) -> None:
    revive(half_dead, inputs)
    for layer in _watched(half_dead)[1:]:  # the first reads points, and keeps its scale
        square = fired(half_dead, layer, inputs).square
        torch.testing.assert_close(square, torch.ones_like(square), atol=0.02, rtol=0)


def test_every_new_channel_learns(half_dead: HintUNet, inputs: Inputs) -> None:
    """What reads a new channel, or its normalization, learns at once; then the channel itself."""
    dead = [fired(half_dead, layer, inputs).dead for layer in _watched(half_dead)]
    revive(half_dead, inputs)
    optimizer = torch.optim.SGD(half_dead.parameters(), lr=1e-3)
    for _ in range(3):
        optimizer.zero_grad()
        out = half_dead(*inputs[0])
        (out.ab.square().mean() + out.logits.square().mean()).backward()
        optimizer.step()
    for layer, which in zip(_watched(half_dead), dead, strict=True):
        assert layer.weight.grad is not None
        assert bool(layer.weight.grad[which].flatten(1).any(dim=1).all())


def test_other_networks_are_refused(inputs: Inputs) -> None:
    with pytest.raises(ColorzooError, match="rank layers"):
        revive(HintUNet(width=0.125, rank_layers=1), inputs)
