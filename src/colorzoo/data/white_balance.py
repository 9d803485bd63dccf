"""White balance of training pictures: lamplight and old dyes lose a part of their warm cast."""

from __future__ import annotations

import torch
from torch import Tensor

from colorzoo.randomness import Generators, draw_uniform

_ONE_HUE = 0.88  # length of the mean color over the mean length of the colors, from which on it is a cast
_WARM = 0.02  # least mean of (R + G) / 2 - B, as blue and green casts are water and leaves
_LEAST = 0.4  # smallest part of a cast that is removed
_BRIGHTEST = 0.995  # quantile of the values that stays within 1
_DARKEST = 1e-3  # least mean of a channel


def balance_photos(rgb: Tensor, generators: Generators, share: float) -> Tensor:
    """Remove a part of the cast from some of the pictures of one warm hue, as a camera balances lamplight.

    Each channel is multiplied by the power t of the ratio of the mean of all channels to its own mean, the
    gray-world assumption (Buchsbaum 1980), with t uniform on [0.4, 1]. If values would exceed 1 then, the
    picture becomes darker. Pictures of several hues, and of a cool one, stay as they are.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: One random generator for the batch, or one per picture.
        share: Share of the pictures of one warm hue, in [0, 1].

    Returns:
        ``(B, 3, H, W)`` in [0, 1].
    """
    chance, part = draw_uniform(generators, len(rgb), 2, rgb.device).T
    chosen = (chance < share) & has_warm_cast(rgb)
    means = rgb.mean(dim=(2, 3)).clamp(min=_DARKEST)
    gains = (means.mean(dim=1, keepdim=True) / means) ** (_LEAST + (1 - _LEAST) * part[:, None])
    balanced = rgb * gains[:, :, None, None]
    values = balanced.flatten(1)  # torch.quantile refuses large batches
    brightest = values.kthvalue(round(_BRIGHTEST * values.shape[1]), dim=1).values.clamp(min=1)
    balanced = (balanced / brightest[:, None, None, None]).clamp(max=1)
    return torch.where(chosen[:, None, None, None], balanced, rgb)


def has_warm_cast(rgb: Tensor) -> Tensor:
    """Return which pictures have one warm hue nearly everywhere, ``(B,)``.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
    """
    red, green, blue = rgb.unbind(dim=1)
    opponent = torch.stack([red - green, (red + green) / 2 - blue], dim=1)
    mean: Tensor = opponent.mean(dim=(2, 3))
    length: Tensor = opponent.square().sum(dim=1).sqrt().mean(dim=(1, 2)).clamp(min=1e-6)
    return (mean.square().sum(dim=1).sqrt() >= _ONE_HUE * length) & (mean[:, 1] >= _WARM)
