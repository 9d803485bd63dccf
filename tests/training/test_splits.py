"""What an image teaches does not depend on who shares its batch, nor on how processes split that."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from colorzoo.data.self_references import crop_flip_reference, warp_jitter_reference
from colorzoo.losses import relativistic_loss, self_reference_l1, smooth_l1_map, weighted_by_chroma
from colorzoo.randomness import image_generators
from colorzoo.testing.processes import in_processes
from colorzoo.zoo.xu2020.task import masked_huber

HALVES = (slice(0, 2), slice(2, 4))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("make", [crop_flip_reference, warp_jitter_reference])
def test_references_belong_to_their_image(make: Callable[..., Tensor]) -> None:
    rgb, seeds = torch.rand(4, 3, 20, 24, generator=torch.Generator().manual_seed(1)), torch.arange(4) + 7
    whole = make(rgb, image_generators(seeds, "referen"))
    parts = [make(rgb[half], image_generators(seeds[half], "referen")) for half in HALVES]
    torch.testing.assert_close(torch.cat(parts), whole)


def huber(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return masked_huber(ab, target, mask)


def weighted(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return weighted_by_chroma(smooth_l1_map(ab, target), target, 0.5).mean()


@pytest.mark.parametrize("loss", [huber, weighted])
def test_a_loss_is_the_mean_of_its_halves(loss: Callable[..., Tensor]) -> None:
    size = torch.tensor([10.0, 20.0, 30.0, 60.0]).view(4, 1, 1, 1)
    ab, target = size * noise(4, 2, 6, 6), size * noise(4, 2, 6, 6, seed=1)
    mask = (noise(4, 1, 6, 6, seed=2) > torch.tensor([-1.0, 0.0, 1.0, 9.0]).view(4, 1, 1, 1)).float()
    halves = torch.stack([loss(ab[half], target[half], mask[half]) for half in HALVES])
    assert halves[0] != pytest.approx(float(halves[1]), rel=0.05)  # the halves are not alike
    torch.testing.assert_close(halves.mean(), loss(ab, target, mask))


def chosen_l1(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    return self_reference_l1(ab, target, mask[:, 0, 0, 0])


def relativistic(ab: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    del mask
    return relativistic_loss(ab.mean((2, 3))[:, :1], target.mean((2, 3))[:, :1] * ab.mean((2, 3))[:, 1:])


BY_BATCH = {"l1": chosen_l1, "relativistic": relativistic}


def inputs(half: slice = slice(None)) -> tuple[Tensor, Tensor, Tensor]:
    mask = torch.zeros(4, 1, 3, 3)
    mask[0], mask[2:, :, 1:] = 1, 1
    mask[1, :, :2] = 1
    return tuple(part[half] for part in (noise(4, 2, 3, 3), noise(4, 2, 3, 3, seed=1), mask))


def measured(loss: Callable[..., Tensor], half: slice = slice(None)) -> tuple[Tensor, Tensor]:
    ab, target, mask = inputs(half)
    ab.requires_grad_()
    value = loss(ab, target, mask)
    value.backward()
    return value.detach(), ab.grad


def measure_half(folder: Path) -> None:
    distributed.init_process_group("gloo")
    rank = distributed.get_rank()
    found = {name: measured(loss, HALVES[rank]) for name, loss in BY_BATCH.items()}
    torch.save(found, folder / f"{rank}.pt")
    distributed.destroy_process_group()


def test_losses_over_the_batch_are_those_of_one_process(tmp_path: Path) -> None:
    assert in_processes(measure_half, tmp_path, processes=2) == [0, 0]
    shares = [torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2)]
    for name, loss in BY_BATCH.items():
        value, gradient = measured(loss)
        torch.testing.assert_close((shares[0][name][0] + shares[1][name][0]) / 2, value)
        both = torch.cat([share[name][1] for share in shares]) / 2  # as gradients are averaged
        torch.testing.assert_close(both, gradient)
