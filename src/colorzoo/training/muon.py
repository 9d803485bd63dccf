"""Training with timm's Muon: orthogonalized updates for hidden matrices, AdamW for other parameters.

`timm.optim.Muon` implements Jordan et al. 2024, https://kellerjordan.github.io/posts/muon. Unlike
`torch.optim.Muon`, it supports convolution kernels and parameter groups for AdamW.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn
from torch.optim import Optimizer

from colorzoo.training.module import SingleOptimizerModule

_SMALLEST_SIDE = 17  # AdamW optimizes smaller matrices


class MuonModule(SingleOptimizerModule):
    """Base class of tasks that `timm.optim.Muon` optimizes; see `SingleOptimizerModule`."""

    def configure_gradient_clipping(
        self,
        optimizer: Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the gradients of AdamW parameters, because Muon updates have a fixed norm."""
        if gradient_clip_val is None:
            return
        groups = [group for group in optimizer.param_groups if not group.get("use_muon")]
        parameters = [parameter for group in groups for parameter in group["params"]]
        by_value = gradient_clip_algorithm == "value"
        clip = nn.utils.clip_grad_value_ if by_value else nn.utils.clip_grad_norm_
        clip(parameters, gradient_clip_val)


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
        {"params": muon, "use_muon": True, "nesterov": True},
        {"params": adamw, "use_muon": False},
        {"params": adamw_without_decay, "use_muon": False, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
