"""Deep Edge-Aware Interactive Colorization against Color-Bleeding Effects (Kim et al., ICCV 2021).

An add-on over a trained model: the user draws, without color, over an edge where color bled, and a small
network refines the model's activation maps so that the edge becomes sharp and all else stays.
https://arxiv.org/abs/2107.01619
"""

from __future__ import annotations

import contextvars
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, mean

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.draws import picture_generators
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance, PointSimulation, Scribbles, simulate_points
from colorzoo.guidance.bleeding import ScribbleSimulation, simulate_scribbles
from colorzoo.losses.edges import Gradient, color_error, edge_error, widened
from colorzoo.networks.frozen import Frozen
from colorzoo.networks.taps import TappedModel, TapState, unchanged
from colorzoo.tasks import ColorizationModule, Prediction, SingleOptimizerModule
from colorzoo.tasks.optimizers import Schedule
from colorzoo.zoo.kim2021.network import EdgeNetwork

SETTINGS = ("plain", "scribbles")
SOUND = 2e-4  # squared error of ab / 110 below which a picture lacks nothing: 1.6 CIE units


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


@dataclass(frozen=True)
class Opened:
    """A picture whose backbone has run up to its first tap; any number of scribbles may follow.

    Attributes:
        state: Of the backbone.
        luma: ``(B, 1, H, W)``, what the backbone read.
    """

    state: TapState
    luma: Tensor


