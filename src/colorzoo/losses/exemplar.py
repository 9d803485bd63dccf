"""Losses of exemplar papers, unweighted (SPColor, Chen et al. 2023, section III-E; Zhang et al. 2019)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F

_EPSILON = 1e-5


def sum_over_processes(values: Tensor) -> Tensor:
    """Return the sum of ``values`` over all processes, with gradients; without processes ``values`` itself.

    Examples:
        >>> sum_over_processes(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])

    With it a loss does not depend on how processes share the pictures of a batch. Every process must call it,
    with the same shape.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return values
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total


def self_reference_l1(ab: Tensor, target: Tensor, chosen: Tensor) -> Tensor:
    """Return the L1 distance over the pictures whose reference was made from the picture itself.

    Examples:
        >>> truth = torch.zeros(2, 2, 4, 4)
        >>> self_reference_l1(truth + 1, truth, chosen=torch.tensor([1.0, 0.0]))
        tensor(0.5000)

    As published, the mean over the batch is divided once more by the number of such pictures, here in all
    processes.

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        target: ``(B, 2, H, W)`` truth.
        chosen: ``(B,)`` in {0, 1}, 1 for these pictures; without any the loss is 0.
    """
    chosen = chosen.float()
    weights = chosen / sum_over_processes(chosen.sum()).clamp(min=1)
    return ((ab - target).abs() * weights[:, None, None, None]).mean()


def unmatched_perceptual(features: Tensor, target: Tensor, similarity: Tensor) -> Tensor:
    """Return the squared distance of features, weighted by 1 - similarity of the match (SMP, eq. 12).

    Examples:
        >>> features, truth = torch.zeros(2, 8, 4, 4), torch.ones(2, 8, 4, 4)
        >>> unmatched_perceptual(features, truth, similarity=torch.full((2, 1, 16, 16), 0.5))
        tensor(0.5000)

    Args:
        features: ``(B, C, h, w)`` of the prediction.
        target: ``(B, C, h, w)`` of the truth.
        similarity: ``(B, 1, H, W)``, resized to the nearest values; without gradient. Zeros give the plain
            perceptual loss.
    """
    weight = 1 - F.interpolate(similarity.detach(), size=features.shape[-2:])
    return (weight * (features - target).square()).mean()


def edge_aware_smoothness(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return the squared distance of colors from the mean over neighbors of similar true color.

    Examples:
        >>> ab, lab = torch.rand(2, 2, 8, 8), torch.full((2, 3, 8, 8), 50.0)
        >>> edge_aware_smoothness(ab, lab).shape
        torch.Size([])

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        lab: ``(B, 3, H, W)`` truth, L in [0, 100].
        alpha: Squared Lab distance at which the weight of a neighbor falls to 1 / e: 2 in SPColor, 10 in
            Zhang 2019.
    """
    return (ab - neighbor_mean(ab, lab, alpha=alpha)).square().mean()


def neighbor_mean(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return the means ``(B, 2, H, W)`` of `edge_aware_smoothness` over 3 x 3 places, with zero padding.

    Examples:
        >>> ab, lab = torch.rand(2, 2, 8, 8), torch.full((2, 3, 8, 8), 50.0)
        >>> neighbor_mean(ab, lab).shape
        torch.Size([2, 2, 8, 8])
    """
    near_lab, near_ab = (_neighbors(part) for part in (lab, ab))
    distance = (near_lab - lab[:, :, None]).square().sum(dim=1, keepdim=True)
    return (torch.softmax(-distance / alpha, dim=2) * near_ab).sum(dim=2)


def contextual_loss(
    features: Tensor,
    reference: Tensor,
    *,
    bandwidth: float = 0.1,
    every: Literal["result", "reference"] = "result",
) -> Tensor:
    """Return minus the log of the contextual similarity of each picture (Mechrez et al. 2018).

    Examples:
        >>> contextual_loss(torch.rand(2, 8, 6, 6), torch.rand(2, 8, 5, 7)).shape
        torch.Size([2])

    Args:
        features: ``(B, C, h, w)`` of the prediction.
        reference: ``(B, C, h', w')`` of the reference.
        bandwidth: Smaller values favor a single best match.
        every: ``"result"``: every place of the result is matched with its best place of the reference, as
            published for this loss. ``"reference"``: every place of the reference with its best of the
            result.

    Returns:
        ``(B,)``.
    """
    ours, theirs = features.float().flatten(2), reference.float().flatten(2)
    center = theirs.mean(dim=2, keepdim=True)
    ours, theirs = (F.normalize(part - center, dim=1) for part in (ours, theirs))
    distance = (1 - ours.transpose(1, 2) @ theirs).abs()
    relative = distance / (distance.amin(dim=2, keepdim=True) + _EPSILON)
    affinity = torch.softmax((1 - relative) / bandwidth, dim=2)
    return -affinity.amax(dim=2 if every == "result" else 1).mean(dim=1).log()


def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return the relativistic average least-squares loss (Jolicoeur-Martineau 2019).

    Examples:
        >>> relativistic_loss(torch.ones(2, 1), torch.zeros(2, 1))
        tensor(0.)

    Means are over the pictures of all processes. The published code rolls the true pictures by one, which
    makes no difference to a mean.

    Args:
        better: ``(B, 1)`` scores that should be one above the mean of the others: of true pictures for the
            discriminator, of generated ones for the generator.
        worse: ``(B, 1)`` scores that should be one below the mean of the others.
    """
    better_sum, worse_sum, count = sum_over_processes(
        torch.stack([better.sum(), worse.sum(), better.new_tensor(float(len(better)))])
    )
    above = (better - worse_sum / count - 1).square().mean()
    loss: Tensor = (above + (worse - better_sum / count + 1).square().mean()) / 2
    return loss


def triplet_loss(
    query: Tensor, positive: Tensor, negative: Tensor, present: Tensor, *, margin: float
) -> Tensor:
    """Return the similarity-based triplet loss of an attention's vectors (SCFT, Lee et al. 2020).

    Examples:
        >>> query = torch.ones(2, 16, 4)
        >>> triplet_loss(query, 6 * query, query, torch.ones(2, 16), margin=12.0)
        tensor(2.)

    The similarity of two vectors is the attention's, their scaled dot product. A place costs as much as its
    negative is more similar than its positive minus ``margin``.

    Args:
        query: ``(B, N, C)`` of places of the picture.
        positive: ``(B, N, C)``, keys of the places of the reference that belong to them.
        negative: ``(B, N, C)``, keys of other places.
        present: ``(B, N)`` in {0, 1}, 1 for places that have a positive; the others do not count.
        margin: Difference of the similarities above which a place costs nothing.
    """
    difference = (query * (negative - positive)).sum(dim=2) / math.sqrt(query.shape[2])
    losses = F.relu(difference + margin) * present
    return (losses.sum(dim=1) / present.sum(dim=1).clamp(min=1)).mean()


def gram_matrix(maps: Tensor) -> Tensor:
    """Return the products of channels, means over places and channels: the style of maps (Gatys et al. 2016).

    Examples:
        >>> gram_matrix(torch.ones(2, 4, 6, 8))[0, 0, 0]
        tensor(0.2500)

    Args:
        maps: ``(B, C, h, w)``.

    Returns:
        ``(B, C, C)``.
    """
    rows = maps.flatten(2)
    return rows @ rows.mT / rows[0].numel()


def _neighbors(maps: Tensor) -> Tensor:
    """Return the 3 x 3 window of each place, ``(B, C, 9, H, W)``."""
    batch, channels, height, width = maps.shape
    return F.unfold(maps, 3, padding=1).view(batch, channels, 9, height, width)
