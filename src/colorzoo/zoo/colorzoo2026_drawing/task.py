"""Training task of colorzoo2026_drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Unpack

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch, sketches_of
from colorzoo.networks.blocks import take_cells
from colorzoo.settings import NonNegativeFloat
from colorzoo.training.muon import MuonModule, muon_groups
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.colorzoo2026_drawing.model import Colorzoo2026Drawing, observed_points
from colorzoo.zoo.colorzoo2026_drawing.network import (
    Architecture,
    Maps,
    Observations,
    join_observations,
    soft_assign,
)
from colorzoo.zoo.colorzoo2026_drawing.simulation import (
    Simulation,
    Views,
    cell_colors,
    random_hints,
    random_reference_cells,
    random_views,
)


@dataclass(frozen=True)
class Objective:
    """Weights of the losses, and threshold of the smooth L1 loss.

    Attributes:
        classes: Weight of the cross-entropy of the color distribution after conditioning on hints and
            references.
        network: Weight of the cross-entropy of the color distribution that the network predicts alone.
        colors: Weight of the smooth L1 loss of the mean color in scaled Lab, summed over L, a and b.
        delta: Error at which the smooth L1 loss changes from quadratic to linear, in scaled Lab.
    """

    classes: NonNegativeFloat = 1.0
    network: NonNegativeFloat = 0.4
    colors: NonNegativeFloat = 3.0
    delta: NonNegativeFloat = 0.2


class Colorzoo2026DrawingTask(MuonModule):
    """Training task of `Colorzoo2026Drawing`. Crop sides must be multiples of 32 pixels.

    Args:
        architecture: Settings of the network.
        objective: Weights of the losses.
        simulation: Settings of the simulated hints and references.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: Colorzoo2026Drawing
    validation_points = (0, 1, 10, 30)

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        simulation: Simulation = Simulation(),
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(Colorzoo2026Drawing(architecture), **optimization)
        self.objective = objective
        self.simulation = simulation

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return parameter groups: hidden weight matrices for Muon, other parameters for AdamW."""
        first_and_last = ("network.stem_half", "network.classes", "network.mean", "network.embed_out")
        return muon_groups(self, excluded=(*first_and_last, "position"))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Compute and log the losses of a batch, and return their weighted sum.

        Some images have hints: small discs in true colors. Some images have a second view, which is a warped
        copy of the drawing with own hints. The colors of each view are references of the other view. The
        losses compare cells of 4 x 4 pixels with the mean color of their paper pixels. Cells of ink are
        excluded. Each loss is the mean over images of the mean over the cells of all views of an image.
        """
        del batch_idx
        views = random_views(batch["rgb"], sketches_of(batch), batch["seed"], self.simulation)
        hints = random_hints(views, self.simulation)
        color, is_paper = cell_colors(views)
        maps = self.model.network(views.sketch, hints)
        with torch.autocast(color.device.type, enabled=False):
            observations = self._observations(maps, hints, views, color, is_paper)
            log_probabilities, mean = self.model.condition(maps, observations)
            nearest, shares = soft_assign(color, self.model.centers)
            network_log_probabilities = maps.logits.log_softmax(2)
            errors = {
                "classes": -(log_probabilities.gather(2, nearest) * shares).sum(2),
                "network": -(network_log_probabilities.gather(2, nearest) * shares).sum(2),
                "colors": F.smooth_l1_loss(mean, color, beta=self.objective.delta, reduction="none").sum(2),
            }
            losses = {name: views.mean(error, is_paper) for name, error in errors.items()}
        # each weight in the objective has the name of its loss
        weighted_losses = [getattr(self.objective, name) * value for name, value in losses.items()]
        loss = torch.stack(weighted_losses).sum()
        self.log_losses({**losses, "loss": loss}, len(batch["rgb"]))
        return loss

    def _observations(
        self, maps: Maps, hints: Tensor, views: Views, color: Tensor, is_paper: Tensor
    ) -> Observations:
        """Return the hinted cells of each view, and random cells of the other view of the drawing."""
        points = observed_points(maps, hints)
        points = points._replace(weight=points.weight * views.copied[:, None])
        cells, weight = random_reference_cells(views, is_paper, self.simulation)
        embedding = take_cells(maps.embedding[views.other], cells)
        reference = Observations(embedding, take_cells(color[views.other], cells), weight)
        return join_observations([points, reference])
