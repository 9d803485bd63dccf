"""Training of Yin et al. 2021 with the losses of Gray2ColorNet (`lu2020`).

The authors publish neither training code nor losses; the model page lists the sources.
"""

from __future__ import annotations

from typing import Unpack

from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.losses import soft_histogram
from colorzoo.networks.gated_transfer import Reference
from colorzoo.networks.scaling import scaled_lab
from colorzoo.training.exemplar import references_of
from colorzoo.training.gan import DiscriminatorConfig
from colorzoo.training.gated_transfer import GatedTransferModule, GatedTransferObjective
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.zoo.yin2021.model import AttentiveTransfer
from colorzoo.zoo.yin2021.network import Architecture


class Yin2021(GatedTransferModule):
    """Training task of `AttentiveTransfer`.

    Args:
        architecture: Settings of the network.
        objective: Settings of the losses.
        discriminator_config: Settings of the discriminator.
        **optimization: Optimizers and schedules of the generator and the discriminator; see
            `AdversarialOptimization`.
    """

    model: AttentiveTransfer

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: GatedTransferObjective = GatedTransferObjective(),
        discriminator_config: DiscriminatorConfig = DiscriminatorConfig(),
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = AttentiveTransfer(architecture)
        super().__init__(model, objective, discriminator_config, **optimization)

    def read_references(self, batch: Batch) -> tuple[Reference, Tensor]:
        """Return the network input of the references and soft color histograms ``(B, 441)``."""
        rgb = references_of(batch)[0].rgb
        return self.model.read(rgb), soft_histogram(scaled_lab(rgb)[:, 1:]).flatten(1)
