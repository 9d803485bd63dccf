"""Deep Edge-Aware Interactive Colorization against Color-Bleeding Effects (Kim et al., ICCV 2021).

An add-on over a trained model: the user draws, without color, over an edge where color bled, and a small
network refines the model's activation maps so that the edge becomes sharp and all else stays.
https://arxiv.org/abs/2107.01619
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance, PointSimulation, simulate_points
from colorzoo.guidance.bleeding import ScribbleSimulation, simulate_scribbles
from colorzoo.losses.edges import edge_error, widened
from colorzoo.networks.taps import TapState, unchanged
from colorzoo.randomness import picture_generators
from colorzoo.tasks import SingleOptimizerModule, settings_of
from colorzoo.zoo.kim2021.extensions import Extensions, color_terms, picture_weights
from colorzoo.zoo.kim2021.inference import Answers, build_network, load_backbone
from colorzoo.zoo.kim2021.settings import STAGES, Architecture, Objective, Users

SETTINGS = ("plain", "scribbles")


class EdgeLosses(NamedTuple):
    """The terms of the loss, not yet weighted.

    Attributes:
        edge: L_edge: edges differ from the true ones where the user drew.
        con: L_con: edges differ from the first result's elsewhere.
        reg: L_reg: activation maps differ from the backbone's.
        color: Colors differ from the true ones near the scribbles (not in the paper).
        hold: Colors differ from the first result's far from them (not in the paper).
    """

    edge: Tensor
    con: Tensor
    reg: Tensor
    color: Tensor
    hold: Tensor


class Kim2021(Answers, SingleOptimizerModule):
    """The network E over a frozen backbone, and its training.

    Args:
        backbone: Registered name of a model that names its taps (`colorzoo.networks.taps.TappedModel`).
        backbone_weights: Of the backbone, as `create_model` takes them.
        backbone_hparams: Settings of the backbone.
        architecture: The network E.
        objective: The losses.
        users: The simulated users of training.
        extensions: What is not in the paper.
        stage: ``edges`` trains all of E; ``propagation`` (ours) nothing but that extension.
        compile_training: Compile the training step.
        optimizer: See `SingleOptimizerModule`.
        lr_scheduler: See `SingleOptimizerModule`.
    """

    recorded_hparams = ("backbone", "backbone_hparams", "hidden", "read_luma", "reach", "propagation")
    stages = STAGES

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
        compile_training: bool = False,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.backbone_source = (backbone, backbone_weights, backbone_hparams or {})
        self.architecture = settings_of(Architecture, architecture)
        self.objective = settings_of(Objective, objective)
        self.users = settings_of(Users, users)
        self.extensions = settings_of(Extensions, extensions)
        self.compile_training = compile_training
        super().__init__(optimizer, lr_scheduler, stage=stage)

    def configure_network(self) -> None:
        """Load the backbone and build E over its taps."""
        held = load_backbone(create_model, *self.backbone_source)
        self.take_backbone(held)
        self.network = build_network(held, self.architecture, self.extensions)

    def configure_losses(self) -> None:
        """Compile the second half of the backbone, E and losses into one graph, if asked."""
        self._losses = torch.compile(self._compute_losses) if self.compile_training else self._compute_losses

    def setup(self, stage: str) -> None:
        """Refuse what cannot be trained.

        Raises:
            ColorzooError: The backbone reads sketches, or is not trained itself.
        """
        if stage == "fit" and self.input_kind != "gray":
            raise ColorzooError(
                f"over {self.backbone_source[0]}, which reads sketches, this add-on works but is not trained."
            )
        super().setup(stage)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Let the backbone color, draw over what bled, and compare the second result with truth and first."""
        del batch_idx
        weigh, ours = self.objective, self.extensions
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        with torch.no_grad():
            state = self.tapped.before_taps(luma, self._training_guidance(ab, batch))
            first = self.tapped.after_taps(state, unchanged)
            drawn = simulate_scribbles(
                first, ab, picture_generators(batch["seed"], "strokes"), self._drawing()
            )
        losses = self._losses(state, luma, ab, first, drawn.mask)
        loss: Tensor = (
            losses.edge
            + weigh.con_weight * losses.con
            + weigh.reg_weight * losses.reg
            + ours.color_weight * losses.color
            + ours.hold_weight * losses.hold
        )
        logged = {"loss": loss, **losses._asdict()}
        self.log_dict({f"train/{name}": value for name, value in logged.items()}, batch_size=len(lab))
        return loss

    def _compute_losses(
        self, state: TapState, luma: Tensor, ab: Tensor, first: Tensor, drawn: Tensor
    ) -> EdgeLosses:
        """Return the terms (slides, "Losses"); tensors only, so that it compiles."""
        kind, ours = self.objective.gradient, self.extensions
        picture, changes = self.refined(state, luma, drawn)
        near = widened(drawn, ours.edge_band)
        lost = edge_error(first, ab, near, scales=ours.edge_scales, kind=kind)
        weight = picture_weights(lost, ours.relative)
        edge = edge_error(picture, ab, near, scales=ours.edge_scales, kind=kind)
        con = edge_error(picture, first, 1 - near, kind=kind)
        reg = torch.stack([change.float().square().mean() for change in changes]).mean()
        color, hold = color_terms(picture, ab, first, near, ours.relative)
        return EdgeLosses((edge * weight).mean(), (con * weight).mean(), reg, color, hold)

    def _drawing(self) -> ScribbleSimulation:
        users = self.users
        return ScribbleSimulation(lost=users.lost, most=users.strokes, jitter=users.jitter, none=users.empty)

    def _training_guidance(self, ab: Tensor, batch: Batch) -> Guidance:
        if "points" not in self.accepts:
            return Guidance()
        simulation = PointSimulation(none=1 - self.users.hints)
        return Guidance(points=simulate_points(ab, picture_generators(batch["seed"], "points"), simulation))

    def validation_settings(self) -> tuple[str, ...]:
        """Return the settings in which PSNR is taken: without and with scribbles."""
        return SETTINGS

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Draw over what bled, the same for a picture every time."""
        if setting == "plain":
            return Guidance()
        first = self.backbone.model(lab[:, :1], Guidance()).to_ab()
        generators = picture_generators(seeds, "strokes")
        drawn = simulate_scribbles(first, lab[:, 1:], generators, ScribbleSimulation(none=0))
        return Guidance(scribbles=drawn)
