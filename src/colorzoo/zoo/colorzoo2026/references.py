"""Conditioning on reference images by matching blocks of cells.

A block has 2 x 2 cells, and a cell has 4 x 4 pixels. Blocks of the image are matched with blocks of the
reference by their features, which the network computes from the lightness of both images.

The matched colors are treated as noisy observations. Their variance is a multiple of the variance that the
model predicts for its color error without references. The factor was fitted on pairs of training images and
is small for good matches between related images. Colors of several
references are averaged in each block, weighted by the user's weights and the match quality.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

BLOCK = 2
"""Side of a matched block in cells."""
STRENGTH = 3.5
"""Log factor on the weight of references; 0 would maximize PSNR over pairs of all kinds."""
_TEMPERATURE = 0.02
_EPSILON = 1e-3  # added to variances before the logarithm
_EXCLUDED = -4.0  # similarity of blocks of different classes: softmax weight e^-150

# Fitted by L-BFGS to the mean log squared error of ab over 600 pairs of training images: halves of an image,
# neighbors in an album, images of one category, and unrelated images. The fit was validated on 300 pairs.
_CENTERS = (0.85, 0.85, 0.85, -4.9, -3.0)  # means of the predictors in `_trust`
_FACTORS = (2.17, 23.20, 16.58, -0.42, 0.53)
_BIAS = -1.85


class Blocks(NamedTuple):
    """Features and colors of R blocks of cells in reference images.

    Attributes:
        directions: ``(B, R, C)``, features of each block minus their mean over the reference, normalized to
            length 1.
        colors: ``(B, R, 2)``, mean color of each block. All colors in this module must have the same unit.
        centers: ``(B, R, 2)``, x and y of each block center as fractions of the reference size.
        weight: ``(B, R, 1)``, weight of the reference that contains the block, divided by the largest weight
            of all references.
        number: ``(B, R, 1)``, index of the reference that contains the block.
    """

    directions: Tensor
    colors: Tensor
    centers: Tensor
    weight: Tensor
    number: Tensor

    @classmethod
    def of(cls, embedding: Tensor) -> Blocks:
        """Split the output of `reference_embedding` or `mix_references` into its fields."""
        return cls(*torch.split(embedding, [embedding.shape[2] - 6, 2, 2, 1, 1], dim=2))

    def by_reference(self) -> list[Blocks]:
        """Return the blocks of each reference separately."""
        number = self.number[0, :, 0]
        return [Blocks(*(part[:, number == each] for part in self)) for each in torch.unique(number)]


def reference_embedding(features: Tensor, colors: Tensor) -> Tensor:
    """Encode a batch of references as a tensor ``(B, R, C + 6)`` with R blocks each.

    The last dimension concatenates the fields of `Blocks`.

    Args:
        features: ``(B, h, w, C)``, decoder features of the references; h and w are multiples of `BLOCK`.
        colors: ``(B, h, w, 2)``, true color of each reference cell, in the unit of `Blocks.colors`.
    """
    blocks = _blocks(features)
    directions = _directions(blocks)
    number = torch.zeros_like(directions[..., :1])
    parts = Blocks(
        directions, _blocks(colors).flatten(1, 2), _centers(blocks), torch.ones_like(number), number
    )
    return torch.cat(parts, dim=2)


def mix_references(embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """Concatenate the embeddings of several references; drop references with weight 0.

    Args:
        embeddings: Outputs of `reference_embedding` or of this function.
        weights: Nonnegative weight of each embedding; only the ratios of weights matter.
    """
    mixed: list[Tensor] = []
    count = 0.0
    for embedding, weight in zip(embeddings, weights, strict=True):
        if weight > 0:
            blocks = Blocks.of(embedding)
            weighted = blocks.weight * (weight / max(weights))
            mixed.append(torch.cat(blocks._replace(weight=weighted, number=blocks.number + count), dim=2))
            count += float(blocks.number.max()) + 1
    return torch.cat(mixed, dim=1)


def observe_references(
    features: Tensor,
    mean: Tensor,
    variance: Tensor,
    references: Sequence[Blocks],
    alpha: float,
    labels: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Condition the predicted colors on the colors of the most similar reference blocks.

    Args:
        features: ``(B, h, w, C)``, decoder features of each cell; h and w are multiples of `BLOCK`.
        mean: ``(B, h, w, 2)``, color of each cell predicted without a reference, in the unit of
            `Blocks.colors`.
        variance: ``(B, h, w, 1)``, predicted variance of the difference between true color and ``mean``.
        references: Blocks of each reference.
        alpha: Strength of the reference colors in [0, 1]; 0 does not change the predicted colors.
        labels: Class maps ``(B, 1, H, W)`` of the images and ``(B, 1, H', W')`` of the single reference. Only
            blocks of equal class are matched. Image blocks of a class that is missing from the reference keep
            their predicted colors. None matches blocks regardless of their class.

    Returns:
        Color difference ``(B, h, w, 2)`` to add to the mean color of each cell. Inverse variance
        ``(B, h, w, 1)`` of the matched colors; 0 without a match. For each block of 2 x 2 cells, x and y
        ``(B, 2, h / 2, w / 2)`` of the most similar block of the reference as fractions of the reference
        size: NaN where the color predicted without a reference has more weight than the matched color, and
        None for several references.
    """
    blocks, block_mean, block_variance = _blocks(features), _blocks(mean), _blocks(variance)
    block_grid = (blocks.shape[1], blocks.shape[2])
    matches = [_match(blocks, block_variance, reference, labels) for reference in references]

    # average the matched colors of several references; the weight of a reference is the user's weight times
    # the odds of its trust, so that a reference without matches has no weight
    trust = torch.stack([each for _, each, _ in matches])
    odds = trust / (1 - trust).clamp(min=_EPSILON)
    weights = odds * torch.stack([each.weight[:, :1, 0] for each in references])
    weights = weights / weights.sum(0).clamp(min=_EPSILON)
    matched_colors = (weights[..., None] * torch.stack([each for each, _, _ in matches])).sum(0)
    odds = (weights * odds).sum(0)[..., None]

    gain = alpha * odds / (1 + odds)  # weight of the matched colors, (B, N, 1) for N blocks
    change = gain * (matched_colors - block_mean.flatten(1, 2))
    # solves gain = precision * variance / (1 + precision * variance), the gain of a Bayesian update; the
    # lower limit e^-6 keeps the precision finite
    precision = gain / ((1 - gain).clamp(min=math.exp(-6)) * block_variance.flatten(1, 2))

    # interpolate from blocks to cells
    block_maps = torch.cat([change, precision], dim=-1).mT.reshape(change.shape[0], 3, *block_grid)
    cell_grid = (mean.shape[1], mean.shape[2])
    cell_maps = F.interpolate(block_maps, cell_grid, mode="bilinear").permute(0, 2, 3, 1)

    match_map = None
    if len(matches) == 1:
        _, trust, source = matches[0]
        source = torch.where(trust[..., None] >= 0.5, source, torch.nan)
        match_map = source.mT.reshape(source.shape[0], 2, *block_grid)
    return cell_maps[..., :2], cell_maps[..., 2:], match_map


