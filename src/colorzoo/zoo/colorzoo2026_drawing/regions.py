"""Colors of the regions of a drawing, from the color distribution of the cells.

The cells of a region vote: their log-probabilities are averaged, so a region gets a color that all of its
cells support. The mean of an uncertain distribution would be brown.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.randomness import stream_seed

TEMPERATURE = 0.5
"""Divisor of the averaged log-probabilities; lower values give more colorful regions."""
PALETTE_TEMPERATURE = 0.01
"""Divisor that selects one color of a palette instead of a mean of its colors."""
SAMPLING_TEMPERATURE = 0.4
"""Divisor of the averaged log-probabilities from which the colors of a variant are sampled."""
UNCERTAIN, DULL = 4.65, 19.0
"""A sampled palette is mixed in for a larger mean entropy (nats) and a lower colorfulness (CIE units)."""
SAMPLED_SHARE = 0.5
"""Share of the sampled palette in the colors of such a drawing; the rest are the likely colors."""
_MOST_GAIN = 2.5  # limit of the factor by which averaging reduces chroma
_SAMPLED = 24  # number of regions whose colors are sampled; the other regions follow
_COPY_POWER = 4  # exponent of the similarity, which is too high between all regions of unusual drawings
_CANDIDATES = 64  # number of samples among which `best_sample` selects
_SPREAD_BONUS, _MOST_SPREAD = 3.0, 0.7  # nats per unit of scaled Lab, and spread without further bonus
_DISTINCT = 0.35  # distance in scaled Lab of suggested colors
_NEGLIGIBLE = 1e-3  # probability below which no color is suggested
_PALETTE_WIDTH = 0.2  # standard deviation in scaled Lab of the classes that count for a palette color


def pool_log_probabilities(log_probabilities: Tensor, votes: Tensor) -> Tensor:
    """Average the log-probabilities ``(256, h, w)`` of the cells of each region; return ``(n, 256)``.

    Args:
        log_probabilities: Distribution of each cell.
        votes: ``(n, h * w)``, weight of each cell in each region.
    """
    return votes @ log_probabilities.flatten(1).mT / votes.sum(1, keepdim=True)


def pool_embeddings(embedding: Tensor, votes: Tensor) -> Tensor:
    """Return the mean embedding of each region ``(n, D)``, with unit length."""
    return F.normalize(votes @ embedding.flatten(1).mT, dim=1)


def likely_color(pooled: Tensor, centers: Tensor, temperature: float) -> Tensor:
    """Return the mean color ``(n, 3)`` of the distributions ``(n, 256)`` at a low temperature.

    Args:
        pooled: Averaged log-probabilities.
        centers: ``(256, 3)``, color of each class.
        temperature: Divisor of the log-probabilities.
    """
    return (pooled / temperature).softmax(1) @ centers


def vivid_color(pooled: Tensor, centers: Tensor, temperature: float) -> Tensor:
    """Return `likely_color` with a chroma that is closer to the chroma of the averaged colors.

    The mean of different hues has less chroma than each hue. The chroma of the mean is multiplied by the
    square root of the ratio of the mean chroma to the chroma of the mean.
    """
    weights = (pooled / temperature).softmax(1)
    mean = weights @ centers
    chroma = mean[:, 1:].norm(dim=1, keepdim=True).clamp(min=1e-3)
    ratio = (weights @ centers[:, 1:].norm(dim=1, keepdim=True)) / chroma
    return torch.cat([mean[:, :1], mean[:, 1:] * ratio.clamp(1, _MOST_GAIN).sqrt()], dim=1)


def limit_to_palette(pooled: Tensor, centers: Tensor, palette: Tensor) -> Tensor:
    """Return the averaged log-probabilities ``(n, P)`` of the colors of a palette.

    The probability of a palette color is the mean probability of the classes near this color.

    Args:
        pooled: ``(n, 256)``, averaged log-probabilities.
        centers: ``(256, 3)``, color of each class.
        palette: ``(P, 3)``, in the unit of ``centers``.
    """
    kernel = -torch.cdist(palette, centers).square() / (2 * _PALETTE_WIDTH**2)
    near = (pooled[:, None] + kernel).logsumexp(2)
    return near - kernel.logsumexp(1)


def sample_colors(pooled: Tensor, colors: Tensor, similarity: Tensor, order: list[int], seed: int) -> Tensor:
    """Sample the colors of the first regions of an order, one after another; return ``(n, 3)``.

    A sampled color is copied to similar regions, so the regions of one object get one color. The noise of a
    region depends only on the seed and the number of the region, so a changed hint changes few colors.

    Args:
        pooled: ``(n, K)``, averaged log-probabilities of K colors.
        colors: ``(K, 3)``.
        similarity: ``(n, n)``, probability that two regions have one color.
        order: Regions in the order of sampling; see `rank_by_explained_variance`.
        seed: Seed of the random numbers.
    """
    generator = torch.Generator().manual_seed(stream_seed("region colors", seed))
    noise = -torch.rand(pooled.shape, generator=generator).clamp(1e-9, 1 - 1e-7).log().neg().log()
    first = order[:_SAMPLED]
    copied = similarity**_COPY_POWER
    probabilities = (pooled / SAMPLING_TEMPERATURE).softmax(1)
    chosen: list[int] = []
    own = probabilities[first]
    for place, region in enumerate(first):
        index = int((own[place].clamp(min=1e-9).log() + noise[region].to(own)).argmax())
        share = copied[region, first][:, None]
        own = own * (1 - share)
        own[:, index] += share[:, 0]
        chosen.append(index)
    kept = torch.cumprod(1 - copied[first].flip(0), 0)  # share that the later regions leave
    weights = copied[first] * torch.cat([torch.ones_like(kept[:1]), kept[:-1]]).flip(0)
    mixed = probabilities * kept[-1][:, None]
    mixed.index_add_(1, torch.tensor(chosen, device=mixed.device), weights.mT)
    found = likely_color(mixed.clamp(min=1e-9).log(), colors, TEMPERATURE)
    found[first] = colors[chosen]
    return found


def best_sample(
    pooled: Tensor, colors: Tensor, similarity: Tensor, order: list[int], weights: Tensor
) -> Tensor:
    """Return the likeliest of several samples of `sample_colors`, with a bonus for different colors.

    Args:
        pooled: ``(n, K)``, averaged log-probabilities of K colors.
        colors: ``(K, 3)``, scaled Lab.
        similarity: ``(n, n)``, probability that two regions have one color.
        order: Regions in the order of sampling.
        weights: ``(n,)``, weight of each region, with the sum 1.
    """
    scores = pooled.log_softmax(1)

    def score(sample: Tensor) -> float:
        nearest = torch.cdist(sample, colors).argmin(1)
        likelihood = (weights * scores.gather(1, nearest[:, None])[:, 0]).sum()
        deviation = sample - weights @ sample
        spread = (weights * deviation.square().sum(1)).sum().sqrt()
        return float(likelihood + _SPREAD_BONUS * spread.clamp(max=_MOST_SPREAD))

    samples = [sample_colors(pooled, colors, similarity, order, seed) for seed in range(1, _CANDIDATES + 1)]
    return max(samples, key=score)


def mean_entropy(pooled: Tensor, weights: Tensor) -> float:
    """Return the weighted mean entropy of the color distributions ``(n, 256)`` in nats.

    Args:
        pooled: Averaged log-probabilities.
        weights: ``(n,)``, weight of each region, with the sum 1.
    """
    logs = pooled.log_softmax(1)
    return float((weights * -(logs.exp() * logs).sum(1)).sum())


def region_colorfulness(lab: Tensor, weights: Tensor) -> float:
    """Return the spread of ab plus 0.3 times the chroma of the mean, in CIE units.

    The formula is the formula of Hasler and Suesstrunk 2003 with ab instead of opponent colors.

    Args:
        lab: ``(n, 3)``, color of each region.
        weights: ``(n,)``, weight of each region, with the sum 1.
    """
    ab = lab[:, 1:]
    mean = weights @ ab
    return float((weights @ (ab - mean).square().sum(1)).sqrt() + 0.3 * mean.norm())


def distinct_colors(pooled: Tensor, colors: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the likely colors ``(k, 3)`` of one region and their shares ``(k,)``, the most likely first.

    Classes near a more likely color count for this color.

    Args:
        pooled: ``(256,)``, averaged log-probabilities of the region.
        colors: ``(256, 3)``, color of each class.
        count: Maximum number of colors.
    """
    probabilities = (pooled / SAMPLING_TEMPERATURE).softmax(0)
    near = torch.cdist(colors, colors) < _DISTINCT
    found: list[Tensor] = []
    shares: list[Tensor] = []
    left = probabilities.clone()
    while len(found) < count and left.max() > _NEGLIGIBLE:
        best = int(left.argmax())
        members = left * near[best]
        found.append((members / members.sum()) @ colors)
        shares.append(members.sum())
        left = left * ~near[best]
    return torch.stack(found), torch.stack(shares)


def rank_by_explained_variance(
    pooled: Tensor, centers: Tensor, similarity: Tensor, areas: Tensor, temperature: float
) -> list[int]:
    """Order regions greedily by the color error that a known color would remove.

    A known color of region i removes the share ``similarity[i, j]`` of the error of region j. The error of a
    region is its area times the expected squared distance to the predicted color (Cho et al. 2023 order
    regions by usefulness, too).

    Args:
        pooled: ``(n, 256)``, averaged log-probabilities.
        centers: ``(256, 3)``, color of each class.
        similarity: ``(n, n)`` in [0, 1].
        areas: ``(n,)``, area of each region.
        temperature: Temperature of the predicted color.
    """
    shown = likely_color(pooled, centers, temperature)
    error = areas * (pooled.softmax(1) * torch.cdist(shown, centers).square()).sum(1)
    order: list[int] = []
    remaining = torch.ones_like(error, dtype=torch.bool)
    for _ in range(len(error)):
        gain = (similarity @ error).masked_fill(~remaining, -1)
        best = int(gain.argmax())
        order.append(best)
        remaining[best] = False
        error = error * (1 - similarity[best])
    return order
