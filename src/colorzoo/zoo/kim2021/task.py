"""Training of the edge-enhancing network E (Kim et al., ICCV 2021).

The losses follow the authors' slides. The model page lists this library's choices where the slides omit
details.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.losses.edges import Gradient, edge_error, widened
from colorzoo.networks.feature_hooks import unchanged
from colorzoo.prediction import Prediction
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, PositiveInt
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.simulation.scribbles import ScribbleSimulation, simulate_scribbles
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.kim2021.model import Architecture, EdgeAwareColorization
from colorzoo.zoo.kim2021.network import Extensions, color_terms, image_weights

SETTINGS = ("plain", "scribbles")


@dataclass(frozen=True)
class Objective:
    """Settings of the loss L_edge + con_weight * L_con + reg_weight * L_reg.

    `EdgeLosses` describes the terms.

    Attributes:
        gradient: Gradients of ab that L_edge and L_con compare: ``signed`` derivatives, or ``magnitude``.
        con_weight: Weight of L_con (lambda_con).
        reg_weight: Weight of L_reg (lambda_reg).
    """

    gradient: Gradient = "signed"
    con_weight: NonNegativeFloat = 1.0
    reg_weight: NonNegativeFloat = 0.1


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


STAGES = {
    "edges": Stage(),
    "propagation": Stage(trains=("model.network.propagation.*",)),  # not in the paper
}


class EdgeLosses(NamedTuple):
    """Unweighted terms of the loss, each a scalar.

    Errors are relative to the ground truth. Changes are relative to the prediction without scribbles.

    Attributes:
        edge: L_edge, the color gradient error near the scribbles.
        con: L_con, the color gradient change away from the scribbles.
        reg: L_reg, the mean square of the residuals for feature maps, divided by `FeatureHook.scale`.
        color: Color error near the scribbles (not in the paper).
        hold: Color change away from the scribbles (not in the paper).
    """

    edge: Tensor
    con: Tensor
    reg: Tensor
    color: Tensor
    hold: Tensor


class Kim2021(SingleOptimizerModule):
    """Training task of `EdgeAwareColorization` with a frozen backbone.

    Args:
        backbone: Name of a registered model with feature hooks, which are layers whose output E can modify.
            See `colorzoo.capabilities.HookedModel`.
        backbone_weights: Weights of the backbone, such as a tag of its model card; see `create_model`.
        backbone_hparams: Hyperparameters of the backbone; None uses the defaults.
        architecture: Settings of the network E.
        objective: Settings of the losses.
        users: Settings of the simulated scribbles and color points.
        extensions: Extensions that are not in the paper.
        stage: ``edges`` trains all layers of E; ``propagation`` (not in the paper) trains only the layer
            `Propagation`.
        **optimization: See `Optimization`.
    """

    stages = STAGES
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
        stage: Literal["edges", "propagation"] = "edges",
        **optimization: Unpack[Optimization],
    ) -> None:
        model = EdgeAwareColorization(backbone, backbone_weights, backbone_hparams, architecture, extensions)
        super().__init__(model, stage=stage, **optimization)
        self.objective = objective
        self.users = users
        self.extensions = extensions

    def setup(self, stage: str) -> None:
        """Check at the start of ``fit`` that the backbone is trained and colorizes photos.

        Raises:
            ColorzooError: The backbone expects sketches or is not trained.
        """
        if stage == "fit" and self.input_kind != "gray":
            backbone = self.model.hparams["backbone"]
            raise ColorzooError(
                f"'backbone' must name a model for photos in training, got the sketch model {backbone}"
            )
        super().setup(stage)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Simulate scribbles over edges with color bleeding and return the weighted loss."""
        weigh, ours = self.objective, self.extensions
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        with torch.no_grad():
            guidance = self._training_guidance(ab, batch)
            encoded = self.model.encode(lightness, guidance)
            first = self.model.hooked.after_hooks(encoded.state, unchanged)
            users = self.users
            simulation = ScribbleSimulation(
                lost=users.lost, most=users.strokes, jitter=users.jitter, none=users.empty
            )
            drawn = simulate_scribbles(first, ab, image_generators(batch["seed"], "strokes"), simulation)
        found = self.model(lightness, replace(guidance, scribbles=drawn), encoded)
        losses = self.compute_losses(found, ab, first, drawn.mask)
        loss: Tensor = (
            losses.edge
            + weigh.con_weight * losses.con
            + weigh.reg_weight * losses.reg
            + ours.color_weight * losses.color
            + ours.hold_weight * losses.hold
        )
        self.log_losses({"loss": loss, **losses._asdict()}, len(lab))
        return loss

    def compute_losses(self, found: Prediction, ab: Tensor, first: Tensor, drawn: Tensor) -> EdgeLosses:
        """Return the unweighted loss terms of a batch.

        Args:
            found: Prediction with scribbles, whose ``extras`` contain the residuals of the feature maps.
            ab: Ground truth ab ``(B, 2, H, W)``.
            first: Predicted ab ``(B, 2, H, W)`` without scribbles.
            drawn: Scribbles ``(B, 1, H, W)`` in {0, 1}.
        """
        kind, ours, image = self.objective.gradient, self.extensions, found.to_ab()
        near = widened(drawn, ours.edge_band)
        lost = edge_error(first, ab, near, kind=kind)
        weight = image_weights(lost, ours.relative)
        edge = edge_error(image, ab, near, kind=kind)
        con = edge_error(image, first, 1 - near, kind=kind)
        reg = torch.stack([change.float().square().mean() for change in found.extras.values()]).mean()
        color, hold = color_terms(image, ab, first, near, ours.relative)
        return EdgeLosses((edge * weight).mean(), (con * weight).mean(), reg, color, hold)

    def _training_guidance(self, ab: Tensor, batch: Batch) -> Guidance:
        if "points" not in self.accepts:
            return Guidance()
        simulation = PointSimulation(none=1 - self.users.hints)
        return Guidance(points=simulate_points(ab, image_generators(batch["seed"], "points"), simulation))

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
