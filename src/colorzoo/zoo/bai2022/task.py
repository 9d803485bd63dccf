"""Training of SSCN (Bai et al., ECCV 2022) with warped images as references."""

from __future__ import annotations

from typing import Annotated, Unpack

from torch import Tensor
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.data.self_references import warp_jitter_reference
from colorzoo.losses import grid_cross_entropy, total_variation
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, squashed
from colorzoo.randomness import image_generators
from colorzoo.settings import NonNegativeFloat, NonNegativeInt, PositiveInt, Range, Width
from colorzoo.training.exemplar import SelfReferenced
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.bai2022.model import CELL, Colored, SparseColorization


class Bai2022(SelfReferenced, SingleOptimizerModule):
    """Training task of `SparseColorization`.

    Args:
        width: See `SparseColorization`.
        side: See `SparseColorization`.
        classes: See `SparseColorization`.
        important: See `SparseColorization`.
        scattered: See `SparseColorization`.
        rough_weight: Weight of the smooth L1 loss on the ab / 110 of stage 1, the rough colors.
        fine_weight: Weight of the smooth L1 loss on the ab / 110 of stage 2, the final colors.
        class_weight: Weight of the cross-entropy of the reference classes. If the weight is 0, batches do not
            require class labels.
        variation_weight: Weight of the total variation of the ab / 110 of stage 2.
        bin_weight: Weight of the cross-entropy over the 529 bins of the ab grid.
        **optimization: See `Optimization`.
    """

    model: SparseColorization
    label_setting = "--model.classes"

    def __init__(
        self,
        width: Width = 1.0,
        side: Annotated[int, Range(64, unit="pixels", step=64)] = 256,
        classes: PositiveInt = 1000,
        important: PositiveInt = 256,
        scattered: NonNegativeInt = 256,
        rough_weight: NonNegativeFloat = 100.0,
        fine_weight: NonNegativeFloat = 100.0,
        class_weight: NonNegativeFloat = 0.1,
        variation_weight: NonNegativeFloat = 10.0,
        bin_weight: NonNegativeFloat = 1.0,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(SparseColorization(width, side, classes, important, scattered), **optimization)
        self.class_weight = class_weight
        if not class_weight:
            # DDP requires gradients of all trainable parameters
            self.model.network.classifier.requires_grad_(False)
        self.label_count = classes if class_weight else 0

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """Colorize images with their warped copies as references and return the losses."""
        rgb, seeds = batch["rgb"], batch["seed"]
        copies = warp_jitter_reference(rgb, image_generators(seeds, "reference"), degrees=0.0, jitter=0.0)
        truth, reference = (scaled_lab(squashed(each, self.model.side)) for each in (rgb, copies))
        scattered = self.model.by_chance(image_generators(seeds, "places")).to(rgb.device)
        colored = self.model.color(truth[:, :1], reference, scattered)
        return self.losses(colored, truth[:, 1:], batch["label"] if self.class_weight else None)

    def losses(self, colored: Colored, target: Tensor, label: Tensor | None) -> dict[str, Tensor]:
        """Return a dict that maps the names of the losses to their unweighted values.

        Args:
            colored: Output of the networks.
            target: ``(B, 2, side, side)``, ground truth ab / 110.
            label: ``(B,)``, classes of the references; None omits the classification loss.
        """
        terms = {
            "rough": F.smooth_l1_loss(colored.rough, target),
            "fine": F.smooth_l1_loss(colored.ab, target),
            "variation": total_variation(colored.ab),
            "bin": grid_cross_entropy(colored.logits, AB_SCALE * target, stride=CELL),
        }
        if label is not None:
            terms["class"] = F.cross_entropy(colored.classes, label)
        return terms
