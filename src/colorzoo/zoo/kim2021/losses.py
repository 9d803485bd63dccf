"""Losses of the edge-enhancing network E, from the authors' slides."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from colorzoo.losses.edges import edge_error
from colorzoo.prediction import Prediction
from colorzoo.settings import NonNegativeFloat


@dataclass(frozen=True)
class Objective:
    """Settings of the loss L_edge + con_weight * L_con + reg_weight * L_reg.

    `EdgeLoss` describes the terms.

    Attributes:
        con_weight: Weight of L_con (lambda_con).
        reg_weight: Weight of L_reg (lambda_reg).
    """

    con_weight: NonNegativeFloat = 1.0
    reg_weight: NonNegativeFloat = 0.1


class EdgeLoss:
    """The loss L_edge + con_weight * L_con + reg_weight * L_reg.

    Args:
        objective: Settings of the loss.
    """

    def __init__(self, objective: Objective) -> None:
        self.objective = objective

    def terms(
        self, prediction: Prediction, target: Tensor, backbone_ab: Tensor, scribbles: Tensor
    ) -> dict[str, Tensor]:
        """Return the unweighted terms of the loss.

        Args:
            prediction: Prediction with scribbles, whose ``extras`` contain the residuals of the feature maps.
            target: Ground truth ab ``(B, 2, H, W)`` in CIE units.
            backbone_ab: Predicted ab ``(B, 2, H, W)`` without scribbles.
            scribbles: ``(B, 1, H, W)`` in {0, 1}.

        Returns:
            ``edge`` is L_edge, the color gradient error under the scribbles. ``con`` is L_con, the change of
            the color gradients elsewhere. ``reg`` is L_reg, the mean square of the residuals for feature
            maps, divided by `FeatureHook.scale`.
        """
        ab = prediction.to_ab()
        return {
            "edge": edge_error(ab, target, scribbles).mean(),
            "con": edge_error(ab, backbone_ab, 1 - scribbles).mean(),
            "reg": mean_residual_square(prediction),
        }

    def total(self, terms: dict[str, Tensor]) -> Tensor:
        """Return the weighted sum of the terms from `terms`."""
        weigh = self.objective
        return terms["edge"] + weigh.con_weight * terms["con"] + weigh.reg_weight * terms["reg"]


def mean_residual_square(prediction: Prediction) -> Tensor:
    """Return L_reg, the mean square of the residuals in the ``extras`` of a prediction."""
    return torch.stack([each.float().square().mean() for each in prediction.extras.values()]).mean()
