"""Helpers of the step tests: a batch, a model, and the comparison of gradients."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.registry import load_task_class, model_card
from colorzoo.testing.samples import sample_batch
from colorzoo.training.module import ColorizationModule


def training_batch(side: int = 32, count: int = 3) -> tuple[Batch, Tensor, Tensor]:
    """Return a batch, its lightness and its ab."""
    batch = sample_batch((side, side), batch=count)
    lab = rgb_to_lab(batch["rgb"])
    return batch, lab[:, :1], lab[:, 1:]


def small(name: str, **settings: Any) -> ColorizationModule:
    """Build the contract test variant of a model in training mode, with fixed random weights."""
    torch.manual_seed(0)
    card = model_card(name)
    return build_model(
        load_task_class(card), {**card.hparams, **card.contract_test.hparams, **settings}
    ).train()


def gradients(loss: Tensor, module: nn.Module) -> dict[str, Tensor]:
    """Return the gradient of every parameter by name; unused parameters have zeros."""
    named = dict(module.named_parameters())
    trained = {name: p for name, p in named.items() if p.requires_grad}
    found = torch.autograd.grad(loss, list(trained.values()), allow_unused=True, retain_graph=True)
    pairs = zip(trained.items(), found, strict=True)
    return {name: torch.zeros_like(p) if each is None else each for (name, p), each in pairs}


def same(
    ours: Mapping[str, Tensor], plain: Mapping[str, Tensor], rtol: float = 1e-4, rounding: float = 1e-3
) -> None:
    """Compare gradients by name, with a tolerance relative to the largest entry.

    Gradients of biases before a normalization are rounding errors, so the tolerance is also relative to
    ``rounding`` times the largest gradient of all parameters.
    """
    assert ours.keys() == plain.keys()
    largest = max(float(value.abs().max()) for value in plain.values())
    for name, value in ours.items():
        atol = rtol * max(float(plain[name].abs().max()), rounding * largest)
        torch.testing.assert_close(value, plain[name], rtol=0, atol=atol, msg=lambda m, n=name: f"{n}: {m}")
