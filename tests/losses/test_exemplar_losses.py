"""Losses of exemplar papers, against plain loops."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.losses import (
    contextual_loss,
    neighbor_mean,
    relativistic_loss,
    self_reference_l1,
    unmatched_perceptual,
)


def numbers(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_self_reference_loss_is_divided_by_the_number_of_chosen_pictures_again() -> None:
    ab, target = 20 * numbers(4, 2, 3, 5), 20 * numbers(4, 2, 3, 5, seed=1)
    each = [(ab[row] - target[row]).abs().mean() for row in range(4)]
    for chosen in ([0, 2], [1]):
        flags = torch.zeros(4).index_fill(0, torch.tensor(chosen), 1)
        wanted = sum(each[row] for row in chosen) / len(chosen) / 4
        torch.testing.assert_close(self_reference_l1(ab, target, flags), wanted)
    assert self_reference_l1(ab, target, torch.zeros(4)) == 0


def test_similar_places_weigh_little_and_similarity_has_no_gradient() -> None:
    features = numbers(1, 3, 2, 2).requires_grad_()
    similarity = torch.tensor([[1.0, 0.25], [0.0, -1.0]]).view(1, 1, 2, 2)
    wide = similarity.repeat_interleave(2, 2).repeat_interleave(2, 3).requires_grad_()
    loss = unmatched_perceptual(features, torch.zeros(1, 3, 2, 2), wide)
    expected = [float(features.detach()[0, :, y, x].square().sum()) for y in (0, 1) for x in (0, 1)]
    weighted = sum(weight * part for weight, part in zip((0, 0.75, 1, 2), expected, strict=True))
    assert loss.item() == pytest.approx(weighted / 12, rel=1e-5)
    loss.backward()
    assert wide.grad is None


def slow_neighbor_mean(ab: Tensor, lab: Tensor, alpha: float) -> Tensor:
    ab, lab = F.pad(ab, (1, 1, 1, 1)), F.pad(lab, (1, 1, 1, 1))
    out = torch.zeros_like(ab)
    for y in range(1, ab.shape[2] - 1):
        for x in range(1, ab.shape[3] - 1):
            near = [(y + i, x + j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
            shares = [
                math.exp(-float((lab[0, :, v, u] - lab[0, :, y, x]).square().sum()) / alpha) for v, u in near
            ]
            parts = [share * ab[0, :, v, u] for share, (v, u) in zip(shares, near, strict=True)]
            out[0, :, y, x] = torch.stack(parts).sum(0) / sum(shares)
    return out[..., 1:-1, 1:-1]


@pytest.mark.parametrize("alpha", [2.0, 10.0])
def test_neighbors_are_weighted_by_similar_color(alpha: float) -> None:
    ab, lab = 5 * numbers(1, 2, 4, 5), numbers(1, 3, 4, 5, seed=1)
    torch.testing.assert_close(neighbor_mean(ab, lab, alpha=alpha), slow_neighbor_mean(ab, lab, alpha))


def slow_contextual(x: Tensor, y: Tensor, bandwidth: float, every: str) -> Tensor:
    """Follow Mechrez et al. 2018, eq. 1 to 4, for ``(C, N)`` and ``(C, M)``."""
    x, y = x - y.mean(1, keepdim=True), y - y.mean(1, keepdim=True)
    affinity = torch.zeros(x.shape[1], y.shape[1])
    for i in range(x.shape[1]):
        cosine = [torch.cosine_similarity(x[:, i], y[:, j], dim=0) for j in range(y.shape[1])]
        distance = 1 - torch.stack(cosine)
        relative = torch.exp((1 - distance / (distance.min() + 1e-5)) / bandwidth)
        affinity[i] = relative / relative.sum()
    return -affinity.amax(1 if every == "result" else 0).mean().log()


@pytest.mark.parametrize("every", ["result", "reference"])
def test_contextual_loss_follows_its_paper(every) -> None:
    ours, theirs = numbers(2, 6, 2, 3), numbers(2, 6, 3, 4, seed=1)
    found = contextual_loss(ours, theirs, bandwidth=0.3, every=every)
    pairs = zip(ours.flatten(2), theirs.flatten(2), strict=True)
    expected = [slow_contextual(x, y, 0.3, every) for x, y in pairs]
    torch.testing.assert_close(found, torch.stack(expected), rtol=1e-3, atol=1e-4)


def test_scores_one_above_and_one_below_have_no_loss() -> None:
    better, worse = torch.full((3, 1), 2.0), torch.full((3, 1), 1.0)
    assert relativistic_loss(better, worse) == 0
    assert relativistic_loss(worse, better) == 4
    assert relativistic_loss(better + 1, worse) == relativistic_loss(better, worse - 1) == 1
