"""colorzoo2026: weights of references, compared with the formula block by block."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.colorzoo2026.references import (
    Blocks,
    CellEmbeddings,
    observe_references,
    reference_embedding,
)

ALPHA = 0.8


def directions(blocks: Tensor) -> Tensor:
    """Return the directions of features ``(N, C)`` about their mean."""
    centered = blocks - blocks.mean(0)
    return centered / centered.norm(dim=1, keepdim=True)


def widened(blocks: Tensor) -> Tensor:
    """Repeat blocks ``(h, w, C)`` as cells of a batch of one."""
    return blocks.repeat_interleave(2, 0).repeat_interleave(2, 1)[None]


def test_observe_references_equals_the_formula_of_five_match_features() -> None:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    theirs, colors = normal(4, 7, 6), normal(4, 7, 2)
    ours, mean = theirs[:, :6] + 0.5 * normal(4, 6, 6), normal(4, 6, 2)
    variance = 0.02 + 0.1 * normal(4, 6, 1).square()
    place = CellEmbeddings(widened(ours), widened(mean), widened(variance))
    reference = Blocks.of(reference_embedding(widened(theirs), widened(colors)))
    found = observe_references(place, [reference], ALPHA)

    alike = directions(ours.flatten(0, 1)) @ directions(theirs.flatten(0, 1)).T
    ahead = sum(float(row.max()) for row in alike) / 24
    back = sum(float(column.max()) for column in alike.T) / 28
    assert abs(ahead - back) > 0.01
    rows = []
    for row, middle, missed in zip(alike, mean.flatten(0, 1), variance.flatten(), strict=True):
        share = (row / 0.02).exp() / (row / 0.02).exp().sum()
        color = share @ colors.flatten(0, 1)
        spread = float((share[:, None] * (colors.flatten(0, 1) - color) ** 2).sum())
        logit = 2.17 * (float(row.max()) - 0.85) + 23.20 * (ahead - 0.85) + 16.58 * (back - 0.85)
        logit += -0.42 * (math.log(spread + 1e-3) + 4.9) + 0.53 * (math.log(float(missed) + 1e-3) + 3.0)
        odds = math.exp(logit - 1.85 + 3.5)
        assert 1e-3 < odds < 1e3  # within the limits
        gain = ALPHA * odds / (1 + odds)
        precision = gain / ((1 - gain) * missed)
        rows.append(torch.cat([gain * (color - middle), precision[None]]))
    wanted = torch.stack(rows).T.reshape(1, 3, 4, 6)
    wanted = F.interpolate(wanted, (8, 12), mode="bilinear").permute(0, 2, 3, 1)
    torch.testing.assert_close(found.change, wanted[..., :2], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(found.precision, wanted[..., 2:], rtol=1e-6, atol=1e-9)
