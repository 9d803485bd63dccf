"""Losses on predicted ab values and on predicted distributions over ab bins."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color.bins import bilinear_bins, grid_index, soft_neighbors
from colorzoo.precision import in_float32

_CHROMA_UNIT = 20.0  # approximate mean chroma of natural images in CIE units


@in_float32
def smooth_l1_map(ab: Tensor, target: Tensor, *, delta: float = 1.0) -> Tensor:
    """Compute the smooth L1 loss of each pixel, summed over a and b (Zhang et al. 2017).

    Examples:
        >>> truth = torch.zeros(2, 2, 4, 4)
        >>> smooth_l1_map(truth + 3, truth).shape
        torch.Size([2, 1, 4, 4])
        >>> float(smooth_l1_map(truth + 3, truth).mean())
        5.0

    Args:
        ab: ``(B, 2, H, W)`` prediction in CIE units.
        target: ``(B, 2, H, W)`` ground truth in CIE units.
        delta: Error in CIE units at which the loss changes from quadratic to linear with slope 1. The paper
            uses 1 (eq. 3-4); 0 gives the L1 loss.

    Returns:
        ``(B, 1, H, W)`` losses.
    """
    return F.smooth_l1_loss(ab, target, reduction="none", beta=delta).sum(dim=1, keepdim=True)


@in_float32
def weighted_by_chroma(errors: Tensor, ab: Tensor, colorfulness: float) -> Tensor:
    """Weight errors by the chroma of the true color to counteract desaturated predictions.

    Examples:
        >>> errors, truth = torch.ones(1, 1, 1, 2), torch.tensor([[[[0.0, 60.0]], [[0.0, 0.0]]]])
        >>> weighted_by_chroma(errors, truth, colorfulness=1.0)
        tensor([[[[0.4000, 1.6000]]]])

    The weight of a pixel is 1 + ``colorfulness`` * chroma / 20, divided by the mean weight of the image. This
    weighting is not from a paper.

    Args:
        errors: ``(B, 1, H, W)`` error of each pixel.
        ab: ``(B, 2, H, W)`` true colors in CIE units.
        colorfulness: Increase of the weight at a chroma of 20 CIE units; 0 gives equal weights.

    Returns:
        ``(B, 1, H, W)`` weighted errors.
    """
    chroma = torch.linalg.vector_norm(ab, dim=1, keepdim=True)
    weight = 1 + colorfulness * chroma / _CHROMA_UNIT
    return errors * weight / weight.mean(dim=(1, 2, 3), keepdim=True)


@in_float32
def with_weighted_gradient(losses: Tensor, weights: Tensor) -> Tensor:
    """Multiply the gradients of losses by weights without changing the losses.

    Examples:
        >>> losses = torch.ones(3, requires_grad=True)
        >>> with_weighted_gradient(losses, torch.tensor([0.0, 1.0, 2.0])).sum().backward()
        >>> losses.grad
        tensor([0., 1., 2.])

    The Caffe code of Zhang et al. 2016 rebalances classes with this method.

    Args:
        losses: Tensor of any shape.
        weights: Tensor with the shape of ``losses``, without gradients.
    """
    return losses.detach() + weights * (losses - losses.detach())


@in_float32
def grid_cross_entropy(logits: Tensor, ab: Tensor, *, stride: int) -> Tensor:
    """Return the mean cross-entropy of a distribution over the 529 bins of the ab grid.

    Examples:
        >>> grid_cross_entropy(torch.zeros(2, 529, 4, 4), torch.zeros(2, 2, 16, 16), stride=4)
        tensor(6.2710)

    Each position of the logits covers ``stride`` x ``stride`` pixels. Its target is the bin of the true color
    at the top-left pixel, as in the training code of Zhang et al. 2017.

    Args:
        logits: ``(B, 529, h, w)``.
        ab: ``(B, 2, H, W)`` ground truth in CIE units; H and W are about ``stride`` times h and w.
        stride: Number of pixels per position in each direction.
    """
    return F.cross_entropy(logits, grid_index(ab[:, :, ::stride, ::stride]))


@in_float32
def bilinear_cross_entropy(logits: Tensor, ab: Tensor) -> Tensor:
    """Return the mean cross-entropy of a distribution over 313 bins, with bilinear targets.

    Examples:
        >>> bilinear_cross_entropy(torch.zeros(2, 313, 4, 4), torch.zeros(2, 2, 4, 4))
        tensor(5.7462)

    The target of a pixel has nonzero probabilities for the four bins around the true color. The mean of the
    bin centers, weighted with these probabilities, is the true color. A bin outside the 313 bins is replaced
    with the nearest of the 313 bins.

    Args:
        logits: ``(B, 313, h, w)``.
        ab: ``(B, 2, h, w)`` ground truth in CIE units.
    """
    index, share = bilinear_bins(ab)
    log_share = F.log_softmax(logits, dim=1)
    return -(log_share.gather(1, index) * share).sum(1).mean()


@in_float32
def rebalanced_cross_entropy(
    logits: Tensor, ab: Tensor, class_weights: Tensor, *, neighbors: int = 10, gray_below: float = 5.0
) -> Tensor:
    """Return the class-rebalanced cross-entropy of each pixel (Zhang et al. 2016, eq. 2-3).

    Examples:
        >>> logits, truth = torch.zeros(2, 313, 4, 4), torch.full((2, 2, 4, 4), 20.0)
        >>> rebalanced_cross_entropy(logits, truth, class_weights=torch.ones(313)).shape
        torch.Size([2, 4, 4])

    The weight of a pixel is the class weight of the bin nearest to its true color. Gray images have weight 0,
    as in the authors' training code.

    Args:
        logits: ``(B, 313, h, w)``.
        ab: ``(B, 2, h, w)`` ground truth in CIE units.
        class_weights: ``(313,)`` weights of the bins; see `colorzoo.color.rebalancing_weights` (eq. 4).
        neighbors: Number of bins in the soft encoding; see `colorzoo.color.soft_encode`.
        gray_below: Maximum ``|a|`` and ``|b|`` of a gray image in CIE units.

    Returns:
        ``(B, h, w)`` float32.
    """
    batch, _, height, width = ab.shape
    bins, probabilities = soft_neighbors(ab.permute(0, 2, 3, 1).reshape(-1, 2), neighbors=neighbors)
    bins = bins.view(batch, height, width, -1).permute(0, 3, 1, 2)  # nearest bin first
    probabilities = probabilities.view(batch, height, width, -1).permute(0, 3, 1, 2)
    log_predicted = F.log_softmax(logits, dim=1).gather(1, bins)
    cross_entropy = -(probabilities * log_predicted).sum(dim=1)
    weight = class_weights.to(probabilities)[bins[:, 0]]
    is_colorful = (ab.abs() > gray_below).flatten(1).any(dim=1).view(batch, 1, 1)
    return cross_entropy * weight * is_colorful