def _match(
    blocks: Tensor, variance: Tensor, reference: Blocks, labels: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Match image blocks with the blocks of one reference; see `observe_references`.

    Args:
        blocks: ``(B, h, w, C)``, features of the image blocks.
        variance: ``(B, h, w, 1)``, variance of the error of the colors predicted without a reference.
        reference: Blocks of the reference.
        labels: Class maps of the images and the reference, or None.

    Returns:
        Matched colors ``(B, N, 2)``, their weight ``(B, N)`` in [0, 1] in the prediction, and the center
        ``(B, N, 2)`` of the most similar block of the reference.
    """
    similarity = _directions(blocks) @ reference.directions.mT
    comparable = torch.ones_like(similarity, dtype=torch.bool)
    if labels is not None:
        image_labels = _labels_at(labels[0], _centers(blocks))
        reference_labels = _labels_at(labels[1], reference.centers)
        comparable = image_labels[:, :, None] == reference_labels[:, None, :]
        similarity = torch.where(comparable, similarity, _EXCLUDED)
    weights = (similarity / _TEMPERATURE).softmax(-1)
    colors = weights @ reference.colors
    spread = (weights @ reference.colors.square() - colors.square()).clamp(min=0).sum(-1)
    trust = _trust(similarity, comparable, spread, variance.flatten(1))
    source = similarity.argmax(2, keepdim=True).expand(-1, -1, 2)
    return colors, trust, reference.centers.gather(1, source)


def _trust(similarity: Tensor, comparable: Tensor, spread: Tensor, variance: Tensor) -> Tensor:
    """Compute the weight ``(B, N)`` in [0, 1] of the matched colors by logistic regression.

    The weight of a block without a comparable reference block is 0.

    Args:
        similarity: ``(B, N, R)``, similarity of each image block to each reference block.
        comparable: ``(B, N, R)`` bool, False for two blocks of different classes.
        spread: ``(B, N)``, variance of the reference colors that were averaged to a matched color.
        variance: ``(B, N)``, variance of the error of the colors predicted without a reference.
    """
    best_of_image = similarity.amax(2)  # best similarity of each image block, (B, N)
    best_of_reference = similarity.amax(1)  # best similarity of each reference block, (B, R)
    has_match = comparable.any(2)
    image_mean = _mean(best_of_image, has_match)  # (B, 1)
    reference_mean = _mean(best_of_reference, comparable.any(1))  # (B, 1)
    # how well the block, the whole image and the whole reference match, and how certain the colors are
    predictors = torch.stack(
        [
            best_of_image,
            image_mean.expand_as(best_of_image),
            reference_mean.expand_as(best_of_image),
            (spread + _EPSILON).log(),
            (variance + _EPSILON).log(),
        ],
        dim=-1,
    )
    centered = predictors - predictors.new_tensor(_CENTERS)
    logit = centered @ predictors.new_tensor(_FACTORS) + _BIAS + STRENGTH
    return torch.where(has_match, logit.sigmoid(), 0.0)


def _blocks(maps: Tensor) -> Tensor:
    """Average maps ``(B, h, w, C)`` over blocks of 2 x 2 cells."""
    return F.avg_pool2d(maps.permute(0, 3, 1, 2), BLOCK).permute(0, 2, 3, 1)


def _directions(features: Tensor) -> Tensor:
    """Center features over the image, normalize them to length 1, and return ``(B, N, C)``."""
    flat = features.flatten(1, 2)
    return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=-1)


def _centers(blocks: Tensor) -> Tensor:
    """Return relative x and y ``(B, N, 2)`` of the block centers of ``(B, h, w, C)``."""
    height, width = blocks.shape[1:3]
    y, x = ((torch.arange(side, device=blocks.device) + 0.5) / side for side in (height, width))
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return grid.flatten(0, 1).to(blocks).expand(blocks.shape[0], -1, -1)


def _labels_at(labels: Tensor, centers: Tensor) -> Tensor:
    """Return labels ``(B, N)`` of a map ``(B, 1, H, W)`` at relative centers ``(B, N, 2)``."""
    height, width = labels.shape[2:]
    x, y = (centers[..., 0] * width).long(), (centers[..., 1] * height).long()
    return labels.flatten(1).gather(1, y * width + x)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean ``(B, 1)`` of the values ``(B, N)`` at which ``known`` is True."""
    return (values * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)
