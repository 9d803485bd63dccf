"""The losses of Xu et al. 2020, sec. 3."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.zoo.xu2020.transfer import Encoder, keep, pad_picture


def masked_huber(
    ab: Tensor, target: Tensor, mask: Tensor, *, hint_weight: float = 10.0, delta: float = 1.0
) -> Tensor:
    """Return the mean Huber distance in which hinted pixels weigh more (L_c of the paper).

    Args:
        ab: ``(B, 2, H, W)`` prediction in CIE units.
        target: ``(B, 2, H, W)`` truth in CIE units.
        mask: ``(B, 1, H, W)`` in {0, 1}.
        hint_weight: lambda: prediction and truth are both multiplied by ``1 + lambda * mask``.
        delta: Distance, of ab over 110, at which the square becomes linear.
    """
    weight = (1 + hint_weight * mask) / AB_SCALE
    return F.huber_loss(weight * ab, weight * target, delta=delta)


def reconstruction_losses(encoder: Encoder, rgb: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean squared errors of the picture and of its relu4_1.

    Args:
        encoder: Whose features are compared; no gradient reaches those of the target.
        rgb: ``(B, 3, H, W)`` reconstruction.
        target: ``(B, 3, H, W)`` in [0, 1].
    """
    found = encoder(pad_picture(rgb), keep).bottom.float()
    wanted = encoder(pad_picture(target), keep).bottom.detach().float()
    return F.mse_loss(rgb, target), F.mse_loss(found, wanted)
