"""Gradients against differences of the value, along the gradient of each weight."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

_STEP = 1e-7  # in float64: short enough to cross hardly any kink of a ReLU


def require_gradient_of_differences(
    network: nn.Module, value: Callable[[], Tensor], rtol: float = 1e-3
) -> None:
    """Check the gradient of every weight of a float64 network that has two axes or more.

    Args:
        network: Its other parameters stand before a normalization and have gradients of rounding only.
        value: Computes a scalar with it.
        rtol: Largest relative difference.
    """
    named = {name: p for name, p in network.named_parameters() if p.ndim > 1}
    for (name, weight), gradient in zip(
        named.items(), torch.autograd.grad(value(), list(named.values())), strict=True
    ):
        assert weight.dtype == torch.float64, name
        step = _STEP * gradient / gradient.norm()
        with torch.no_grad():
            weight += step
            above = value()
            weight -= 2 * step
            below = value()
            weight += step
        found = float((above - below) / (2 * _STEP * gradient.norm()))
        assert abs(found - 1) < rtol, f"{name}: differences are {found:.4f} of the gradient"
