"""Where models would like the next point: of their own saying, or where their distribution is most unsure."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.inference.palette import Distribution, next_point
from colorzoo.tasks import ColorizationModule
from colorzoo.users.protocol import ProposesPoints, ProposesRegions

_STEP = 3  # pixels between the marks that stand for what is given already


class Proposer:
    """Proposes points for a model that answers a distribution over colors.

    Args:
        model: Its predictions hold ``logits``.
    """

    def __init__(self, model: ColorizationModule) -> None:
        self._model = model

    def propose_points(self, luma: Tensor, guidance: Guidance) -> Tensor:
        """Return the ``(1, 2)`` row and column of the least certain place; see `ProposesPoints`."""
        with torch.inference_mode():
            distribution = Distribution.of(self._model(luma, guidance))
        if distribution is None:  # not trained to say: the middle
            return torch.tensor([[luma.shape[-2] // 2, luma.shape[-1] // 2]])
        x, y = next_point(distribution, list(_taken(guidance)))
        return torch.tensor([[int(y), int(x)]])


def guide_of(model: ColorizationModule) -> object:
    """Return what a simulated user may ask for proposals: the model, or a `Proposer` for it."""
    offers = isinstance(model, ProposesPoints | ProposesRegions)
    return model if offers or "points" not in model.accepts else Proposer(model)


def _taken(guidance: Guidance) -> Iterator[tuple[float, float]]:
    if guidance.points is None:
        return
    rows, columns = guidance.points.mask[0, 0].nonzero().unbind(1)
    keep = (rows % _STEP == 0) & (columns % _STEP == 0)
    for row, column in zip(rows[keep].tolist(), columns[keep].tolist(), strict=True):
        yield float(column), float(row)
