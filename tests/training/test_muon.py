"""Muon: orthogonalized updates of matrices, AdamW for the rest."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from colorzoo.training.muon import Muon, muon_groups, orthogonalize


@pytest.mark.parametrize("shape", [(32, 64), (64, 32), (48, 48)])
def test_singular_values_come_near_one(shape: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values = torch.linalg.svdvals(orthogonalize(torch.randn(shape), steps=5).float())
    assert values.min() > 0.8
    assert values.max() < 1.2


def test_only_hidden_matrices_are_orthogonalized() -> None:
    network = nn.Sequential(nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3), nn.Linear(32, 32))
    hidden, others = muon_groups(network, excluded=("2.",))
    assert [tuple(p.shape) for p in hidden["params"]] == [(32, 32, 3, 3)]
    assert len(others["params"]) == 5


def test_other_parameters_take_the_steps_of_adamw() -> None:
    def trained(make: object) -> torch.Tensor:
        torch.manual_seed(0)
        weight = nn.Parameter(torch.randn(7))
        optimizer = make([weight])  # type: ignore[operator]
        for step in range(5):
            optimizer.zero_grad()
            ((weight - step) ** 2).sum().backward()
            optimizer.step()
        return weight.detach()

    ours = trained(lambda p: Muon(p, lr=0.1, betas=(0.9, 0.98), weight_decay=0.05))
    theirs = trained(lambda p: torch.optim.AdamW(p, lr=0.1, betas=(0.9, 0.98), weight_decay=0.05))
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_a_matrix_moves_by_the_rate_whatever_its_gradient() -> None:
    torch.manual_seed(0)
    direction = torch.randn(32, 64)
    moved = []
    for scale in (1.0, 1000.0):
        weight = nn.Parameter(torch.zeros(32, 64))
        optimizer = Muon([{"params": [weight], "orthogonalize": True}], lr=0.01)
        weight.grad = scale * direction
        optimizer.step()
        moved.append(weight.detach().clone())
    assert torch.allclose(moved[0], moved[1], atol=1e-4)
    assert moved[0].square().mean().sqrt() == pytest.approx(0.01 * 0.2, rel=0.2)


def test_steps_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="steps must be 1 to 5, got 9"):
        Muon([nn.Parameter(torch.zeros(2))], steps=9)
