"""Stand-in until main's palette is merged."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.color import in_gamut, lab_to_rgb


@dataclass(frozen=True)
class Suggestion:
    """One."""

    ab: tuple[float, float]
    share: float
    rgb: tuple[int, int, int]


@dataclass
class Distribution:
    """Dist."""

    probabilities: Tensor
    centers: Tensor
    stride: int

    def at(self, x: float, y: float) -> Tensor:
        """At."""
        _, h, w = self.probabilities.shape
        return self.probabilities[:, min(int(y / self.stride), h - 1), min(int(x / self.stride), w - 1)]

    def entropy(self) -> Tensor:
        """Entropy."""
        p = self.probabilities.float()
        return -(p * p.clamp(min=1e-12).log2()).sum(0)


def suggest_colors(
    probabilities: Tensor, centers: Tensor, luma: float, *, count: int = 9
) -> list[Suggestion]:
    """Suggest."""
    lab = torch.cat([torch.full((len(centers), 1), luma), centers], dim=1).T[:, :, None]
    p = probabilities.float() * in_gamut(lab)[0, :, 0]
    best = p.topk(count)
    rgb = (lab_to_rgb(lab)[:, :, 0].T * 255).round().int().tolist()
    return [
        Suggestion(tuple(centers[i].tolist()), s, tuple(rgb[i]))
        for s, i in zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ]


def next_point(distribution: Distribution, taken: list[tuple[float, float]]) -> tuple[float, float]:
    """Next."""
    e = distribution.entropy()
    i = int(e.argmax())
    return (i % e.shape[1] + 0.5) * distribution.stride, (i // e.shape[1] + 0.5) * distribution.stride
