"""What is particular to Zhang et al. 2017."""

import pytest
import torch

from colorzoo.color import annealed_mean, grid_centers, grid_index
from colorzoo.guidance import Guidance, Points
from colorzoo.losses import grid_cross_entropy
from colorzoo.zoo.zhang2017.task import Zhang2017Local, strided_cross_entropy


def noise(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return scale * torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_the_strided_loss_teaches_every_position_of_a_cell() -> None:
    logits = noise(4, 529, 6, 6).requires_grad_()
    strided_cross_entropy(logits, noise(4, 2, 24, 24, scale=30), 2).backward()
    assert (logits.grad.abs().sum(dim=(0, 1)) > 0).all()


@pytest.mark.parametrize("batch", [1, 4])
def test_the_strided_loss_looks_at_the_right_pixels(batch: int) -> None:
    ab = noise(batch, 2, 24, 24, scale=40)
    truth = torch.nn.functional.one_hot(grid_index(ab[:, :, ::4, ::4]), 529).permute(0, 3, 1, 2) * 50.0
    assert strided_cross_entropy(truth, ab, 2) < 1e-6
    assert strided_cross_entropy(truth.roll(1, dims=3), ab, 2) > 10


def test_without_a_stride_it_is_the_papers_loss() -> None:
    logits, ab = noise(2, 529, 5, 5), noise(2, 2, 20, 20, scale=30)
    expected = grid_cross_entropy(logits, ab, stride=4)
    torch.testing.assert_close(strided_cross_entropy(logits, ab, 1), expected)


def test_bins_decode_to_their_colors() -> None:
    ab = noise(1, 2, 8, 8, scale=30)
    logits = torch.nn.functional.one_hot(grid_index(ab), 529).permute(0, 3, 1, 2) * 50.0
    assert (annealed_mean(logits, grid_centers()) - ab).abs().max() <= 5.001


def test_hint_attention_carries_a_color_to_a_place_that_looks_alike() -> None:
    torch.manual_seed(0)
    attention = Zhang2017Local(width=0.25, hint_attention=True).network.unet.attention
    features = torch.zeros(1, 64, 16, 16)
    features[:, :, :, 8:] = 3 * noise(64).view(1, 64, 1, 1)  # two halves that look different
    hints = torch.zeros(1, 3, 64, 64)
    hints[:, :, 8:12, 8:12] = torch.tensor([0.5, -0.25, 1.0]).view(1, 3, 1, 1)  # a hint in the left one
    with torch.no_grad():
        attention.key.weight.mul_(3)
        spread = attention(features, hints)
    assert spread[0, 2, :4, :4].min() > 0.5
    assert spread[0, 2, :, 8:].max() < 0.1
    torch.testing.assert_close(spread[:, 0], 0.5 * spread[:, 2], atol=1e-5, rtol=0)


def test_no_points_are_the_same_as_no_guidance() -> None:
    torch.manual_seed(0)
    model = Zhang2017Local(width=0.125, hint_attention=True).eval()
    luma = 100 * torch.rand(1, 1, 24, 24)
    with torch.no_grad():
        torch.testing.assert_close(model(luma).ab, model(luma, Guidance(points=Points.none(luma))).ab)
