"""Training of Gray2ColorNet (Lu et al., ACM MM 2020).

The losses come from compiled files in the authors' repository, because the authors publish no training code.
Loss weights and learning rates come from a third-party re-implementation. The model page lists the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Unpack

from torch import Tensor

from colorzoo.data.dataset import Batch
from colorzoo.networks.gated_transfer import Reference
from colorzoo.training.exemplar import references_of
from colorzoo.training.gan import DiscriminatorConfig
from colorzoo.training.gated_transfer import GatedTransferModule, GatedTransferObjective
from colorzoo.training.optimization import AdversarialOptimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.lu2020.model import GatedTransfer
from colorzoo.zoo.lu2020.network import Architecture

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
        architecture: Settings of the network.
        objective: Settings of the losses.
        discriminator_config: Settings of the discriminator.
        stage: ``"body"`` trains only the layers that do not use references; None trains all layers.
        **optimization: See `AdversarialOptimization`.
    """

    stages = STAGES
    model: GatedTransfer

    def __init__(
        self,
        architecture: Architecture = Architecture(),
        objective: GatedTransferObjective = GatedTransferObjective(),
        discriminator_config: DiscriminatorConfig = DiscriminatorConfig(),
        stage: StageName | None = None,
        **optimization: Unpack[AdversarialOptimization],
    ) -> None:
        model = GatedTransfer(architecture)
        super().__init__(model, objective, discriminator_config, stage, **optimization)

    def read_references(self, batch: Batch) -> tuple[Reference, Tensor] | None:
        """Return the batch's references as network input, and their histograms ``(B, 441)``.

        Stage ``body`` trains without references, so the method returns None.
        """
        if self.stage == "body":
            return None
        reference = self.model.read(references_of(batch)[0].rgb)
        return reference, reference.histogram
