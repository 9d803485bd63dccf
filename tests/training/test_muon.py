"""Muon: orthogonalized updates of matrices, AdamW for the rest."""

from __future__ import annotations

import pytest
import torch
from timm.optim import Muon
from torch import nn

from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.training.muon import muon_groups


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


def test_muon_updates_have_the_rms_of_adamw_updates() -> None:
    task = contract_test_model(model_card("colorzoo2026"))
    optimizer = Muon(task.optimized_parameters(), lr=0.1, ns_coefficients="polar_express_safer")
    for parameter in task.parameters():
        parameter.grad = torch.randn_like(parameter)
    hidden = optimizer.param_groups[0]["params"]
    before = [parameter.detach().clone() for parameter in hidden]
    optimizer.step()
    for parameter, earlier in zip(hidden, before, strict=True):
        change = (parameter.detach() - earlier).square().mean().sqrt()
        assert change == pytest.approx(0.1 * 0.2, rel=0.03)


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
