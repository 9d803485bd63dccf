"""Training of CT2 (Weng et al., ECCV 2022): classification of color tokens and regression of ab."""

from __future__ import annotations

from typing import Annotated, Unpack

import timm
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.color.bins import soft_neighbors
from colorzoo.data import Batch
from colorzoo.losses.color import with_weighted_gradient
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.settings import Fraction, NonNegativeFloat, Positive, PositiveInt, Range
from colorzoo.training import Optimization, RunSchedule, SingleOptimizerModule
from colorzoo.zoo.weng2022.model import (
    EXCLUDED_LOGIT,
    PATCH,
    TRAINED_GRID,
    ColorTokenColorization,
)


class Polynomial(RunSchedule):
    """Polynomial decay with exponent 0.9 to 1 % of the learning rate, as in the authors' code."""

    def factor(self, step: int, total: int) -> float:
        """Return 0.01 + 0.99 (1 - step / total) ** 0.9."""
        return 0.01 + 0.99 * (1 - step / total) ** 0.9


class Weng2022(SingleOptimizerModule):
    """Training task of `ColorTokenColorization`.

    Args:
        width: See `ColorTokenColorization`.
        encoder_depth: See `ColorTokenColorization`.
        decoder_depth: See `ColorTokenColorization`.
        ranges: See `ColorTokenColorization`.
        drop_path: See `ColorTokenColorization`.
        dropout: See `ColorTokenColorization`.
        temperature: See `ColorTokenColorization`.
        regression_weight: Weight of the smooth L1 loss of the regression branch.
        neighbors: Number of nearest bins that encode a true color.
        uniform: Weight of the uniform distribution that is mixed with the bin frequencies of ImageNet to
            compute the rebalancing weights; 1 disables rebalancing.
        encoder_weights: File with weights of timm's ``vit_large_patch16_384``, which are loaded into the
            encoder before training unless the model has trained weights; None keeps the weights of the
            encoder.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: ColorTokenColorization
    class_weights: Tensor

    def __init__(
        self,
        width: Annotated[int, Range(64, step=64)] = 1024,
        encoder_depth: PositiveInt = 24,
        decoder_depth: PositiveInt = 2,
        ranges: Annotated[int, Range(1, 100)] = 4,
        drop_path: Fraction = 0.1,
        dropout: Fraction = 0.1,
        temperature: Positive = 0.38,
        regression_weight: NonNegativeFloat = 10.0,
        neighbors: PositiveInt = 5,
        uniform: Fraction = 0.5,
        encoder_weights: str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(
            ColorTokenColorization(
                width, encoder_depth, decoder_depth, ranges, drop_path, dropout, temperature
            ),
            **optimization,
        )
        self.neighbors = neighbors
        self.encoder_weights = encoder_weights
        weights = rebalancing_weights(prior_probabilities(), uniform).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def prepare_fit(self) -> None:
        """Load the encoder weights if the model has no trained weights."""
        super().prepare_fit()
        if self.encoder_weights is not None and not self.trained:
            vit = timm.create_model(
                "vit_large_patch16_384",
                checkpoint_path=self.encoder_weights,
                img_size=PATCH * TRAINED_GRID,
                num_classes=0,
            )
            self.model.network.encoder.load_state_dict(vit.state_dict())

    def loss_terms(self, batch: Batch) -> dict[str, Tensor]:
        """Return the classification loss and the regression loss."""
        lab = rgb_to_lab(batch["rgb"])
        extras = self.model(lab[:, :1]).extras
        losses = classification_loss(
            extras["logits"], lab[:, 1:], self.class_weights, neighbors=self.neighbors
        )
        return {
            "classification": losses.mean(),
            "regression": regression_loss(extras["regression"], lab[:, 1:]),
        }


def classification_loss(logits: Tensor, ab: Tensor, class_weights: Tensor, *, neighbors: int) -> Tensor:
    """Return the divergence between soft-encoded true colors and predictions at each pixel.

    Bins that are impossible at the lightness of the pixel do not contribute a logarithm of the prediction.
    The class weight of the nearest bin multiplies the gradient but not the loss.

    Args:
        logits: ``(B, 313, H, W)`` with -1e4 for impossible bins.
        ab: ``(B, 2, H, W)`` ground truth in CIE units.
        class_weights: ``(313,)`` weights of the bins.
        neighbors: Number of bins in the soft encoding.

    Returns:
        ``(B H W,)`` float32.
    """
    # indices and probabilities of the bins nearest to each true color, (B H W, neighbors)
    bins, target = soft_neighbors(ab.movedim(1, -1).reshape(-1, 2), neighbors=neighbors)
    log_probabilities = logits.float().log_softmax(dim=1).movedim(1, -1).flatten(0, 2)  # (B H W, 313)
    near_log_probabilities = log_probabilities.gather(1, bins)
    is_possible = near_log_probabilities > EXCLUDED_LOGIT / 2  # other bins have about EXCLUDED_LOGIT
    prediction = near_log_probabilities.where(is_possible, 0.0)
    divergence = F.kl_div(prediction, target, reduction="none").sum(dim=1)
    nearest_bin = bins[:, 0]
    return with_weighted_gradient(divergence, class_weights[nearest_bin])


def regression_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Return the mean smooth L1 loss of ab ``(B, 2, H, W)`` in CIE units, divided by 110."""
    return F.smooth_l1_loss(predicted / AB_SCALE, target / AB_SCALE)
