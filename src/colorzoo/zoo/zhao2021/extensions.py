"""What is not in the paper of Zhao et al. 2021: borrowed features, and references without color."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.networks.trunk import BorrowedTrunk
from colorzoo.randomness import draw_uniform, picture_generators
from colorzoo.tasks.stages import Start, trained_lender
from colorzoo.zoo.zhao2021.references import gray_picture

_FOLD = 4  # places along each side whose colors become channels of one
_SPREAD = (25.0, 10.0, 10.0)  # of L, a and b in photos


@dataclass(frozen=True)
class Extensions:
    """Extensions of Zhao et al. 2021.

    Attributes:
        features: Registered model of the zhang2016 family whose layers see references, and judge pictures in
            training, in place of VGG-19; None is the paper's.
        gray_share: Share of the training pictures whose reference loses its colors, so that the network
            learns what to do without one.
    """

    features: str | None = None
    gray_share: float = 0.0


class BorrowedFeatures(nn.Module):
    """Feature maps of a trained automatic model, in place of VGG-19; see `BorrowedTrunk`.

    Args:
        name: Of the registered model.

    Raises:
        ColorzooError: It has no trained weights on this machine, or is of another family.
    """

    channels: int
    """Channels of the deepest map."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = BorrowedTrunk(trained_lender(Start(name), "features", offline=True).network)
        self.channels = 3 * self.trunk.channels[-1] + 3 * _FOLD**2

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return three maps of ``(B, 3, H, W)`` RGB in [0, 1], the deepest at H/16.

        To the deepest the colors at H/4 are added: the lender's layers see one channel at a time, and hardly
        how strong a color is.
        """
        *shallow, deep = self.trunk.semantic(rgb)
        height, width = deep.shape[-2:]
        lab = F.adaptive_avg_pool2d(rgb_to_lab(rgb), (_FOLD * height, _FOLD * width))
        color = (lab - lab.new_tensor([50.0, 0, 0]).view(3, 1, 1)) / lab.new_tensor(_SPREAD).view(3, 1, 1)
        return (*shallow, torch.cat([deep, F.pixel_unshuffle(color, _FOLD).to(deep.dtype)], dim=1))


def start_large(layers: nn.Module) -> None:
    """Draw the weights of convolutions so that their outputs vary as much as their inputs (He).

    VGG-19's activations are large enough for PyTorch's smaller start, those of normalized layers are not:
    through seven convolutions they fade to vectors that hardly differ.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)


def without_some_colors(reference: Tensor, seeds: Tensor, share: float) -> Tensor:
    """Take the colors out of a share of the references ``(B, 3, H, W)``, by the pictures' own seeds."""
    if not share:
        return reference
    draws = draw_uniform(picture_generators(seeds, "gray"), len(reference), 1, reference.device)
    gray = gray_picture(rgb_to_lab(reference)[:, :1])
    return torch.where((draws < share)[..., None, None], gray, reference)
