"""Feature maps of encoders."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from colorzoo.errors import ColorzooError
from colorzoo.model import check_input, coloring_model

__all__ = ["features"]


def features(
    model: nn.Module, lightness: Tensor, levels: Sequence[int] | None = None, *, gradients: bool = False
) -> tuple[Tensor, ...]:
    """Return the feature maps of a model's encoder.

    Examples:
        >>> model = colorzoo.create_model("colorzoo2026")
        >>> maps = features(model, torch.full((1, 1, 64, 96), 50.0))
        >>> [tuple(each.shape[1:]) for each in maps]
        [(24, 16, 24), (48, 8, 12), (120, 4, 6), (352, 2, 3)]
        >>> features(model, torch.full((1, 1, 64, 96), 50.0), levels=[-1])[0].shape
        torch.Size([1, 352, 2, 3])

    ``colorzoo2026`` returns feature maps of its frozen ImageNet encoder at 1/4, 1/8, 1/16 and 1/32 of the
    input size. Other models return feature maps of their encoders from a forward pass without guidance. The
    mode of the model (training or evaluation) is not changed.

    Args:
        model: Model whose input is lightness (not a sketch), or the task of such a model.
        lightness: ``(B, 1, H, W)`` in [0, 100].
        levels: Indices of the feature maps to return, like ``out_indices`` in timm. None returns all feature
            maps.
        gradients: Whether to compute gradients with respect to trainable weights and the lightness.

    Returns:
        Feature maps ``(B, C, h, w)`` on the device of the model, from fine to coarse. Their number and sizes
        depend on the model; some models first resize images to a square.

    Raises:
        ColorzooError: The input of the model is a sketch, the model does not expose feature maps, or a level
            does not exist.
    """
    found = coloring_model(model)
    check_input(found, lightness, None)
    maps: tuple[Tensor, ...] = ()
    if found.input_kind == "gray":
        with torch.set_grad_enabled(gradients):
            maps = found.feature_maps(lightness.to(found.device))
    if not maps:
        raise ColorzooError(
            f"{type(found).__name__} does not expose feature maps. Use a model such as colorzoo2026."
        )
    selected = range(len(maps)) if levels is None else levels
    for level in selected:
        if not -len(maps) <= level < len(maps):
            raise ColorzooError(f"'levels' must be from {-len(maps)} to {len(maps) - 1}, got {level}")
    return tuple(maps[level] for level in selected)
