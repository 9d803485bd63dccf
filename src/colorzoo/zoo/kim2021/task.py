"""Training of the edge-enhancing network E (Kim et al., ICCV 2021).

The losses follow the authors' slides. The model page lists this library's choices where the slides omit
details.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, relative_boxes
from colorzoo.guidance import Boxes, Guidance, Scribbles
from colorzoo.networks.feature_hooks import unchanged
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, PositiveInt
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.simulation.scribbles import ScribbleSimulation, simulate_scribbles
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.kim2021.extensions import Extensions
from colorzoo.zoo.kim2021.losses import Objective
from colorzoo.zoo.kim2021.model import Architecture, EdgeAwareColorization

SETTINGS = ("plain", "scribbles")
_MAX_BOXES = 8  # boxes of an image that are used, as in the training of su2020


@dataclass(frozen=True)
class Users:
    """Settings of the simulated scribbles and color points in training.

    Attributes:
        hints: Fraction of the training images with color points, if the backbone accepts points.
        empty: Fraction of the training images without scribbles.
        strokes: Maximum number of scribbles per training image.
        jitter: Maximum distance in pixels between a scribble and its edge.
        lost: Minimum fraction of a true edge's color gradient that the backbone's prediction must lack for
            the edge to count as missing. Scribbles are drawn over missing edges.
    """

    hints: Fraction = 0.5
    empty: Fraction = 0.1
    strokes: PositiveInt = 5
    jitter: NonNegativeFloat = 2.0
    lost: Fraction = 0.3


class Kim2021(SingleOptimizerModule):
    """Training task of `EdgeAwareColorization` with a frozen backbone.

    Args:
        backbone: Name of a registered model with feature hooks, which are layers whose output E can modify.
            See `ColoringModel.hooks`.
        backbone_weights: Weights of the backbone, such as a tag of its model card; see `create_model`.
        backbone_hparams: Hyperparameters of the backbone; None uses the defaults.
        architecture: Settings of the network E.
        objective: Settings of the losses.
        users: Settings of the simulated scribbles and color points.
        extensions: Extensions that are not in the paper.
        **optimization: See `Optimization`.
    """

    model: EdgeAwareColorization

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        architecture: Architecture = Architecture(),
        objective: Objective = Objective(),
        users: Users = Users(),
        extensions: Extensions = Extensions(),
        **optimization: Unpack[Optimization],
    ) -> None:
        model = EdgeAwareColorization(backbone, backbone_weights, backbone_hparams, architecture, extensions)
        super().__init__(model, **optimization)
        self.loss = extensions.loss(objective)
        self.users = users

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Simulate scribbles over edges with color bleeding and return the weighted loss."""
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        backbone = self.model.backbone.model
        with torch.no_grad():
            guidance = self._training_guidance(ab, batch)
            state = backbone.before_hooks(lightness, guidance)
            backbone_ab = backbone.after_hooks(state, unchanged)  # colors of the backbone without E
            scribbles = self._training_scribbles(backbone_ab, ab, batch)
        prediction = self.model(lightness, replace(guidance, scribbles=scribbles), state)
        terms = self.loss.terms(prediction, ab, backbone_ab, scribbles.mask)
        loss = self.loss.total(terms)
        self.log_losses({"loss": loss, **terms}, len(lab))
        return loss

    def _training_guidance(self, ab: Tensor, batch: Batch) -> Guidance:
        boxes = self._boxes_of(batch)
        if "points" not in self.accepts:
            return Guidance(boxes=boxes)
        simulation = PointSimulation(none=1 - self.users.hints)
        points = simulate_points(ab, image_generators(batch["seed"], "points"), simulation)
        return Guidance(points=points, boxes=boxes)

    def _boxes_of(self, batch: Batch) -> Boxes | None:
        """Return the boxes of objects in the batch; None if the backbone or the data has no boxes."""
        if "boxes" not in self.accepts or "boxes" not in batch:
            return None
        boxes = [each[:_MAX_BOXES] for each in relative_boxes(batch)]
        return Boxes.of(boxes).to(batch["rgb"].device)

    def _training_scribbles(self, backbone_ab: Tensor, ab: Tensor, batch: Batch) -> Scribbles:
        users = self.users
        simulation = ScribbleSimulation(
            lost=users.lost, most=users.strokes, jitter=users.jitter, none=users.empty
        )
        generators = image_generators(batch["seed"], "strokes")
        return simulate_scribbles(backbone_ab, ab, generators, simulation)

    def validation_settings(self) -> tuple[str, ...]:
        """Return the validation settings ``plain`` (without scribbles) and ``scribbles``."""
        return SETTINGS

    def validation_guidances(self, batch: Batch, lab: Tensor) -> Iterator[tuple[str, Guidance]]:
        """Yield the name and guidance of each validation setting.

        Boxes of the batch are used in both settings. The scribbles are drawn over color bleeding and are
        identical in every epoch.

        Args:
            batch: The batch, with seeds and optional boxes.
            lab: ``(B, 3, H, W)`` ground truth in CIE Lab.
        """
        plain = Guidance(boxes=self._boxes_of(batch))
        yield "plain", plain
        first = self.model.backbone.model(lab[:, :1], plain).to_ab()
        generators = image_generators(batch["seed"], "strokes")
        drawn = simulate_scribbles(first, lab[:, 1:], generators, ScribbleSimulation(none=0))
        yield "scribbles", replace(plain, scribbles=drawn)
