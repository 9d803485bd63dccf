"""The add-on of Kim et al. 2021 for a process that only colors: over its backbone, without Lightning."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_inference_model
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.networks.borrowed import BorrowedModel
from colorzoo.networks.taps import TappedModel, TapState
from colorzoo.tasks import (
    AbPrediction,
    ColoringModel,
    InferenceModel,
    Prediction,
    RgbPrediction,
    settings_of,
)
from colorzoo.zoo.kim2021.extensions import Extensions
from colorzoo.zoo.kim2021.network import EdgeNetwork
from colorzoo.zoo.kim2021.settings import Architecture


@dataclass(frozen=True)
class Opened:
    """A picture whose backbone has run up to its first tap; any number of scribbles may follow.

    Attributes:
        state: Of the backbone.
        luma: ``(B, 1, H, W)``, what the backbone read.
    """

    state: TapState
    luma: Tensor


class Answers(ColoringModel):
    """How network E and its backbone answer, whether they only color or E is trained too.

    Attributes:
        backbone: The model that is refined.
    """

    network: EdgeNetwork
    backbone: BorrowedModel[Any]

    def take_backbone(self, held: ColoringModel) -> None:
        """Stand on a backbone and declare what it takes and gives."""
        self.backbone = BorrowedModel(held)
        self.accepts = held.accepts | {"scribbles"}
        self.input_kind, self.output_kind = held.input_kind, held.output_kind

    @property
    def tapped(self) -> TappedModel:
        """The backbone by its taps."""
        model: TappedModel = self.backbone.model
        return model

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; without scribbles exactly as the backbone does."""
        if guidance is None or guidance.scribbles is None:
            plain: Prediction = self.backbone.model(luma, guidance)
            return plain
        return self.redraw(self.open(luma, guidance), guidance.scribbles)

    def open(self, luma: Tensor, guidance: Guidance | None) -> Opened:
        """Run what no scribble changes; arguments as of `forward`."""
        return Opened(self.tapped.before_taps(luma, guidance), luma)

    def redraw(self, opened: Opened, scribbles: Scribbles) -> Prediction:
        """Color an opened batch with all the scribbles drawn so far."""
        picture, _ = self.refined(opened.state, opened.luma, scribbles.mask)
        return AbPrediction(ab=picture) if self.output_kind == "ab" else RgbPrediction(rgb=picture)

    def refined(self, state: TapState, luma: Tensor, drawn: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return the refined picture, and what was added to each tap, divided by the tap's scale."""
        taps = {tap.name: (index, tap) for index, tap in enumerate(self.tapped.taps)}
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

        picture = self.tapped.after_taps(state, visit)
        if self.output_kind == "ab":
            picture = self.network.propagate(picture, luma, drawn)
        return picture, changes


class Kim2021Inference(Answers, InferenceModel):
    """The network E over its backbone, as `Kim2021` answers.

    Args:
        backbone: See `Kim2021`.
        backbone_weights: See `Kim2021`.
        backbone_hparams: See `Kim2021`.
        architecture: The network E.
        extensions: What is not in the paper.
    """

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        architecture: Architecture = Architecture(),
        extensions: Extensions = Extensions(),
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        extensions = settings_of(Extensions, extensions)
        held = load_backbone(create_inference_model, backbone, backbone_weights, backbone_hparams or {})
        super().__init__(
            build_network(held, architecture, extensions),
            backbone=backbone,
            backbone_weights=backbone_weights,
            backbone_hparams=backbone_hparams,
            architecture=architecture,
            extensions=extensions,
        )
        self.take_backbone(held)


def build_network(held: Any, architecture: Architecture, extensions: Extensions) -> EdgeNetwork:
    """Build E over the taps of a backbone."""
    return EdgeNetwork(
        held.taps,
        architecture.hidden,
        read_luma=extensions.read_luma,
        reach=extensions.reach,
        propagation=extensions.propagation,
    )


def load_backbone(
    create: Callable[..., ColoringModel], name: str, weights: str | None, hparams: dict[str, Any]
) -> ColoringModel:
    """Create the model that the add-on refines.

    Args:
        create: `create_model`, or `create_inference_model`.
        name: See `create_model`.
        weights: See `create_model`.
        hparams: See `create_model`.

    Raises:
        ColorzooError: It names no taps.
    """
    on_meta = torch.get_default_device().type == "meta"  # shapes alone are wanted: there is nothing to load
    model = create(name, None if on_meta else weights, **hparams)
    if not isinstance(model, TappedModel):
        raise ColorzooError(
            f"backbone={name!r} names no taps, so that no add-on can refine it; it needs the attribute taps "
            "and the methods before_taps and after_taps (colorzoo.networks.taps)."
        )
    return model
