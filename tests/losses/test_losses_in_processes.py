"""Losses of exemplar papers do not depend on how processes share a batch."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

from colorzoo.losses import relativistic_loss, self_reference_l1
from colorzoo.networks.exemplar import Warped
from colorzoo.testing.processes import in_processes
from colorzoo.training.exemplar import ExemplarPrediction, warped_l1

PROCESSES = 2
CHOSEN = torch.tensor([1.0, 0, 1, 1])  # one of the first two images, both of the others


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def relativistic(rows: slice) -> tuple[Tensor, Tensor]:
    scores = numbers(4, 2, seed=0)[rows].requires_grad_()
    return relativistic_loss(scores[:, :1], scores[:, 1:]), scores


def self_reference(rows: slice) -> tuple[Tensor, Tensor]:
    ab = numbers(4, 2, 8, 8, seed=1)[rows].requires_grad_()
    return self_reference_l1(ab, numbers(4, 2, 8, 8, seed=2)[rows], CHOSEN[rows]), ab


def warped(rows: slice) -> tuple[Tensor, Tensor]:
    ab = numbers(4, 2, 2, 2, seed=3)[rows].requires_grad_()
    matched = numbers(4, 1, 2, 2, seed=4)[rows] > 0
    true = numbers(4, 2, 8, 8, seed=5)[rows]
    generated = ExemplarPrediction(
        ab=true, warped=Warped(ab, ab, matched, ab), reference=true, self_referenced=CHOSEN[rows]
    )
    return warped_l1(generated, true), ab


LOSSES: dict[str, Callable[[slice], tuple[Tensor, Tensor]]] = {
    "relativistic": relativistic,
    "self_reference": self_reference,
    "warped": warped,
}


def loss_and_gradient(name: str, rows: slice) -> tuple[Tensor, Tensor]:
    loss, leaf = LOSSES[name](rows)
    return loss.detach(), torch.autograd.grad(loss, leaf)[0]


def work(folder: Path) -> None:
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    rows = slice(2 * rank, 2 * rank + 2)
    torch.save({name: loss_and_gradient(name, rows) for name in LOSSES}, folder / f"{rank}.pt")
    dist.barrier()
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """Return the losses and gradients of two processes with half of the images each."""
    folder = tmp_path_factory.mktemp("processes")
    assert in_processes(work, folder, processes=PROCESSES) == [0] * PROCESSES
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.mark.nightly
@pytest.mark.parametrize("name", LOSSES)
def test_two_processes_have_the_loss_of_one(
    name: str, shared: list[dict[str, tuple[Tensor, Tensor]]]
) -> None:
    loss, gradient = loss_and_gradient(name, slice(None))
    losses, gradients = zip(*(each[name] for each in shared), strict=True)
    torch.testing.assert_close(sum(losses) / PROCESSES, loss)
    # gradients are averaged over processes, as DistributedDataParallel does
    torch.testing.assert_close(torch.cat(gradients) / PROCESSES, gradient, rtol=1e-4, atol=1e-7)
