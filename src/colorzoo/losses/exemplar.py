"""Unweighted losses of exemplar models, such as SPColor (Chen et al. 2023)."""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.nn.functional import all_reduce
from torch.nn import functional as F

from colorzoo.precision import in_float32
from colorzoo.settings import check_choice

Matched = Literal["result", "reference"]

_EPSILON = 1e-5


def sum_over_processes(values: Tensor) -> Tensor:
    """Sum ``values`` over all distributed processes; the sum is differentiable.

    Examples:
        >>> sum_over_processes(torch.tensor([1.0, 2.0]))
        tensor([1., 2.])

    Without a process group, the function returns ``values``. Losses that use this sum do not depend on the
    distribution of a batch over processes. Every process must pass values of the same shape.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return values
    return all_reduce(values)  # type: ignore[no-untyped-call]


@in_float32
def self_reference_l1(ab: Tensor, target: Tensor, chosen: Tensor) -> Tensor:
    """Return the L1 loss over images whose reference was generated from the image itself.

    Examples:
        >>> truth = torch.zeros(2, 2, 4, 4)
        >>> self_reference_l1(truth + 1, truth, chosen=torch.tensor([1.0, 0.0]))
        tensor(0.5000)

    All other images contribute 0 to the mean over the batch. As in the authors' code, this mean is also
    divided by the number of self-referenced images in all processes.

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        target: ``(B, 2, H, W)`` ground truth.
        chosen: ``(B,)``, 1 for self-referenced images, else 0. If all values are 0, the loss is 0.
    """
    chosen = chosen.float()
    weights = chosen / sum_over_processes(chosen.sum()).clamp(min=1)
    return ((ab - target).abs() * weights[:, None, None, None]).mean()


@in_float32
def unmatched_perceptual(features: Tensor, target: Tensor, similarity: Tensor) -> Tensor:
    """Return the squared feature distance, weighted with one minus the matching similarity.

    This is the similarity-masked perceptual loss (SMP) of Chen et al. 2023, eq. 12.

    Examples:
        >>> features, truth = torch.zeros(2, 8, 4, 4), torch.ones(2, 8, 4, 4)
        >>> unmatched_perceptual(features, truth, similarity=torch.full((2, 1, 16, 16), 0.5))
        tensor(0.5000)

    Args:
        features: ``(B, C, h, w)`` features of the prediction.
        target: ``(B, C, h, w)`` features of the ground truth.
        similarity: ``(B, 1, H, W)`` matching similarity, which is detached and resized with nearest neighbor.
            All zeros give the unweighted perceptual loss.
    """
    weight = 1 - F.interpolate(similarity.detach(), size=features.shape[-2:])
    return (weight * (features - target).square()).mean()


@in_float32
def edge_aware_smoothness(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Penalize ab differences between neighboring pixels with similar true colors.

    The loss is the mean squared difference between ``ab`` and its `neighbor_mean`, in which neighbors with
    similar true colors have large weights.

    Examples:
        >>> ab, lab = torch.rand(2, 2, 8, 8), torch.full((2, 3, 8, 8), 50.0)
        >>> edge_aware_smoothness(ab, lab).shape
        torch.Size([])

    Args:
        ab: ``(B, 2, H, W)`` prediction.
        lab: ``(B, 3, H, W)`` ground truth, L in [0, 100].
        alpha: Squared Lab distance at which the weight of a neighbor is 1 / e; 2 in SPColor, 10 in Zhang et
            al. 2019.
    """
    return (ab - neighbor_mean(ab, lab, alpha=alpha)).square().mean()


@in_float32
def neighbor_mean(ab: Tensor, lab: Tensor, *, alpha: float = 2.0) -> Tensor:
    """Return the weighted mean ab ``(B, 2, H, W)`` over the 3 x 3 window of each pixel.

    The weights are a softmax of -d / ``alpha``, where d is the squared Lab distance between the true colors
    of the pixel and its neighbor. Windows at the image border are zero-padded.

    Examples:
        >>> ab, lab = torch.rand(2, 2, 8, 8), torch.full((2, 3, 8, 8), 50.0)
        >>> neighbor_mean(ab, lab).shape
        torch.Size([2, 2, 8, 8])
    """
    near_lab, near_ab = (_neighbors(part) for part in (lab, ab))
    distance = (near_lab - lab[:, :, None]).square().sum(dim=1, keepdim=True)
    return (torch.softmax(-distance / alpha, dim=2) * near_ab).sum(dim=2)


