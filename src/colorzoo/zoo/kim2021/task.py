"""Training of the edge-enhancing network E (Kim et al., ICCV 2021).

The losses follow the authors' slides. The model page lists this library's choices where the slides omit
details.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.guidance import Guidance, Scribbles
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
        if "points" not in self.accepts:
            return Guidance()
        simulation = PointSimulation(none=1 - self.users.hints)
        return Guidance(points=simulate_points(ab, image_generators(batch["seed"], "points"), simulation))

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

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Return simulated scribbles over color bleeding, identical in every epoch.

        Args:
            setting: Validation setting; ``plain`` returns empty guidance.
            lab: Ground truth Lab ``(B, 3, H, W)``.
            seeds: Per-image seeds, ``(B,)``.
        """
        if setting == "plain":
            return Guidance()
        first = self.model.backbone.model(lab[:, :1], Guidance()).to_ab()
        generators = image_generators(seeds, "strokes")
        drawn = simulate_scribbles(first, lab[:, 1:], generators, ScribbleSimulation(none=0))
        return Guidance(scribbles=drawn)
