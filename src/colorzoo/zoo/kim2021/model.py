"""Edge-aware interactive colorization against color bleeding (Kim et al., ICCV 2021).

The model is an add-on for a trained colorization model, the backbone. The user draws a scribble without color
over an edge with color bleeding. A small network E then refines the backbone's feature maps: the color edge
becomes sharp, and other regions do not change. https://arxiv.org/abs/2107.01619
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model, is_meta
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.feature_hooks import HookState
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.prediction import AbPrediction, Prediction
from colorzoo.zoo.kim2021.extensions import Extensions
from colorzoo.zoo.kim2021.network import EdgeNetwork


@dataclass(frozen=True)
class Architecture:
    """Settings of the network E.

    Attributes:
        hidden: Number of hidden channels of E for each feature hook (backbone layer that E modifies), or one
            number for all hooks.
    """

    hidden: tuple[int, ...] = (88, 64, 32)


class EdgeAwareColorization(ColoringModel):
    """Edge-enhancing network E on top of a frozen backbone.

    Attributes:
        backbone: Frozen model whose feature maps E refines.

    Args:
        backbone: Name of a registered model with feature hooks, which are layers whose output E can modify.
            See `ColoringModel.hooks`.
        backbone_weights: Weights of the backbone, such as a tag of its model card; see `create_model`.
        backbone_hparams: Hyperparameters of the backbone; None uses the defaults.
        architecture: Settings of the network E.
        extensions: Extensions that are not in the paper.

    Raises:
        ColorzooError: The backbone has no feature hooks.
    """

    network: EdgeNetwork
    backbone: BorrowedModel[ColoringModel]

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        architecture: Architecture = Architecture(),
        extensions: Extensions = Extensions(),
    ) -> None:
        weights = None if is_meta() else backbone_weights  # the meta device stores no weights
        model = create_coloring_model(backbone, weights, **(backbone_hparams or {}))
        if not model.hooks:
            raise ColorzooError(
                f"'backbone' must name a model with feature hooks (ColoringModel.hooks), got {backbone!r}"
            )
        super().__init__(extensions.build(model.hooks, architecture.hidden))
        self.architecture = architecture
        self.extensions = extensions
        self.backbone = BorrowedModel(model)
        self.working_size = model.working_size
        self.accepts = model.accepts | {"scribbles"}
        self.feature_layers = tuple(f"backbone.model.{layer}" for layer in model.feature_layers)

    def forward(
        self, lightness: Tensor, guidance: Guidance | None = None, state: HookState | None = None
    ) -> Prediction:
        """Colorize a batch; without scribbles, return the backbone's prediction.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Scribbles for E, and guidance for the backbone.
            state: Backbone activations at the first feature hook; None computes them.
        """
        backbone = self.backbone.model
        if guidance is None or guidance.scribbles is None:
            return backbone(lightness, guidance)
        if state is None:
            state = backbone.before_hooks(lightness, guidance)
        ab, residuals = self.network.refine(backbone, state, guidance.scribbles.mask, lightness)
        return AbPrediction(ab=ab, extras=residuals)

    def edit(self, lightness: Tensor, guidance: Guidance, state: dict[str, Any]) -> Prediction:
        """Colorize an image again; reuse the backbone activations if only the scribbles changed."""
        others = replace(guidance, scribbles=None)
        if guidance.scribbles is not None and (not state or not others.equals(state["guidance"])):
            state |= {"hooks": self.backbone.model.before_hooks(lightness, others), "guidance": others}
        return self(lightness, guidance, state.get("hooks"))
