"""Hints as immutable dataclasses of tensors; each kind of hint has a class.

`colorzoo.guidance.Guidance` combines them. All maps have the height and width of the image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Self

import torch
from torch import Tensor

from colorzoo.errors import GuidanceError


@dataclass(frozen=True)
class TensorFields:
    """Base class of hints: a dataclass of tensors that can be moved to a device and sliced."""

    def to(self, device: torch.device | str) -> Self:
        """Return a copy with all tensors, including tensors of nested hints, on ``device``."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in values.items() if hasattr(v, "to")})

    def __getitem__(self, index: slice) -> Self:
        """Return the hints of a slice of the batch."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{k: v[index] for k, v in values.items() if isinstance(v, Tensor | TensorFields)}
        )


@dataclass(frozen=True)
class Points(TensorFields):
    """Colors of single pixels (Zhang et al. 2017).

    Examples:
        >>> ab, mask = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
        >>> ab[..., 10:16, 10:16], mask[..., 10:16, 10:16] = 40.0, 1.0
        >>> Guidance(points=Points(ab, mask)).kinds()
        ('points',)

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units; ignored where ``mask`` is 0.
        mask: ``(B, 1, H, W)`` in {0, 1}: 1 for pixels with a color.
        lightness: ``(B, 1, H, W)`` lightness in [0, 100] of the chosen colors, or None.
        exact: ``(B, 1, H, W)`` in {0, 1}, or None for 1 everywhere. Where it is 1, ``ab`` is used unchanged.
            Where it is 0, the color defined by ``lightness`` and ``ab`` is adapted to the lightness of the
            image.
    """

    ab: Tensor
    mask: Tensor
    lightness: Tensor | None = None
    exact: Tensor | None = None

    def __post_init__(self) -> None:
        batch, _, height, width = _check_map("Points.ab", self.ab, 2)
        if _check_map("Points.mask", self.mask, 1) != (batch, 1, height, width):
            raise GuidanceError(
                f"Points.ab {tuple(self.ab.shape)} and Points.mask {tuple(self.mask.shape)} must have "
                "the same batch, height and width."
            )

    @classmethod
    def none(cls, like: Tensor) -> Self:
        """Return an instance without points for images ``(B, C, H, W)``."""
        batch, _, height, width = like.shape
        return cls(like.new_zeros(batch, 2, height, width), like.new_zeros(batch, 1, height, width))


@dataclass(frozen=True)
class Scribbles(TensorFields):
    """Strokes without color, drawn along edges where color bleeds (Kim et al. 2021).

    Examples:
        >>> Scribbles(torch.ones(1, 1, 32, 32)).mask.shape
        torch.Size([1, 1, 32, 32])

    Attributes:
        mask: ``(B, 1, H, W)`` in {0, 1}: 1 for pixels of a stroke.
    """

    mask: Tensor

    def __post_init__(self) -> None:
        _check_map("Scribbles.mask", self.mask, 1)


@dataclass(frozen=True)
class Regions(TensorFields):
    """Regions proposed by a model, in the order in which to color them (Cho et al. 2023).

    Examples:
        >>> index = torch.zeros(1, 1, 32, 32, dtype=torch.int64)
        >>> regions = Regions(index, rgb=torch.rand(1, 5, 3), given=torch.ones(1, 5))
        >>> regions.rgb.shape
        torch.Size([1, 5, 3])

    Attributes:
        index: ``(B, 1, H, W)`` int64: region index of each pixel.
        rgb: ``(B, N, 3)`` color of each region in [0, 1].
        given: ``(B, N)`` in {0, 1}: 1 for regions that the user has colored.
        segments: ``(B, 1, H, W)`` int64: finer segments of which the model composed the regions, or None.
    """

    index: Tensor
    rgb: Tensor
    given: Tensor
    segments: Tensor | None = None

    def __post_init__(self) -> None:
        _check_map("Regions.index", self.index, 1)


@dataclass(frozen=True)
class Exemplar(TensorFields):
    """A reference image for the colors; its size may differ from the size of the target image.

    Examples:
        >>> Exemplar(torch.rand(1, 3, 48, 64)).rgb.shape
        torch.Size([1, 3, 48, 64])

    Attributes:
        rgb: ``(B, 3, H', W')`` in [0, 1].
        embedding: ``(B, R, C)`` embedding of the reference, or a mix of several embeddings. If it is None,
            the model computes the embedding from ``rgb``. An embedding contains feature statistics (Xu et al.
            2020), a vector (Zhao et al. 2021), or a feature and a color for each position of a feature map
            (``colorzoo2026``).
        alpha: Strength of the exemplar in models with embeddings, 0 to 1.
    """

    rgb: Tensor
    embedding: Tensor | None = None
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_map("Exemplar.rgb", self.rgb, 3)

    def embed_by(self, compute: Callable[[Tensor], Tensor]) -> Tensor:
        """Return `embedding`, or ``compute(rgb)`` if it is None."""
        return compute(self.rgb) if self.embedding is None else self.embedding

    @classmethod
    def of_embedding(cls, embedding: Tensor, alpha: float = 1.0) -> Self:
        """Return an exemplar with an embedding ``(B, R, C)`` and one black pixel as its image."""
        return cls(embedding.new_zeros(len(embedding), 3, 1, 1), embedding, alpha)


@dataclass(frozen=True)
class GlobalStatistics(TensorFields):
    """Color statistics of the whole image (Zhang et al. 2017, Global Hints).

    Examples:
        >>> GlobalStatistics(saturation=torch.tensor([[0.3]])).saturation.shape
        torch.Size([1, 1])

    Attributes:
        histogram: ``(B, 313)`` fraction of pixels in each in-gamut bin of ab, or None.
        saturation: ``(B, 1)`` mean HSV saturation in [0, 1], or None.
    """

    histogram: Tensor | None = None
    saturation: Tensor | None = None


@dataclass(frozen=True)
class ClassMap(TensorFields):
    """Class of each pixel, for models that transfer colors within classes (Chen et al. 2023).

    Examples:
        >>> ClassMap(torch.zeros(1, 1, 32, 32, dtype=torch.int64)).target.shape
        torch.Size([1, 1, 32, 32])

    Attributes:
        target: ``(B, 1, H, W)`` int64: classes of the image.
        exemplar: ``(B, 1, H', W')`` int64: classes of the reference, or None.
    """

    target: Tensor
    exemplar: Tensor | None = None

    def __post_init__(self) -> None:
        _check_map("ClassMap.target", self.target, 1)


@dataclass(frozen=True)
class Boxes(TensorFields):
    """Bounding boxes of objects (Su et al. 2020).

    Examples:
        >>> boxes = Boxes.of([torch.tensor([[0.1, 0.1, 0.5, 0.9]]), torch.zeros(0, 4)])
        >>> boxes.corners.shape, boxes.given
        (torch.Size([2, 1, 4]), tensor([[1.],
                [0.]]))

    Attributes:
        corners: ``(B, N, 4)``: left, top, right, bottom as fractions of the image's width and height.
        given: ``(B, N)`` in {0, 1}: 1 for real boxes, 0 for padding.
    """

    corners: Tensor
    given: Tensor

    def __post_init__(self) -> None:
        if self.corners.ndim != 3 or self.corners.shape[2] != 4:
            raise GuidanceError(f"Boxes.corners must have shape (B, N, 4), got {tuple(self.corners.shape)}.")
        if self.given.shape != self.corners.shape[:2]:
            raise GuidanceError(
                f"Boxes.given must have shape {tuple(self.corners.shape[:2])}, got {tuple(self.given.shape)}."
            )

    @classmethod
    def of(cls, corners: Sequence[Tensor]) -> Self:
        """Pad and stack the boxes ``(K, 4)`` of several images; K may differ between images."""
        count = max((len(each) for each in corners), default=0)
        padded = torch.zeros(len(corners), count, 4, device="cpu")
        given = torch.zeros(len(corners), count, device="cpu")
        for row, each in enumerate(corners):
            padded[row, : len(each)], given[row, : len(each)] = each.float().cpu(), 1
        return cls(padded, given)


def _check_map(name: str, value: Tensor, channels: int) -> tuple[int, int, int, int]:
    if value.ndim != 4 or value.shape[1] != channels:
        raise GuidanceError(f"{name} must have shape (B, {channels}, H, W), got {tuple(value.shape)}.")
    batch, _, height, width = value.shape
    return batch, channels, height, width
