"""Training of the edge-enhancing network E (Kim et al., ICCV 2021).

The losses follow the authors' slides. The model page lists this library's choices where the slides omit
details. The arguments from ``read_lightness`` on are not in the paper.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, relative_boxes
from colorzoo.guidance import Boxes, Guidance
from colorzoo.losses.edges import color_error, edge_error, widened
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, PositiveInt
from colorzoo.simulation.points import simulate_points
from colorzoo.simulation.scribbles import simulate_scribbles
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.kim2021.model import EdgeAwareColorization

_SOUND = 2e-4  # squared error of ab / 110 for an image without bleeding: 1.6 CIE units
_MAX_BOXES = 8  # boxes of an image that are used, as in the training of su2020


class Kim2021(SingleOptimizerModule):
    """Training task of `EdgeAwareColorization` with a frozen backbone.

    Args:
        backbone: See `EdgeAwareColorization`.
        backbone_weights: See `EdgeAwareColorization`.
        backbone_hparams: See `EdgeAwareColorization`.
        hidden: See `EdgeAwareColorization`.
        con_weight: Weight of L_con (lambda_con).
        reg_weight: Weight of L_reg (lambda_reg).
        hints: Fraction of the training images with color points, if the backbone accepts points.
        empty: Fraction of the training images without scribbles.
        strokes: Maximum number of scribbles per training image.
        jitter: Maximum distance in pixels between a scribble and its edge.
        lost: Minimum fraction of a true edge's color gradient that the backbone's prediction must lack for
            the edge to count as missing. Scribbles are drawn over missing edges.
        read_lightness: See `EdgeAwareColorization`.
        reach: See `EdgeAwareColorization`.
        propagation: See `EdgeAwareColorization`.
        edge_band: Distance in pixels up to which the loss L_edge and the color error include the surroundings
            of the scribbles.
        relative: Whether to divide the losses of each image by the backbone's error without scribbles, so
            that images with weak and strong colors have equal weight.
        color_weight: Weight of the loss ``color``, the squared color error near the scribbles.
        hold_weight: Weight of the loss ``hold``, the squared color change away from the scribbles.
        **optimization: See `Optimization`.
    """

    validation_names = ("plain", "scribbles")
    model: EdgeAwareColorization

    def __init__(
        self,
        backbone: str = "zhang2017_local",
        backbone_weights: str | None = "default",
        backbone_hparams: dict[str, Any] | None = None,
        hidden: tuple[int, ...] = (88, 64, 32),
        con_weight: NonNegativeFloat = 1.0,
        reg_weight: NonNegativeFloat = 0.1,
        hints: Fraction = 0.5,
        empty: Fraction = 0.1,
        strokes: PositiveInt = 5,
        jitter: NonNegativeFloat = 2.0,
        lost: Fraction = 0.3,
        read_lightness: bool = False,
        reach: int | None = None,
        propagation: NonNegativeInt = 0,
        edge_band: NonNegativeInt = 0,
        relative: bool = False,
        color_weight: NonNegativeFloat = 0.0,
        hold_weight: NonNegativeFloat = 0.0,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = EdgeAwareColorization(
            backbone, backbone_weights, backbone_hparams, hidden, read_lightness, reach, propagation
        )
        super().__init__(model, **optimization)
        self.edge_band, self.relative = edge_band, relative
        self.color_weight, self.hold_weight = color_weight, hold_weight
        self.hints, self.lost, self.strokes = hints, lost, strokes
        self.jitter, self.empty = jitter, empty

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """Simulate scribbles over edges with color bleeding and return the losses.

        The paper's loss is L_edge + con_weight * L_con + reg_weight * L_reg. L_edge is the color gradient
        error under the scribbles. L_con is the change of the color gradients elsewhere. L_reg is the mean
        square of the residuals, which E adds to the feature maps of the backbone.
        """
        lab = rgb_to_lab(batch["rgb"])
        lightness, ab = lab[:, :1], lab[:, 1:]
        backbone = self.model.backbone.model

        # colors of the backbone without E, and scribbles over its color bleeding
        with torch.no_grad():
            points = None
            if "points" in self.accepts:
                generators = image_generators(batch["seed"], "points")
                points = simulate_points(ab, generators, none=1 - self.hints)
            guidance = Guidance(points=points, boxes=self._boxes_of(batch))
            encoded = backbone.encode(lightness, guidance)
            backbone_ab = backbone.decode(encoded, (lightness.shape[-2], lightness.shape[-1]))
            generators = image_generators(batch["seed"], "strokes")
            scribbles = simulate_scribbles(
                backbone_ab,
                ab,
                generators,
                lost=self.lost,
                most=self.strokes,
                jitter=self.jitter,
                none=self.empty,
            )

        prediction = self.model(lightness, replace(guidance, scribbles=scribbles), encoded)
        predicted = prediction.to_ab()
        near = widened(scribbles.mask, self.edge_band)

        # errors near the scribbles and changes elsewhere, weighted for each image
        edge_weights = self._image_weights(edge_error(backbone_ab, ab, near))
        terms = {
            "edge": (edge_error(predicted, ab, near) * edge_weights).mean(),
            "con": (edge_error(predicted, backbone_ab, 1 - near) * edge_weights).mean(),
            "reg": torch.stack([each.float().square().mean() for each in prediction.extras.values()]).mean(),
        }
        if self.color_weight or self.hold_weight:  # not in the paper
            color_weights = self._image_weights(color_error(backbone_ab, ab, near))
            terms["color"] = (color_error(predicted, ab, near) * color_weights).mean()
            terms["hold"] = (color_error(predicted, backbone_ab, 1 - near) * color_weights).mean()
        return terms

    def _image_weights(self, backbone_errors: Tensor) -> Tensor:
        """Return loss weights ``(B,)`` of the images; all weights are 1 unless ``relative`` is set."""
        return 1 / (backbone_errors + _SOUND) if self.relative else torch.ones_like(backbone_errors)

    def _boxes_of(self, batch: Batch) -> Boxes | None:
        """Return the boxes of objects in the batch; None if the backbone or the data has no boxes."""
        if "boxes" not in self.accepts or "boxes" not in batch:
            return None
        boxes = [each[:_MAX_BOXES] for each in relative_boxes(batch)]
        return Boxes.of(boxes).to(batch["rgb"].device)

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
        drawn = simulate_scribbles(first, lab[:, 1:], generators, none=0)
        yield "scribbles", replace(plain, scribbles=drawn)
