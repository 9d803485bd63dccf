"""Seeded random model inputs: images, lightness, sketches and every kind of guidance."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import GuidanceKind, InputKind
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import (
    Boxes,
    ClassMap,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Regions,
    Scribbles,
)

Size = tuple[int, int]
_REGIONS = 6
_HISTOGRAM_BINS = 313


def sample_image(size: Size, *, batch: int = 1, seed: int = 0) -> Tensor:
    """Return random images of colored blobs, ``(batch, 3, *size)`` RGB in [0, 1].

    Examples:
        >>> sample_image((32, 48)).shape
        torch.Size([1, 3, 32, 48])
    """
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(batch, 3, 4, 4, generator=generator)
    blobs = F.interpolate(coarse, size=size, mode="bicubic", align_corners=False)
    return (blobs + 0.05 * torch.randn(blobs.shape, generator=generator)).clamp(0, 1)


def sample_input(kind: InputKind, size: Size, *, batch: int = 1, seed: int = 0) -> Tensor:
    """Return random model input ``(batch, 1, *size)`` for the input kind of a model.

    The input is lightness in [0, 100] for the kind ``"gray"``, or a sketch in [0, 1] for ``"sketch"``.

    Examples:
        >>> sample_input("gray", (32, 48)).shape
        torch.Size([1, 1, 32, 48])
    """
    rgb = sample_image(size, batch=batch, seed=seed)
    if kind == "gray":
        return rgb_to_lab(rgb)[:, :1]
    return (rgb.mean(dim=1, keepdim=True) > 0.4).float()


def sample_guidance(kinds: Iterable[GuidanceKind], size: Size, *, batch: int = 1, seed: int = 0) -> Guidance:
    """Return random guidance of the specified kinds for ``batch`` images of equal size.

    Examples:
        >>> sample_guidance(["points"], (32, 48)).kinds()
        ('points',)
    """
    samples: dict[str, Any] = {kind: _SAMPLES[kind](size, batch, seed) for kind in kinds}
    return Guidance(**samples)


def _mask(size: Size, batch: int, seed: int, share: float) -> Tensor:
    """Return a ``(batch, 1, *size)`` mask in {0, 1} with at least one pixel."""
    generator = torch.Generator().manual_seed(seed + 1)
    mask = (torch.rand(batch, 1, *size, generator=generator) < share).float()
    mask[..., size[0] // 2, size[1] // 2] = 1.0
    return mask


def _points(size: Size, batch: int, seed: int) -> Points:
    mask = _mask(size, batch, seed, share=0.02)
    generator = torch.Generator().manual_seed(seed + 2)
    ab = 120 * torch.rand(batch, 2, *size, generator=generator) - 60
    return Points(ab * mask, mask)


def _scribbles(size: Size, batch: int, seed: int) -> Scribbles:
    return Scribbles(_mask(size, batch, seed, share=0.1))


def _regions(size: Size, batch: int, seed: int) -> Regions:
    generator = torch.Generator().manual_seed(seed + 3)
    columns = torch.arange(size[1]) * _REGIONS // size[1]
    index = columns.expand(batch, 1, *size).clone()
    rgb = torch.rand(batch, _REGIONS, 3, generator=generator)
    return Regions(index, rgb, torch.ones(batch, _REGIONS))


def _exemplar(size: Size, batch: int, seed: int) -> Exemplar:
    other = (size[0] + 8, max(8, size[1] - 4))  # not the image size, because references may have any size
    return Exemplar(sample_image(other, batch=batch, seed=seed + 4))


def _statistics(_: Size, batch: int, seed: int) -> GlobalStatistics:
    generator = torch.Generator().manual_seed(seed + 5)
    histogram = torch.rand(batch, _HISTOGRAM_BINS, generator=generator) ** 8
    saturation = torch.rand(batch, 1, generator=generator)
    return GlobalStatistics(histogram / histogram.sum(dim=1, keepdim=True), saturation)


def _classes(size: Size, batch: int, seed: int) -> ClassMap:
    exemplar = _exemplar(size, batch, seed).rgb
    target = (torch.arange(size[1]) * 3 // size[1]).expand(batch, 1, *size).clone()
    reference = (torch.arange(exemplar.shape[-1]) * 3 // exemplar.shape[-1]).expand_as(exemplar[:, :1])
    return ClassMap(target, reference.clone())


def _boxes(_: Size, batch: int, seed: int) -> Boxes:
    generator = torch.Generator().manual_seed(seed + 6)
    start = 0.5 * torch.rand(batch, 2, 2, generator=generator)
    end = start + 0.2 + 0.3 * torch.rand(batch, 2, 2, generator=generator)
    return Boxes(torch.cat([start, end], dim=2), torch.ones(batch, 2))


def _label(_: Size, batch: int, seed: int) -> Tensor:
    """Return class numbers ``(B,)`` that alternate between 0 and 1; a model has at least two classes."""
    return (torch.arange(batch) + seed + 1) % 2


_SAMPLES: dict[GuidanceKind, Callable[[Size, int, int], object]] = {
    "points": _points,
    "scribbles": _scribbles,
    "regions": _regions,
    "exemplar": _exemplar,
    "statistics": _statistics,
    "classes": _classes,
    "boxes": _boxes,
    "label": _label,
}
