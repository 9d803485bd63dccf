"""References and losses do not depend on how a batch is split."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.randomness import image_generators
from colorzoo.zoo.xu2020.task import masked_huber

HALVES = (slice(0, 2), slice(2, 4))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("make", [crop_flip_reference, warp_jitter_reference])
def test_training_references_do_not_depend_on_the_batch_split(make: Callable[..., Tensor]) -> None:
    rgb, seeds = torch.rand(4, 3, 20, 24, generator=torch.Generator().manual_seed(1)), torch.arange(4) + 7
    whole = make(rgb, image_generators(seeds, "reference"))
    parts = [make(rgb[half], image_generators(seeds[half], "reference")) for half in HALVES]
    torch.testing.assert_close(torch.cat(parts), whole)


def huber(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return masked_huber(ab, target, mask)


def weighted(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return weighted_by_chroma(smooth_l1_map(ab, target), target, 0.5).mean()


@pytest.mark.parametrize("loss", [huber, weighted])
def test_loss_of_a_batch_is_the_mean_of_its_halves(loss: Callable[..., Tensor]) -> None:
    size = torch.tensor([10.0, 20.0, 30.0, 60.0]).view(4, 1, 1, 1)
    ab, target = size * noise(4, 2, 6, 6), size * noise(4, 2, 6, 6, seed=1)
    mask = (noise(4, 1, 6, 6, seed=2) > torch.tensor([-1.0, 0.0, 1.0, 9.0]).view(4, 1, 1, 1)).float()
    halves = torch.stack([loss(ab[half], target[half], mask[half]) for half in HALVES])
    assert halves[0] != pytest.approx(float(halves[1]), rel=0.05)  # the halves differ
    torch.testing.assert_close(halves.mean(), loss(ab, target, mask))
