"""Losses of exemplar papers (SPColor, Chen et al. 2023, section III-E; Zhang et al. 2019). All unweighted."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.losses.processes import sum_over_processes

_EPSILON = 1e-5


def self_reference_l1(ab: Tensor, target: Tensor, chosen: Tensor) -> Tensor:
    """Return the L1 distance over the pictures whose reference was made from themselves.

    As published, the mean over the batch is divided by the number of such pictures once more: those of all
    processes, so that it does not depend on how they share the pictures.

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        target: ``(B, 2, H, W)`` truth.
        chosen: ``(B,)`` in {0, 1}; if none is chosen the loss is 0.
    """
    chosen = chosen.float()
    weights = chosen / (sum_over_processes(chosen.sum()) + _EPSILON)
    return ((ab - target).abs() * weights[:, None, None, None]).mean()


def unmatched_perceptual(features: Tensor, target: Tensor, similarity: Tensor) -> Tensor:
    """Return the squared distance of features, weighted by how little of the place was matched (SMP, eq. 12).

    Args:
        features: ``(B, C, h, w)`` of the prediction.
        target: ``(B, C, h, w)`` of the truth.
        similarity: ``(B, 1, H, W)``, picked at the nearest places; gives no gradient. Zeros make this the
            plain perceptual loss.
    """
    weight = 1 - F.interpolate(similarity.detach(), size=features.shape[-2:], mode="nearest")
    return (weight * (features - target).square()).mean()


def edge_aware_smoothness(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return how far colors are from the mean of their neighbors of like true color.

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        lab: ``(B, 3, H, W)`` truth, L in [0, 100].
        alpha: Squared Lab distance at which a neighbor counts e times less: 2 in SPColor, 10 in Zhang 2019.
    """
    return (ab - neighbor_mean(ab, lab, alpha=alpha)).square().mean()


def neighbor_mean(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return the means ``(B, 2, H, W)`` of `edge_aware_smoothness`, over 3 x 3 places; outside is zero."""
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
    """Return minus the log of the contextual similarity, a value for each picture (Mechrez et al. 2018).

    Args:
        features: ``(B, C, h, w)`` of the prediction.
        reference: ``(B, C, h', w')`` of the reference.
        bandwidth: Smaller values look for one best match.
        every: Each place of the result looks for its best match in the reference, as published for this loss,
            or each place of the reference for its own in the result.
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

    Its averages are statistics of the batch by definition, whose pictures have no order: those of all
    processes. The published code rolls the true pictures by one, which changes nothing.

    Args:
        better: ``(B, 1)`` scores that should lie one above the mean of the others: of true pictures for the
            discriminator, of painted ones for the generator.
        worse: ``(B, 1)`` scores that should lie one below. Means are over the pictures of all processes.
    """
    better_sum, worse_sum, count = sum_over_processes(
        torch.stack([better.sum(), worse.sum(), better.new_tensor(float(len(better)))])
    )
    above = (better - worse_sum / count - 1).square().mean()
    loss: Tensor = (above + (worse - better_sum / count + 1).square().mean()) / 2
    return loss


def _neighbors(maps: Tensor) -> Tensor:
    """Return ``(B, C, 9, H, W)``: each place's window of 3 x 3."""
    batch, channels, height, width = maps.shape
    return F.unfold(maps, 3, padding=1).view(batch, channels, 9, height, width)
