"""Training of Colorful Image Colorization (Zhang et al., ECCV 2016).

The network predicts a distribution over 313 colors. Rare colors have a higher weight in the loss.
https://arxiv.org/abs/1603.08511
"""

from __future__ import annotations

from pathlib import Path
from typing import Unpack
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import prior_probabilities, rebalancing_weights, rgb_to_lab
from colorzoo.color.bins import hull_mask
from colorzoo.data.dataset import Batch
from colorzoo.errors import ColorzooError
from colorzoo.losses import rebalanced_cross_entropy
from colorzoo.settings import Fraction, Positive, PositiveInt, Width
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.zhang2016.model import LOGIT_STRIDE, ColorfulColorization

_SAME = tuple(f"block{index}." for index in range(1, 8))
_RENAMED = {"up8.": "block8.0.", "block8.1.": "block8.2.", "block8.3.": "block8.4."}
_BATCH_NORM_EPS = 1e-5


class Zhang2016(SingleOptimizerModule):
    """Training task of `ColorfulColorization`.

    Args:
        width: See `ColorfulColorization`.
        temperature: See `ColorfulColorization`.
        uniform: Weight of the uniform distribution when it is averaged with the bin frequencies to compute
            the rebalancing weights (lambda of eq. 4). The paper uses 0.5; 1 disables rebalancing.
        prior: ``.npy`` file with the bin frequencies ``(313,)`` of the training images, written by
            ``colorzoo data prior``; None uses the ImageNet frequencies.
        neighbors: Number of nearest bins that encode a true color (eq. 2): 10 in the published code, 5 in
            the paper.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    model: ColorfulColorization
    class_weights: Tensor

    def __init__(
        self,
        width: Width = 1.0,
        temperature: Positive = 0.38,
        uniform: Fraction = 0.5,
        prior: str | None = None,
        neighbors: PositiveInt = 10,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(ColorfulColorization(width, temperature), **optimization)
        self.neighbors = neighbors
        # loss weights of the 313 color bins, which are higher for rare colors
        frequencies = prior_probabilities() if prior is None else read_prior(prior)
        weights = rebalancing_weights(frequencies.double(), uniform).float()
        self.register_buffer("class_weights", weights, persistent=False)

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the layers that this model shares with a zhang2017 model of equal width.

        The paper uses a k-means initialization instead.

        Args:
            source: Task of the zhang2017 model.

        Raises:
            ColorzooError: The input normalization of the other model differs.
        """
        mask_center = getattr(source.model.network, "mask_center", 0.0)
        if mask_center:  # the mask without points, -mask_center, is part of the input of the copied layers
            raise ColorzooError(f"--init_from must name a model with mask_center 0.0, got {mask_center}")
        # subsampling by 2 in zhang2017 is equivalent to stride 2 in the network of this model
        prefix = "network.unet."
        state = source.model.state_dict()
        unet = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
        if "class_head.weight" not in unet or "up8.weight" not in unet:
            return {}
        copied = {key: value for key, value in unet.items() if key.startswith(_SAME)}
        copied["block1.0.weight"] = copied["block1.0.weight"][:, :1]  # keep the lightness channel only
        for source_layer, layer in _RENAMED.items():
            for parameter in ("weight", "bias"):
                copied[layer + parameter] = unet[source_layer + parameter]
        # select the 313 bins of the head and fold the preceding BatchNorm into its weights
        scale = unet["block8.5.weight"] / torch.sqrt(unet["block8.5.running_var"] + _BATCH_NORM_EPS)
        shift = unet["block8.5.bias"] - unet["block8.5.running_mean"] * scale
        weight = unet["class_head.weight"][hull_mask()]
        copied["class_head.weight"] = weight * scale[None, :, None, None]
        copied["class_head.bias"] = unet["class_head.bias"][hull_mask()] + weight[:, :, 0, 0] @ shift
        return {f"model.network.{name}": value for name, value in copied.items()}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the rebalanced cross-entropy of the predicted color distributions."""
        lab = rgb_to_lab(batch["rgb"])
        target = lab[:, 1:, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
        logits = self.model(lab[:, :1]).extras["logits"]
        loss = rebalanced_cross_entropy(logits, target, self.class_weights, neighbors=self.neighbors).mean()
        self.log_losses({"loss": loss}, len(lab))
        return loss


def read_prior(path: str) -> Tensor:
    """Read bin frequencies ``(313,)`` from an ``.npy`` file.

    Raises:
        ColorzooError: The file cannot be read or does not contain 313 frequencies that sum to 1.
    """
    option = f"--model.prior {path!r}"
    hint = "Create the file with `colorzoo data prior`."
    try:
        prior = torch.from_numpy(np.load(Path(path), allow_pickle=False)).double()
    except (OSError, ValueError, TypeError, EOFError, BadZipFile) as error:
        raise ColorzooError(f"{option} cannot be read: {error}. {hint}") from error
    bins = len(prior_probabilities())
    is_valid = prior.shape == (bins,) and bool((prior >= 0).all()) and 0.99 < float(prior.sum()) < 1.01
    if not is_valid:
        raise ColorzooError(f"{option} must contain {bins} frequencies that sum to 1. {hint}")
    return prior
