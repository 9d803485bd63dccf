"""Muon: orthogonalized updates of matrices, AdamW for the rest."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import torch
from torch import nn

from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.training import muon
from colorzoo.training.muon import Muon, muon_groups, orthogonalize


def test_muon_groups_orthogonalizes_only_hidden_matrices() -> None:
    network = nn.Sequential(nn.Conv2d(1, 32, 3), nn.Conv2d(32, 32, 3), nn.Linear(32, 32))
    network.extend([nn.Linear(17, 40), nn.Linear(16, 40), nn.Linear(40, 16)])  # 17 is the least side
    hidden, others, factors = muon_groups(network, excluded=("2.",))
    assert [tuple(p.shape) for p in hidden["params"]] == [(32, 32, 3, 3), (40, 17)]
    assert [tuple(p.shape) for p in others["params"]] == [(32, 1, 3, 3), (32, 32), (40, 16), (16, 40)]
    assert [tuple(p.shape) for p in factors["params"]] == [(32,)] * 3 + [(40,)] * 2 + [(16,)]


def test_muon_does_not_decay_biases_and_normalizations() -> None:
    network = nn.Sequential(nn.Conv2d(1, 32, 3), nn.LayerNorm(32), nn.Linear(32, 32))
    network.register_parameter("scalar", nn.Parameter(torch.ones(())))
    before = {name: value.detach().clone() for name, value in network.named_parameters()}
    optimizer = Muon(muon_groups(network), lr=0.1, weight_decay=0.5)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, value in network.named_parameters():
        kept = 0.95 if value.ndim > 1 else 1.0
        torch.testing.assert_close(value.detach(), kept * before[name])


def test_muon_equals_adamw_for_other_parameters() -> None:
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


def test_muon_steps_equal_the_reference_formula() -> None:
    """Nesterov momentum: the gradient is added again after the momentum update."""
    for shape in [(32, 64), (64, 32), (24, 32, 3, 3)]:
        torch.manual_seed(0)
        start, gradients = torch.randn(shape), torch.randn(2, *shape)
        weight = nn.Parameter(start.clone())
        options = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.5, "steps": 3}
        optimizer = Muon([{"params": [weight], "orthogonalize": True}], **options)  # type: ignore[arg-type]
        wanted, momentum = start.flatten(1), torch.zeros_like(start).flatten(1)
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            given = gradient.flatten(1)
            momentum = 0.9 * momentum + 0.1 * given
            turned = orthogonalize(0.1 * given + 0.9 * momentum, steps=3)
            step = 0.2 * turned / turned.square().mean().sqrt()
            wanted = wanted * (1 - 0.1 * 0.5) - 0.1 * step
        # the order of the momentum operations changes the rounding to bfloat16
        torch.testing.assert_close(weight.detach().flatten(1), wanted, atol=2e-4, rtol=0)


@pytest.mark.parametrize(("steps", "valid"), [(0, False), (1, True), (5, True), (6, False)])
def test_muon_accepts_one_to_five_steps(steps: int, valid: bool) -> None:
    with nullcontext() if valid else pytest.raises(ValueError, match="between 1 and 5"):
        Muon([nn.Parameter(torch.zeros(1))], steps=steps)


def test_gradient_clipping_excludes_muon_matrices() -> None:
    task = contract_test_model(model_card("colorzoo2026"))
    optimizer = Muon(task.optimized_parameters())
    hidden, *others = optimizer.param_groups
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.ones_like(parameter)
    task.configure_gradient_clipping(optimizer, 0.5, "norm")
    rest = [parameter.grad for group in others for parameter in group["params"]]
    assert torch.stack([grad.norm() for grad in rest]).norm() == pytest.approx(0.5, rel=1e-4)
    assert all(bool((parameter.grad == 1).all()) for parameter in hidden["params"])
    task.configure_gradient_clipping(optimizer, 1e-4, "value")
    assert max(float(grad.max()) for grad in rest) <= 1e-4
    assert all(bool((parameter.grad == 1).all()) for parameter in hidden["params"])


def test_orthogonalize_is_accurate_in_bfloat16_and_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    for dtype, most in [(torch.bfloat16, 0.1), (torch.float32, 1e-4)]:
        for shape in [(48, 80), (64, 32), (48, 48)]:
            monkeypatch.setattr(muon, "choose_dtype", lambda *_, chosen=dtype: chosen)
            torch.manual_seed(0)
            matrix = torch.randn(shape)
            left, _, right = torch.linalg.svd(matrix, full_matrices=False)
            turned = left.T @ orthogonalize(matrix, steps=5).float() @ right.T
            off = (turned - torch.diag(turned.diagonal())).abs().max()
            assert most / 1e3 < off < most
            assert 0.8 < turned.diagonal().min() < turned.diagonal().max() < 1.2
