"""Training of Gray2ColorNet (Lu et al., ACM MM 2020).

The losses come from compiled files in the authors' repository, because the authors publish no training code.
Loss weights and learning rates come from a third-party re-implementation. The model page lists the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Unpack

from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.networks.gated_transfer import Reference
from colorzoo.settings import NonNegativeFloat, Positive, PositiveInt, Range, Width
from colorzoo.training.exemplar import references_of
from colorzoo.training.gated_transfer import GatedTransferModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.lu2020.model import GatedTransfer

StageName = Literal["body"]
STAGES: Mapping[str, Stage] = {
    "body": Stage(
        (
            "discriminator.*",
            *(f"model.network.{part}.*" for part in ("body", "levels", "heads", "classifier")),
        )
    )
}


class Lu2020(GatedTransferModule):
    """Training task of `GatedTransfer`.

    Args:
        width: See `GatedTransfer`.
        reference_side: See `GatedTransfer`.
        classes: See `GatedTransfer`.
        tau: See `GatedTransfer`.
        pixel_weight: Weight of the smooth L1 loss of ab / 110, summed over the three resolutions at which the
            network predicts colors.
        histogram_weight: Weight of the chi-square distance between the ab histograms of the prediction and
            the reference.
        variation_weight: Weight of the total variation of the predicted ab / 110.
        class_weight: Weight of the cross-entropy of the image class. If 0, labels are not required.
        adversarial_weight: Weight of the least-squares adversarial loss. If 0, no discriminator is trained.
        discriminator_width: Multiplier for the channel counts of the discriminator; 1.0 matches the published
            network.
        stage: ``"body"`` trains only the layers that do not use references; None trains all layers.
        **optimization: See `AdversarialOptimization`.
    """

    stages = STAGES
    model: GatedTransfer

    def __init__(
        self,
        width: Width = 1.0,
        reference_side: Annotated[int, Range(16, unit="pixels", step=8)] = 128,
        classes: PositiveInt = 1000,
        tau: Positive = 0.01,
        pixel_weight: NonNegativeFloat = 1000.0,
        histogram_weight: NonNegativeFloat = 1.0,
        variation_weight: NonNegativeFloat = 10.0,
        class_weight: NonNegativeFloat = 1.0,
        adversarial_weight: NonNegativeFloat = 0.1,
        discriminator_width: Width = 1.0,
        stage: StageName | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(
            GatedTransfer(width, reference_side, classes, tau),
            class_weight=class_weight,
            discriminator_width=discriminator_width,
            stage=stage,
            **optimization,
        )

    def read_references(self, batch: Batch) -> tuple[Reference, Tensor] | None:
        """Return the batch's references as network input, and their histograms ``(B, 441)``.

        Stage ``body`` trains without references, so the method returns None.
        """
        if self.stage == "body":
            return None
        reference = self.model.read(references_of(batch)[0].rgb)
        return reference, reference.histogram
