"""Implicit rank minimization: linear layers in a row turn gradient descent towards features of low rank.

Jing, Zbontar and LeCun 2020 (https://arxiv.org/abs/2010.00679). A product of linear layers is one linear
layer, so that nothing of them is left when training is over.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RankLayers(nn.Module):
    """Linear 1x1 layers without bias, which begin as the identity.

    Args:
        channels: Of the features.
        count: How many layers.
    """

    def __init__(self, channels: int, count: int) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.eye(channels) for _ in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """Return ``(B, C, H, W)`` features multiplied by every matrix in turn."""
        for weight in self.weights:
            x = F.conv2d(x, weight[:, :, None, None])
        return x


def fold_rank_layers(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Multiply the rank layers of a `HintUNet` into the transposed convolution that reads them.

    Args:
        state_dict: With ``...rank_layers.weights.N`` and ``...up8.weight``; one without is returned as it is.

    Returns:
        The state dict of the same network without these layers, which answers the same.
    """
    folded = dict(state_dict)
    names = sorted((k for k in folded if ".rank_layers." in k), key=lambda k: int(k.rpartition(".")[2]))
    if not names:
        return folded
    up = names[0].partition("rank_layers.")[0] + "up8.weight"
    product = reduce(torch.matmul, [folded[name].double() for name in reversed(names)])
    folded[up] = torch.einsum("cd,cohw->dohw", product, folded[up].double()).to(folded[up].dtype)
    return {key: value for key, value in folded.items() if key not in names}
