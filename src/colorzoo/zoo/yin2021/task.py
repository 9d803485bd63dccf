"""Training of Yin et al. 2021 with the losses of Gray2ColorNet (`lu2020`).

The authors publish neither training code nor losses; the model page lists the sources.
"""

from __future__ import annotations

from typing import Annotated, Unpack

from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.losses.statistics import soft_histogram
from colorzoo.networks.gated_transfer import Reference
from colorzoo.networks.scaling import scaled_lab
from colorzoo.settings import Fraction, NonNegativeFloat, Positive, PositiveInt, Range, Width
from colorzoo.training.exemplar import references_of
from colorzoo.training.gated_transfer import GatedTransferModule
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.yin2021.model import AttentiveTransfer


class Yin2021(GatedTransferModule):
    """Training task of `AttentiveTransfer`.

    Args:
        width: See `AttentiveTransfer`.
        reference_side: See `AttentiveTransfer`.
        classes: See `AttentiveTransfer`.
        tau: See `AttentiveTransfer`.
        dropout: See `AttentiveTransfer`.
        pixel_weight: See `Lu2020`.
        histogram_weight: See `Lu2020`.
        variation_weight: See `Lu2020`.
        class_weight: See `Lu2020`.
        adversarial_weight: See `Lu2020`.
        discriminator_width: See `Lu2020`.
        **optimization: Optimizers and schedules of the generator and the discriminator; see
            `AdversarialOptimization`.
    """

    model: AttentiveTransfer

    def __init__(
        self,
        width: Width = 1.0,
        reference_side: Annotated[int, Range(32, unit="pixels", step=16)] = 256,
        classes: PositiveInt = 1000,
        tau: Positive = 0.01,
        dropout: Fraction = 0.1,
        pixel_weight: NonNegativeFloat = 1000.0,
        histogram_weight: NonNegativeFloat = 1.0,
        variation_weight: NonNegativeFloat = 10.0,
        class_weight: NonNegativeFloat = 1.0,
        adversarial_weight: NonNegativeFloat = 0.1,
        discriminator_width: Width = 1.0,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        super().__init__(
            AttentiveTransfer(width, reference_side, classes, tau, dropout),
            class_weight=class_weight,
            discriminator_width=discriminator_width,
            **optimization,
        )

    def read_references(self, batch: Batch) -> tuple[Reference, Tensor]:
        """Return the network input of the references and soft color histograms ``(B, 441)``."""
        rgb = references_of(batch)[0].rgb
        return self.model.read(rgb), soft_histogram(scaled_lab(rgb)[:, 1:]).flatten(1)
