"""Colorfulness of a picture, which needs no truth, and its distance from the truth's.

Two forms are published under the one name CF. ``"hasler"`` is that of Hasler & Suesstrunk 2003, sec. 7: mean
and deviation of the opponent colors. ``"absolute"`` is what much colorization code computes: mean and
deviation of their absolute values. The distance too is published in two forms: of the means over all
pictures, and the mean of each picture's distance.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torchmetrics import Metric

from colorzoo.metrics.checks import require_pair, require_pictures
from colorzoo.metrics.mean import PictureMean

Form = Literal["hasler", "absolute"]


def colorfulness(rgb: Tensor, *, form: Form = "hasler") -> Tensor:
    """Return the colorfulness of each picture (Hasler & Suesstrunk 2003, sec. 7).

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        form: ``"hasler"`` or ``"absolute"``, see the module.

    Returns:
        ``(B,)`` float32 on the scale of 8-bit levels: 0 for gray, about 15 slightly, 45 averagely and 109
        extremely colorful.
    """
    red, green, blue = (rgb.float() * 255).unbind(dim=1)
    opponents = torch.stack([red - green, 0.5 * (red + green) - blue], dim=1).flatten(2)
    if form == "absolute":
        opponents = opponents.abs()
    deviation, mean = torch.std_mean(opponents, dim=2, correction=0)
    # vector_norm and std, unlike square roots of sums, have the gradient 0 for a gray picture
    spread: Tensor = torch.linalg.vector_norm(deviation, dim=1)
    offset: Tensor = torch.linalg.vector_norm(mean, dim=1)
    return spread + 0.3 * offset


class Colorfulness(PictureMean):
    """Mean over pictures of `colorfulness`.

    Args:
        form: ``"hasler"`` or ``"absolute"``; it stays in the key of the answer.
    """

    is_differentiable = True

    def __init__(self, *, form: Form = "hasler") -> None:
        super().__init__()
        self.form: Form = form

    def update(self, rgb: Tensor) -> None:
        """Add pictures ``(B, 3, H, W)`` in [0, 1]."""
        require_pictures(rgb, 3)
        self.add(colorfulness(rgb, form=self.form))

    def compute(self) -> dict[str, Tensor]:
        """Return ``cf_hasler`` or ``cf_absolute``."""
        return {f"cf_{self.form}": self.mean()}


class DeltaColorfulness(Metric):
    """Distance of the results' colorfulness from the truth's, in both published forms.

    Args:
        form: ``"hasler"`` or ``"absolute"``; it stays in the keys of the answer.
    """

    higher_is_better = False
    is_differentiable = True
    full_state_update = False
    total: Tensor
    distance: Tensor
    count: Tensor

    def __init__(self, *, form: Form = "hasler") -> None:
        super().__init__()
        self.form: Form = form
        self.add_state("total", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("distance", torch.tensor(0.0, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.tensor(0), dist_reduce_fx="sum")

    def update(self, rgb: Tensor, target: Tensor) -> None:
        """Add pictures: both ``(B, 3, H, W)`` in [0, 1]."""
        require_pair(rgb, target, 3)
        difference = colorfulness(rgb, form=self.form) - colorfulness(target, form=self.form)
        difference = difference.to(self.total.device).double()
        # Not in place: the states may stem from inference mode while this run is outside of it.
        self.total = self.total + difference.sum()
        self.distance = self.distance + difference.abs().sum()
        self.count = self.count + len(rgb)

    def compute(self) -> dict[str, Tensor]:
        """Return ``delta_of_mean_cf_FORM`` (of the means) and ``mean_delta_cf_FORM`` (of each picture)."""
        return {
            f"delta_of_mean_cf_{self.form}": (self.total / self.count).abs().float(),
            f"mean_delta_cf_{self.form}": (self.distance / self.count).float(),
        }
