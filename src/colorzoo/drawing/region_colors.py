"""Colors of the regions of a drawing, from the color distribution of the cells.

The cells of a region vote: their log-probabilities are averaged, so a region gets a color that all of its
cells support. The mean of an uncertain distribution would be brown.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.cluster.hierarchy import fcluster, linkage
from torch import Tensor
from torch.nn import functional as F

from colorzoo.precision import distances
from colorzoo.randomness import stream_seed

TEMPERATURE = 0.6
"""Divisor of the averaged log-probabilities; lower values give more colorful regions."""
DISTINCT_TEMPERATURE = 0.4
"""Divisor of the averaged log-probabilities for the probabilities of distinct colors."""
DULL = 16.0
"""Objects of a drawing with a lower colorfulness (CIE units) get contrasting colors."""
DISTINCT = 0.35
"""Distance in scaled Lab of colors that count as different."""
_PAPER_LIGHTNESS, _PAPER_CHROMA = 90.0, 6.0  # CIE units
_MOST_GAIN = 2.5  # limit of the factor by which averaging reduces chroma
_SAME_OBJECT = 0.5  # mean probability of one color above which regions form one object
_MOST_COMPARED = 1024  # limits the memory and time of drawings with thousands of regions
_MOST_OBJECTS, _CANDIDATES = 24, 8  # number of objects with contrasting colors, and of likely colors of each
_CONTRAST = 20.0  # penalty in nats for equal colors of two objects with the product of weights 1
_SWEEPS = 8  # more sweeps rarely change a color
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


def is_paper(lab: Tensor) -> Tensor:
    """Return whether predicted colors ``(n, 3)`` in Lab are so light and gray that they mean blank paper.

    Examples:
        >>> is_paper(torch.tensor([[97.0, 2.0, 4.0], [97.0, 2.0, 14.0]])).tolist()
        [True, False]
    """
    return (lab[:, 0] > _PAPER_LIGHTNESS) & (lab[:, 1:].norm(dim=1) < _PAPER_CHROMA)


def limit_to_palette(pooled: Tensor, centers: Tensor, palette: Tensor) -> Tensor:
    """Return the averaged log-probabilities ``(n, P)`` of the colors of a palette.

    The probability of a palette color is the mean probability of the classes near this color.

    Args:
        pooled: ``(n, 256)``, averaged log-probabilities.
        centers: ``(256, 3)``, color of each class.
        palette: ``(P, 3)``, in the unit of ``centers``.
    """
    kernel = -distances(palette, centers).square() / (2 * _PALETTE_WIDTH**2)
    near = (pooled[:, None] + kernel).logsumexp(2)
    return near - kernel.logsumexp(1)


def contrasting_colors(
    pooled: Tensor,
    colors: Tensor,
    similarity: Tensor,
    weights: Tensor,
    heaviest: Tensor,
    distance: float = DISTINCT,
    seed: int = 0,
) -> tuple[Tensor, Tensor]:
    """Give each object one of its likely colors, so that different objects have different colors.

    An object is a group of similar regions. The colors minimize the sum of the negative log-probabilities,
    weighted with the weights of the objects, plus a penalty for each pair of objects with nearly the same
    color. The minimization uses iterated conditional modes (Besag 1986,
    https://doi.org/10.1111/j.2517-6161.1986.tb01412.x). With a seed, Gumbel noise on the log-probabilities
    samples other colors. The noise of an object depends only on the seed and the number of its heaviest
    region, so a changed hint changes few colors.

    Args:
        pooled: ``(n, K)``, averaged log-probabilities of K colors.
        colors: ``(K, 3)``, scaled Lab.
        similarity: ``(m, n)``, probability that each of the heaviest regions and each region have one color.
        weights: ``(n,)``, weight of each region, with the sum 1. Regions with the weight 0 get no color.
            Regions outside the 24 heaviest objects get no color, either.
        heaviest: ``(m,)``, numbers of the regions that form objects; see `heaviest_regions`. Each other
            region joins the object of the most similar of these regions, if it probably has the same color.
        distance: Distance in scaled Lab below which likely colors count as one color; see `near_colors`.
        seed: Seed of the noise; 0 for no noise.

    Returns:
        Colors ``(n, 3)``, and a mask ``(n,)`` of the regions that got a color. The colors of other regions
        have no meaning.
    """
    mutual_similarity = similarity[:, heaviest]  # (m, m)
    # weight of each of the heaviest regions in each object, (k, m)
    member_weights = _find_objects(mutual_similarity, weights[heaviest])
    if not (member_weights > 0).any():  # all regions are paper
        return colors.new_zeros(len(weights), 3), torch.zeros_like(weights, dtype=torch.bool)
    importance = member_weights.sum(1)  # weight of each object, (k,)
    region_shares = member_weights / importance[:, None]  # share of each region in its object, (k, m)
    object_log_probabilities = region_shares @ pooled[heaviest].log_softmax(1)

    # likely colors of all objects: m candidates, their log-probabilities and their objects
    near = near_colors(colors, distance)
    found = [distinct_colors(each, colors, near, _CANDIDATES) for each in object_log_probabilities]
    candidates, shares = (torch.cat(parts) for parts in zip(*found, strict=True))
    owner = torch.cat([torch.full((len(part),), index) for index, (_, part) in enumerate(found)])
    owner, log_probabilities = owner.to(candidates.device), shares.log()
    if seed:
        # Gumbel noise of each region and color, (n, K)
        generator = torch.Generator().manual_seed(stream_seed("region colors", seed))
        uniform = torch.rand(pooled.shape, generator=generator).clamp(1e-9, 1 - 1e-7)
        noise = -uniform.log().neg().log().to(pooled)
        # a candidate uses the noise of the heaviest region of its object and of the nearest color, (m,)
        heaviest_region = heaviest[region_shares.argmax(1)][owner]
        nearest_color = distances(candidates, colors).argmin(1)
        log_probabilities = log_probabilities + noise[heaviest_region, nearest_color]

    # cost of each candidate, and cost (m, m) of two candidates with similar colors for different objects; the
    # cost is low for similar objects
    cost = -importance[owner] * log_probabilities
    object_similarity = region_shares @ mutual_similarity @ region_shares.T
    object_difference = (1 - object_similarity).fill_diagonal_(0)
    pair_weights = (importance * importance[:, None] * object_difference)[owner[:, None], owner]
    color_closeness = (-distances(candidates, candidates).square() / (2 * DISTINCT**2)).exp()
    pair_cost = _CONTRAST * pair_weights * color_closeness
    object_colors = candidates[_iterate_modes(cost, pair_cost, owner)]  # (k, 3)

    # regions get the color of the object of the most similar of the heaviest regions
    nearest_similarity, nearest = similarity.max(0)  # to the heaviest regions, (n,)
    nearest[heaviest] = torch.arange(len(heaviest), device=nearest.device)
    has_color = (member_weights.sum(0) > 0)[nearest] & (nearest_similarity > _SAME_OBJECT) & (weights > 0)
    object_of_region = member_weights.argmax(0)[nearest]  # without meaning for regions without a color
    return object_colors[object_of_region], has_color


def heaviest_regions(weights: Tensor) -> Tensor:
    """Return the numbers of the heaviest regions, at most 1,024, in ascending order.

    Steps that compare each region with each other are limited to these regions.
    """
    return weights.argsort(descending=True, stable=True)[:_MOST_COMPARED].sort().values


def _find_objects(similarity: Tensor, weights: Tensor) -> Tensor:
    """Group similar regions by average linkage; return the weights of the regions ``(k, n)`` in each object.

    Only the objects with the largest weights are returned. Other entries are 0.
    """
    distance = (1 - (similarity + similarity.T) / 2).double().cpu().numpy()
    joined = np.zeros(1, np.int64)
    if len(distance) > 1:
        tree = linkage(distance[np.triu_indices(len(distance), 1)], "average")
        joined = fcluster(tree, 1 - _SAME_OBJECT, "distance") - 1
    members = F.one_hot(torch.from_numpy(joined).long()).T.to(weights) * weights
    importance = members.sum(1)
    largest = importance.argsort(descending=True, stable=True)[:_MOST_OBJECTS]
    return members[largest[importance[largest] > 0]]


def _iterate_modes(cost: Tensor, pair_cost: Tensor, owner: Tensor) -> Tensor:
    """Choose one candidate for each object, so that the total cost has a local minimum.

    The objects whose best candidate is most certain choose first. Faces therefore keep the color of skin.

    Args:
        cost: ``(m,)``, cost of each candidate.
        pair_cost: ``(m, m)``, cost of choosing two candidates; 0 for candidates of one object.
        owner: ``(m,)``, object of each candidate, in ascending order.

    Returns:
        ``(k,)``, number of the candidate of each object.
    """
    object_count = int(owner[-1]) + 1
    candidates = [(owner == index).nonzero()[:, 0] for index in range(object_count)]  # of each object
    margins = [float(cost[own].sort().values[:2].diff().sum()) for own in candidates]  # 0 for one candidate
    order = sorted(range(object_count), key=lambda index: margins[index], reverse=True)
    chosen: dict[int, int] = {}
    for _ in range(_SWEEPS):
        before = chosen.copy()
        for index in order:
            own = candidates[index]
            # includes the choice of this object, whose pair cost is 0
            total = cost[own] + pair_cost[own][:, list(chosen.values())].sum(1)
            chosen[index] = int(own[total.argmin()])
        if chosen == before:
            break
    return torch.tensor([chosen[index] for index in range(object_count)], device=cost.device)


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


def near_colors(colors: Tensor, distance: float = DISTINCT) -> Tensor:
    """Return which colors ``(K, 3)`` count as one color, ``(K, K)`` bool.

    Args:
        colors: Scaled Lab of each class.
        distance: Distance below which colors count as one color; 0 to join no colors.
    """
    return (distances(colors, colors) < distance).fill_diagonal_(True)


def distinct_colors(pooled: Tensor, colors: Tensor, near: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """Return the likely colors ``(k, 3)`` of one region and their shares ``(k,)``, the most likely first.

    Classes near a more likely color count for this color.

    Args:
        pooled: ``(K,)``, averaged log-probabilities of the region.
        colors: ``(K, 3)``, scaled Lab of each class.
        near: Result of `near_colors`.
        count: Maximum number of colors.
    """
    remaining = (pooled / DISTINCT_TEMPERATURE).softmax(0)  # probabilities of the classes not yet counted
    found: list[Tensor] = []
    shares: list[Tensor] = []
    while len(found) < count and remaining.max() > _NEGLIGIBLE:
        best = int(remaining.argmax())
        near_best = remaining * near[best]
        share = near_best.sum()
        found.append((near_best / share) @ colors)
        shares.append(share)
        remaining = remaining * ~near[best]
    # the likeliest class need not belong to the likeliest color
    order = torch.stack(shares).argsort(descending=True, stable=True)
    return torch.stack(found)[order], torch.stack(shares)[order]


def rank_by_explained_variance(
    pooled: Tensor,
    centers: Tensor,
    similarity: Tensor,
    areas: Tensor,
    temperature: float,
    compared: Tensor,
) -> list[int]:
    """Order regions greedily by the color error that a known color would remove.

    A known color of region i removes the share ``similarity[i, j]`` of the error of region j. The error of a
    region is its area times the expected squared distance to the predicted color (Cho et al. 2023 order
    regions by usefulness, too).

    Args:
        pooled: ``(n, 256)``, averaged log-probabilities.
        centers: ``(256, 3)``, color of each class.
        similarity: ``(m, n)`` in [0, 1], similarity of the compared regions to all regions.
        areas: ``(n,)``, area of each region.
        temperature: Temperature of the predicted color.
        compared: ``(m,)``, numbers of the regions that are ordered greedily; see `heaviest_regions`. The
            other regions follow in descending order of their remaining error.
    """
    predicted = likely_color(pooled, centers, temperature)
    squared_distances = distances(predicted, centers).square()  # (n, 256)
    error = areas * (pooled.softmax(1) * squared_distances).sum(1)
    order: list[int] = []
    remaining = torch.ones_like(compared, dtype=torch.bool)
    for _ in range(len(compared)):
        gain = (similarity @ error).masked_fill(~remaining, -1)
        best = int(gain.argmax())
        order.append(int(compared[best]))
        remaining[best] = False
        error = error * (1 - similarity[best])
    others = error.index_fill(0, compared, -1).argsort(descending=True, stable=True)
    return order + others[: len(error) - len(order)].tolist()
