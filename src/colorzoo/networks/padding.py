"""Run a network of a fixed stride on pictures of any size."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until height and width are multiples of ``multiple``.

    Args:
        image: ``(B, C, H, W)``.
        multiple: The stride of the network.
    """
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="replicate")


def pad_with_zeros(image: Tensor, multiple: int) -> Tensor:
    """Append zeros until height and width are multiples of ``multiple`` (for hints: none given there)."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple))


def cells(side: int, stride: int) -> int:
    """Return how many cells of ``stride`` pixels cover a side.

    Written for sides above zero, as ONNX rounds the usual ``-(-side // stride)`` towards zero.
    """
    return (side + stride - 1) // stride