class Kim2021(SingleOptimizerModule):
    """The network E over a frozen backbone, and its training.

    Args:
        backbone: Registered name of a model that names its taps (`colorzoo.networks.taps.TappedModel`).
        backbone_weights: Of the backbone, as `create_model` takes them.
        backbone_hparams: Overrides of the backbone's constructor arguments.
        hidden: Channels inside E for each tap, or one number for all. The default has as many weights as 64
            for each, but fewer where the map is large, so that a stroke takes less time.
        read_luma: Let E read lightness too.
        reach: Pixels from a scribble within which E changes maps; None: everywhere, as in the paper.
        propagation: Radius in pixels within which the final colors are drawn from beyond the strokes, see
            `Propagation`; 0, as in the paper: not at all.
        only_propagation: Train nothing but the propagation: the rest of E stays as it was loaded.
        gradient: What the edge losses compare: signed derivatives or magnitudes.
        edge_band: Pixels by which L_edge (and the color term) reach beyond the scribbles.
        edge_scales: Sizes of the picture at which L_edge compares, each half of the one before.
        relative: Divide the losses of each picture by what its first result lacks, as decibels do, so that a
            picture with weak colors counts as much as one with strong ones.
        con_weight: lambda_con.
        reg_weight: lambda_reg.
        color_weight: Of the squared color error near the scribbles; 0 in the paper.
        hold_weight: Of the squared change of color outside of them; 0 in the paper.
        hints: Share of the training pictures that get color points, where the backbone takes them.
        empty: Share of the training pictures without a scribble.
        strokes: Largest number of strokes on a training picture.
        jitter: Largest distance of a training stroke from its edge in pixels.
        lost: Share of a true edge that the first result must lack to be drawn over.
        compile_training: Compile the training step.
        lr: Largest learning rate.
        betas: Decays of Adam's moments.
        weight_decay: Decoupled weight decay.
        schedule: How the rate moves.
        warmup_steps: Steps of linear rise.
        milestones: Steps at which ``multistep`` divides the rate by ten.
    """

    recorded_hparams = ("backbone", "backbone_hparams", "hidden", "read_luma", "reach", "propagation")
    network: EdgeNetwork

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        hidden: Sequence[int] = (88, 64, 32),
        read_luma: bool = False,
        reach: int | None = None,
        propagation: int = 0,
        only_propagation: bool = False,
        gradient: Gradient = "signed",
        edge_band: int = 0,
        edge_scales: int = 1,
        relative: bool = False,
        con_weight: float = 1.0,
        reg_weight: float = 0.1,
        color_weight: float = 0.0,
        hold_weight: float = 0.0,
        hints: float = 0.5,
        empty: float = 0.1,
        strokes: int = 5,
        jitter: float = 2.0,
        lost: float = 0.3,
        compile_training: bool = False,
        lr: float = 1e-4,
        betas: Sequence[float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        milestones: Sequence[int] = (),
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Load the backbone and build E over its taps."""
        hp: Any = self.hparams
        held = load_backbone(hp.backbone, hp.backbone_weights, hp.backbone_hparams or {})
        self.backbone = Frozen(held)
        self.accepts = held.accepts | {"scribbles"}
        self.input_kind, self.output_kind = held.input_kind, held.output_kind
        self.network = EdgeNetwork(
            self._tapped.taps,
            tuple(hp.hidden),
            read_luma=hp.read_luma,
            reach=hp.reach,
            propagation=hp.propagation,
        )
        if hp.only_propagation:
            self.network.branches.requires_grad_(False)

    def configure_losses(self) -> None:
        """Compile the second half of the backbone, E and losses into one graph, if asked."""
        hp: Any = self.hparams
        self._losses = torch.compile(self._compute_losses) if hp.compile_training else self._compute_losses

    def setup(self, stage: str) -> None:
        """Refuse what cannot be trained.

        Raises:
            ColorzooError: The backbone reads sketches.
        """
        if stage == "fit" and self.input_kind != "gray":
            raise ColorzooError(
                f"over {self.hparams.backbone}, which reads sketches, this add-on works but is not trained."
            )

    @property
    def _tapped(self) -> TappedModel:
        model: Any = self.backbone.model
        return model  # type: ignore[no-any-return]

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; without scribbles exactly as the backbone does."""
        if guidance is None or guidance.scribbles is None:
            plain: Prediction = self.backbone.model(luma, guidance)
            return plain
        return self.redraw(self.open(luma, guidance), guidance.scribbles)

    def open(self, luma: Tensor, guidance: Guidance | None) -> Opened:
        """Run what no scribble changes; arguments as of `forward`."""
        return Opened(self._tapped.before_taps(luma, guidance), luma)

    def redraw(self, opened: Opened, scribbles: Scribbles) -> Prediction:
        """Color an opened batch with all the scribbles drawn so far."""
        picture, _ = self._refined(opened.state, opened.luma, scribbles.mask)
        return Prediction(ab=picture) if self.output_kind == "ab" else Prediction(rgb=picture)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Let the backbone color, draw over what bled, and compare the second result with truth and first."""
        del batch_idx
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        with torch.no_grad():
            state = self._tapped.before_taps(luma, self._training_guidance(ab, batch))
            first = self._tapped.after_taps(state, unchanged)
            drawn = simulate_scribbles(
                first, ab, picture_generators(batch["seed"], "strokes"), self._drawing()
            )
        losses = self._losses(state, luma, ab, first, drawn.mask)
        loss: Tensor = (
            losses.edge
            + hp.con_weight * losses.con
            + hp.reg_weight * losses.reg
            + hp.color_weight * losses.color
            + hp.hold_weight * losses.hold
        )
        logged = {"loss": loss, **losses._asdict()}
        self.log_dict({f"train/{name}": value for name, value in logged.items()}, batch_size=len(lab))
        return loss

    def _compute_losses(
        self, state: TapState, luma: Tensor, ab: Tensor, first: Tensor, drawn: Tensor
    ) -> EdgeLosses:
        hp: Any = self.hparams
        picture, changes = self._refined(state, luma, drawn)
        near = widened(drawn, hp.edge_band)
        lost = edge_error(first, ab, near, scales=hp.edge_scales, kind=hp.gradient)
        off = color_error(first, ab, near)
        per_edge, per_color = (1 / (each + SOUND) if hp.relative else 1.0 for each in (lost, off))
        return EdgeLosses(
            edge=mean(edge_error(picture, ab, near, scales=hp.edge_scales, kind=hp.gradient) * per_edge),
            con=mean(edge_error(picture, first, 1 - near, kind=hp.gradient) * per_edge),
            reg=mean(torch.stack([change.float().square().mean() for change in changes])),
            color=mean(color_error(picture, ab, near) * per_color),
            hold=mean(color_error(picture, first, 1 - near) * per_color),
        )

    def _refined(self, state: TapState, luma: Tensor, drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the refined picture, and what was added to each tap, divided by the tap's scale."""
        taps = {tap.name: (index, tap) for index, tap in enumerate(self._tapped.taps)}
        changes: list[Tensor] = []
        near = self.network.near(drawn)

        def visit(name: str, activation: Tensor) -> Tensor:
            if name not in taps:
                return activation
            index, tap = taps[name]
            residual = self.network(index, activation, drawn, luma, near)
            changes.append(residual)
            refined: Tensor = activation + tap.scale * residual
            return refined

        picture = self._tapped.after_taps(state, visit)
        if self.output_kind == "ab":
            picture = self.network.propagate(picture, luma, drawn)
        return picture, changes

    def _drawing(self) -> ScribbleSimulation:
        hp: Any = self.hparams
        return ScribbleSimulation(lost=hp.lost, most=hp.strokes, jitter=hp.jitter, none=hp.empty)

    def _training_guidance(self, ab: Tensor, batch: Batch) -> Guidance:
        hp: Any = self.hparams
        if "points" not in self.accepts:
            return Guidance()
        simulation = PointSimulation(none=1 - hp.hints)
        return Guidance(points=simulate_points(ab, picture_generators(batch["seed"], "points"), simulation))

    def validation_settings(self) -> tuple[str, ...]:
        """Return the settings in which PSNR is taken: without and with scribbles."""
        return SETTINGS

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Draw over what bled, the same for a picture every time."""
        if setting == "plain":
            return Guidance()
        first = self.backbone.model(lab[:, :1], Guidance()).ab
        assert first is not None, "a backbone that reads lightness answers ab"
        generators = picture_generators(seeds, "strokes")
        drawn = simulate_scribbles(first, lab[:, 1:], generators, ScribbleSimulation(none=0))
        return Guidance(scribbles=drawn)


def load_backbone(name: str, weights: str | None, hparams: dict[str, Any]) -> ColorizationModule:
    """Create the model that the add-on refines.

    Raises:
        ColorzooError: It names no taps.
    """
    on_meta = torch.get_default_device().type == "meta"  # shapes alone are wanted: there is nothing to load
    # In a context of its own: Lightning's command line hands the add-on's arguments to modules built in this.
    create = partial(create_model, name, weights=None if on_meta else weights, **hparams)
    model = contextvars.Context().run(create)
    if not isinstance(model, TappedModel):
        raise ColorzooError(
            f"backbone={name!r} names no taps, so that no add-on can refine it; it needs the attribute taps "
            "and the methods before_taps and after_taps (colorzoo.networks.taps)."
        )
    return model