@in_float32
def contextual_loss(
    features: Tensor,
    reference: Tensor,
    *,
    bandwidth: float = 0.1,
    every: Matched = "result",
) -> Tensor:
    """Return the negative log contextual similarity of each image (Mechrez et al. 2018).

    Examples:
        >>> contextual_loss(torch.rand(2, 8, 6, 6), torch.rand(2, 8, 5, 7)).shape
        torch.Size([2])

    Args:
        features: ``(B, C, h, w)`` features of the prediction.
        reference: ``(B, C, h', w')`` features of the reference.
        bandwidth: Bandwidth of the similarity; smaller values favor a single best match.
        every: ``"result"`` matches every position of the prediction with the best position of the reference,
            as published for this loss. ``"reference"`` matches every position of the reference with the best
            position of the prediction.

    Returns:
        ``(B,)`` losses.
    """
    check_choice("every", every, Matched)
    features, reference = features.flatten(2), reference.flatten(2)
    center = reference.mean(dim=2, keepdim=True)
    features = F.normalize(features - center, dim=1)
    reference = F.normalize(reference - center, dim=1)
    # cosine distances between positions of the prediction (rows) and of the reference (columns)
    distance = (1 - features.transpose(1, 2) @ reference).abs()
    relative = distance / (distance.amin(dim=2, keepdim=True) + _EPSILON)
    affinity = torch.softmax((1 - relative) / bandwidth, dim=2)  # contextual similarity
    best = affinity.amax(dim=2) if every == "result" else affinity.amax(dim=1)
    return -best.mean(dim=1).log()


@in_float32
def relativistic_loss(better: Tensor, worse: Tensor) -> Tensor:
    """Return the relativistic average least-squares loss (Jolicoeur-Martineau 2019).

    Examples:
        >>> relativistic_loss(torch.ones(2, 1), torch.zeros(2, 1))
        tensor(0.)

    The loss is 0 if each score in ``better`` exceeds the mean of ``worse`` by 1, and each score in ``worse``
    is 1 below the mean of ``better``. Means are computed over the images of all processes. The published code
    also shifts the real images by one position in the batch, which does not change the loss.

    Args:
        better: ``(B, 1)`` scores of the real images for the discriminator loss, or of the generated images
            for the generator loss.
        worse: ``(B, 1)`` scores of the generated images for the discriminator loss, or of the real images for
            the generator loss.
    """
    local_sums = torch.stack([better.sum(), worse.sum(), better.new_tensor(float(len(better)))])
    better_sum, worse_sum, count = sum_over_processes(local_sums)
    better_loss = (better - worse_sum / count - 1).square().mean()
    worse_loss = (worse - better_sum / count + 1).square().mean()
    return (better_loss + worse_loss) / 2


@in_float32
def triplet_loss(
    query: Tensor, positive: Tensor, negative: Tensor, present: Tensor, *, margin: float
) -> Tensor:
    """Return the triplet loss on attention queries and keys (SCFT, Lee et al. 2020).

    Examples:
        >>> query = torch.ones(2, 16, 4)
        >>> triplet_loss(query, 6 * query, query, torch.ones(2, 16), margin=12.0)
        tensor(2.)

    Similarity is the scaled dot product of the attention. For each query, the loss is the similarity to the
    negative key minus the similarity to the positive key plus ``margin``, clipped at 0.

    Args:
        query: ``(B, N, C)`` queries of image positions.
        positive: ``(B, N, C)`` keys of the corresponding reference positions.
        negative: ``(B, N, C)`` keys of other reference positions.
        present: ``(B, N)``, 0 to exclude positions without a corresponding reference position, else 1.
        margin: Similarity difference above which the loss is 0.
    """
    difference = (query * (negative - positive)).sum(dim=2) / math.sqrt(query.shape[2])
    losses = F.relu(difference + margin) * present
    image_means = losses.sum(dim=1) / present.sum(dim=1).clamp(min=1)
    return image_means.mean()


@in_float32
def gram_matrix(maps: Tensor) -> Tensor:
    """Return Gram matrices of feature maps, divided by ``C * h * w`` (Gatys et al. 2016).

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
    """Return the 3 x 3 window of each pixel, ``(B, C, 9, H, W)``."""
    batch, channels, height, width = maps.shape
    return F.unfold(maps, 3, padding=1).view(batch, channels, 9, height, width)
