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
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.model import ColoringModel
from colorzoo.networks.feature_hooks import HookState
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.prediction import AbPrediction, Prediction, RgbPrediction
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


@dataclass(frozen=True)
class EncodedImage:
    """Backbone activations that do not depend on scribbles and can be reused.

    Attributes:
        state: Backbone activations at the first feature hook (first layer that E modifies).
        lightness: Backbone input ``(B, 1, H, W)``.
    """

    state: HookState
    lightness: Tensor


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
        weights = None if is_meta() else backbone_weights
        model = create_coloring_model(backbone, weights, **(backbone_hparams or {}))
        if not model.hooks:
            raise ColorzooError(
                f"'backbone' must name a model with feature hooks (ColoringModel.hooks), got {backbone!r}"
            )
        supported = extensions
        if model.output_kind == "rgb":
            supported = replace(extensions, propagation=0)  # propagation requires ab
        super().__init__(supported.build(model.hooks, architecture.hidden))
        self.architecture = architecture
        self.extensions = extensions
        self.backbone = BorrowedModel(model)
        # input, output and feature layers are those of the backbone; scribbles are an additional guidance
        self.accepts = model.accepts | {"scribbles"}
        self.feature_layers = tuple(f"backbone.model.{layer}" for layer in model.feature_layers)
        self.input_kind, self.output_kind = model.input_kind, model.output_kind

    def forward(
        self, lightness: Tensor, guidance: Guidance | None = None, encoded: EncodedImage | None = None
    ) -> Prediction:
        """Colorize a batch; without scribbles, return the backbone's prediction.

        Args:
            lightness: Backbone input ``(B, 1, H, W)``.
            guidance: Scribbles for E, and guidance for the backbone.
            encoded: Output of `encode` for these inputs, to avoid computing it again; None calls `encode`.
        """
        if guidance is None or guidance.scribbles is None:
            return self.backbone.model(lightness, guidance)
        encoded = self.encode(lightness, guidance) if encoded is None else encoded
        return self.refine(encoded, guidance.scribbles)

    def edit(self, lightness: Tensor, guidance: Guidance, state: dict[str, Any]) -> Prediction:
        """Colorize an image again; reuse the backbone activations if only the scribbles changed."""
        if guidance.scribbles is None:
            return self(lightness, guidance)
        others = replace(guidance, scribbles=None)
        if not state or not others.equals(state["guidance"]):
            state |= {"encoded": self.encode(lightness, others), "guidance": others}
        return self.refine(state["encoded"], guidance.scribbles)

    def encode(self, lightness: Tensor, guidance: Guidance | None) -> EncodedImage:
        """Run the backbone up to the first feature hook; see `forward` for the arguments."""
        return EncodedImage(self.backbone.model.before_hooks(lightness, guidance), lightness)

    def refine(self, encoded: EncodedImage, scribbles: Scribbles) -> Prediction:
        """Run the backbone from the first feature hook, with the refined feature maps.

        Args:
            encoded: Output of `encode`.
            scribbles: Scribbles over edges with color bleeding.

        Returns:
            Prediction for the batch. ``extras`` maps the name of each feature hook to the residual that E
            computed, divided by `FeatureHook.scale`.
        """
        backbone, state = self.backbone.model, encoded.state
        image, residuals = self.network.refine(backbone, state, scribbles.mask, encoded.lightness)
        if self.output_kind == "rgb":
            return RgbPrediction(rgb=image, extras=residuals)
        return AbPrediction(ab=image, extras=residuals)
