"""Feature hooks: activation maps that an add-on model can modify (Kim et al. 2021).

A model with feature hooks can run its forward pass in two parts, before and after the first hook; see
`ColoringModel.before_hooks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

Visit = Callable[[str, Tensor], Tensor]
"""Function that receives the name and value of an activation map and returns a new value.

The values have the shape ``(B, C, h, w)``.
"""


def unchanged(_: str, activation: Tensor) -> Tensor:
    """Return the activation unchanged, for a network without an add-on model.

    Examples:
        >>> unchanged("encoder3", torch.zeros(1, 8, 4, 4)).shape
        torch.Size([1, 8, 4, 4])
    """
    return activation


@dataclass(frozen=True)
class FeatureHook:
    """Activation map that an add-on model can modify.

    Examples:
        >>> FeatureHook("encoder3", channels=256, stride=4).scale
        1.0

    Attributes:
        name: Name of the map. The model passes it to the `Visit` function of the add-on model.
        channels: Channels of the map.
        stride: Stride of the map in pixels of the padded image.
        scale: Typical magnitude of the values. An add-on model divides the map by the scale before processing
            and multiplies its output by the scale.
    """

    name: str
    channels: int
    stride: int
    scale: float = 1.0


@dataclass(frozen=True)
class HookState:
    """State of a forward pass at the first hook.

    Examples:
        >>> HookState(maps=(torch.zeros(1, 8, 4, 4),), size=(30, 45)).size
        (30, 45)

    Attributes:
        maps: Activation map of the first hook, followed by the other inputs of the layers after this hook.
        size: Height and width of the unpadded image in pixels.
    """

    maps: tuple[Tensor, ...]
    size: tuple[int, int]
