"""Muon: orthogonalized momentum updates for matrices, AdamW for other parameters.

The optimizer follows Jordan et al. 2024, https://kellerjordan.github.io/posts/muon, with the coefficients of
Polar Express (Amsel et al. 2025, https://arxiv.org/abs/2505.16932) and the step size of Liu et al. 2025,
https://arxiv.org/abs/2502.16982. Unlike `torch.optim.Muon`, it supports convolution kernels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from colorzoo.inference.network import choose_dtype
from colorzoo.training.module import SingleOptimizerModule

# coefficients of X, X X^T X and (X X^T)^2 X in each iteration
_POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)
_SAFETY = 1.01  # bfloat16 rounding can move a singular value outside the range of convergence
_RMS = 0.2  # RMS of a matrix update at learning rate 1; similar to AdamW, so one learning rate suits both
_SMALLEST_SIDE = 17  # AdamW optimizes smaller matrices


class Muon(Optimizer):
    """Muon for parameter groups with ``orthogonalize=True``, AdamW for other groups.

    Examples:
        >>> layer = torch.nn.Linear(8, 4)
        >>> matrices = {"params": [layer.weight], "orthogonalize": True}
        >>> others = {"params": [layer.bias], "orthogonalize": False}
        >>> optimizer = Muon([matrices, others], lr=1e-3)
        >>> layer(torch.rand(2, 8)).sum().backward()
        >>> optimizer.step()

    Args:
        params: Parameters, all for AdamW, or parameter groups from `muon_groups`.
        lr: Learning rate of Muon and AdamW.
        momentum: Nesterov momentum of Muon.
        betas: Decay rates of AdamW's running averages.
        weight_decay: Decoupled weight decay of Muon and AdamW.
        steps: Number of orthogonalization iterations per update, 1 to 5; see `orthogonalize`.

    Raises:
        ValueError: ``steps`` is out of range.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float = 2e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.05,
        steps: int = 4,
    ) -> None:
        max_steps = len(_POLAR_EXPRESS)
        if not 1 <= steps <= max_steps:
            raise ValueError(f"'steps' must be between 1 and {max_steps}, got {steps}")
        # settings of a parameter group that does not override them; by default, a group uses AdamW
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "betas": tuple(betas),  # YAML configurations pass a list
            "weight_decay": weight_decay,
            "steps": steps,
            "orthogonalize": False,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Perform an optimization step."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            update = self._muon if group["orthogonalize"] else self._adam
            for parameter in group["params"]:
                if parameter.grad is not None:
                    change = update(parameter, parameter.grad, group)
                    parameter.mul_(1 - group["lr"] * group["weight_decay"])
                    parameter.add_(change, alpha=-group["lr"])
        return loss

    def _muon(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"]
        momentum.lerp_(gradient, 1 - group["momentum"])
        ahead = torch.lerp(gradient, momentum, group["momentum"]).flatten(1)
        found = orthogonalize(ahead, group["steps"])
        # scaled by the norm, because after few iterations the mean singular value exceeds 1
        scale = _RMS * math.sqrt(found.numel()) / found.norm().clamp(min=1e-7)
        return (scale * found).reshape(parameter.shape)

    def _adam(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> Tensor:
        state = self.state[parameter]
        beta1, beta2 = group["betas"]
        if not state:
            state |= {
                "step": torch.zeros((), dtype=torch.float32),
                "mean": torch.zeros_like(parameter),
                "square": torch.zeros_like(parameter),
            }
        state["step"] += 1
        step = float(state["step"])  # on the CPU
        state["mean"].lerp_(gradient, 1 - beta1)
        state["square"].lerp_(gradient.square(), 1 - beta2)
        root = (state["square"] / (1 - beta2**step)).sqrt_().add_(1e-8)
        return state["mean"] / (1 - beta1**step) / root


class MuonModule(SingleOptimizerModule):
    """Base class of tasks that `Muon` optimizes; see `SingleOptimizerModule`."""

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients of AdamW parameters, because Muon updates have a fixed norm."""
        if gradient_clip_val is None:
            return
        groups = [group for group in optimizer.param_groups if not group.get("orthogonalize")]
        parameters = [parameter for group in groups for parameter in group["params"]]
        by_value = gradient_clip_algorithm == "value"
        clip = nn.utils.clip_grad_value_ if by_value else nn.utils.clip_grad_norm_
        clip(parameters, gradient_clip_val)


def orthogonalize(matrix: Tensor, steps: int = 4) -> Tensor:
    """Approximate the orthogonal matrix that is nearest to a matrix, with Polar Express.

    The method is from Amsel et al. 2025. Each iteration applies an odd polynomial of degree 5 that moves all
    singular values toward 1. Matrix products are computed in bfloat16 if the hardware supports it, otherwise
    in float32.

    Args:
        matrix: ``(M, N)``.
        steps: Number of iterations, 1 to 5.

    Returns:
        ``(M, N)`` matrix with singular values near 1.
    """
    is_tall = matrix.shape[0] > matrix.shape[1]
    wide = matrix.T if is_tall else matrix  # has the smaller Gram matrix
    # the polynomials require singular values of at most 1
    x: Tensor = (wide / (wide.norm() * 1.02 + 1e-7)).to(choose_dtype("auto", matrix.device))
    for linear, cubic, quintic in _POLAR_EXPRESS[:steps]:
        x = x / _SAFETY
        gram = x @ x.mT
        x = linear * x + (cubic * gram + quintic * gram @ gram) @ x
    x = x.to(matrix.dtype)
    return x.mT if is_tall else x


def muon_groups(module: nn.Module, excluded: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return the trainable parameters of a module in groups for Muon and AdamW.

    Muon optimizes weights that have at least 17 rows and columns when flattened to a matrix. AdamW optimizes
    all other parameters. Parameters with at most one dimension, such as biases and normalization weights,
    have no weight decay.

    Args:
        module: The module.
        excluded: Substrings of parameter names. AdamW optimizes the parameters that contain a substring, such
            as the first and last layers.
    """
    muon: list[nn.Parameter] = []
    adamw: list[nn.Parameter] = []
    adamw_without_decay: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad:
            continue
        is_large = parameter.ndim >= 2 and min(parameter.flatten(1).shape) >= _SMALLEST_SIDE
        if is_large and not any(part in name for part in excluded):
            muon.append(parameter)
        elif parameter.ndim > 1:
            adamw.append(parameter)
        else:
            adamw_without_decay.append(parameter)
    groups: list[dict[str, Any]] = [
        {"params": muon, "orthogonalize": True},
        {"params": adamw},
        {"params": adamw_without_decay, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
