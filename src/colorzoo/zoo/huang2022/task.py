"""Training of the Hybrid-Transformer over a trained Chroma-VQGAN (Huang, Zhao and Liao, 2022)."""

from __future__ import annotations

from typing import Any, Literal, Unpack

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.data.dataset import Batch
from colorzoo.errors import WeightsError
from colorzoo.losses import sum_over_processes
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.huang2022.model import Matching, Sampling, UniColor
from colorzoo.zoo.huang2022.transformer import HybridTransformer, TransformerSizes
from colorzoo.zoo.huang2022.users import MASKED, SEEN, Users, simulate
from colorzoo.zoo.huang2022.vqgan import CELL, VQGANSizes, gray_of


class Huang2022(SingleOptimizerModule):
    """Task of the transformer of `UniColor`; Chroma-VQGAN stays as it is.

    Args:
        vqgan: Sizes of Chroma-VQGAN.
        transformer: Sizes of the transformer.
        sampling: The drawing of codes, in validation.
        matching: The exemplar's matching, which training does not use.
        users: The simulated users.
        codes_of: ``trained`` needs the weights of Chroma-VQGAN, ``random`` is for tests.
        **optimization: See `Optimization`.
    """

    model: UniColor
    users: Users

    def __init__(
        self,
        vqgan: VQGANSizes = VQGANSizes(),
        transformer: TransformerSizes = TransformerSizes(),
        sampling: Sampling = Sampling(),
        matching: Matching = Matching(),
        users: Users = Users(),
        codes_of: Literal["trained", "random"] = "trained",
        **optimization: Unpack[Optimization],
    ) -> None:
        self.codes_of = codes_of
        model = UniColor(vqgan, transformer, sampling, matching)
        model.network.vqgan.requires_grad_(False)
        super().__init__(model, **optimization)

    def setup(self, stage: str) -> None:
        """Begin training.

        Raises:
            WeightsError: Chroma-VQGAN has random weights.
        """
        super().setup(stage)
        loaded = self.trained or self.allow_untrained or self.codes_of == "random"
        if stage == "fit" and not loaded:
            raise WeightsError(
                "the transformer learns the codes of a trained Chroma-VQGAN; give the checkpoint of "
                "huang2022/vqgan_imagenet.yaml as --init_from FILE."
            )

    def optimized_parameters(self) -> list[dict[str, Any]]:
        """Return two groups: weights of linear layers, which decay, and all others."""
        return transformer_groups(self.model.network.transformer)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mask the codes of pictures, give some hints, and compare the prediction with the codes."""
        rgb, network = batch["rgb"], self.model.network
        with torch.no_grad():
            target = network.vqgan.encode(2 * rgb - 1)
            gray = network.vqgan.gray_features(gray_of(2 * rgb - 1)).flatten(2).mT
        shape = (rgb.shape[2] // CELL, rgb.shape[3] // CELL)
        mask, hints = simulate(rgb, batch["seed"].tolist(), shape, self.users)
        logits = network.transformer(gray, fed_codes(target, mask, network.transformer.mask_token), hints)
        loss = masked_cross_entropy(logits, target, mask)
        self.log_losses({"loss": loss}, len(rgb))
        return loss


def fed_codes(codes: Tensor, mask: Tensor, mask_token: int) -> Tensor:
    """Return the codes ``(B, rows, columns)`` that the transformer reads.

    Candidates without a hint keep their true codes although the loss counts them, as published.
    """
    return codes.masked_fill(mask == MASKED, mask_token)


def masked_cross_entropy(logits: Tensor, codes: Tensor, mask: Tensor) -> Tensor:
    """Return the mean cross-entropy over all cells that are not seen, with or without a hint.

    The mean is over the cells of all processes, however they share the pictures.

    Args:
        logits: ``(B, rows * columns, codes)``.
        codes: ``(B, rows, columns)``.
        mask: ``(B, rows, columns)``.
    """
    counted = (mask != SEEN).flatten()
    terms = F.cross_entropy(logits.float().flatten(0, 1), codes.flatten(), reduction="none")
    ones = counted.sum().to(terms)
    everywhere = sum_over_processes(torch.stack([ones, torch.ones_like(ones)]))
    return terms[counted].sum() * everywhere[1] / everywhere[0]


def transformer_groups(transformer: HybridTransformer) -> list[dict[str, Any]]:
    """Return the parameter groups of the transformer: embeddings, biases and normalizations do not decay."""
    decaying = {module.weight for module in transformer.modules() if isinstance(module, nn.Linear)}
    others = [p for p in transformer.parameters() if p.requires_grad and p not in decaying]
    weights = [p for p in transformer.parameters() if p.requires_grad and p in decaying]
    return [{"params": weights}, {"params": others, "weight_decay": 0.0}]
