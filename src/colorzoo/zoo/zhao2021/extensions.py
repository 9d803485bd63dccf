"""Extensions that are not in Zhao et al. 2021.

Features of another model replace VGG-19, and some references in training are gray.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.factory import borrowed_trunk
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.settings import Fraction

_FOLD = 4  # space-to-depth factor of the appended colors
_SPREAD = (25.0, 10.0, 10.0)  # standard deviations of L, a and b in natural images


@dataclass(frozen=True)
class Extensions:
    """Extensions that are not in Zhao et al. 2021.

    Attributes:
        features: Name of a zhang2016 model that computes features for the color encoder and the perceptual
            loss; None uses VGG-19.
        gray_share: Fraction of the training images with a gray reference. These images train the model for
            inputs without a reference.
    """

    features: str | None = None
    gray_share: Fraction = 0.0


class BorrowedFeatures(nn.Module):
    """Feature network made of frozen layers of a zhang2016 model.

    Args:
        name: Name of the zhang2016 model.

    Raises:
        ColorzooError: The model is not a zhang2016 model, or has no trained weights on this machine.
    """

    channels: int
    """Channels of the deepest map."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.trunk = borrowed_trunk(name)
        self.channels = 3 * self.trunk.channels[-1] + 3 * _FOLD**2

    def forward(self, rgb: Tensor) -> tuple[Tensor, ...]:
        """Return feature maps of RGB images; the deepest map is at 1/16 scale.

        The layers process R, G and B as three gray images, so the features contain little chroma information.
        The deepest map therefore also contains the Lab colors.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1].
        """
        *shallow, deep = self.trunk.semantic(rgb)
        height, width = deep.shape[-2:]
        lab = F.adaptive_avg_pool2d(rgb_to_lab(rgb), (_FOLD * height, _FOLD * width))
        color = (lab - lab.new_tensor([50.0, 0, 0]).view(3, 1, 1)) / lab.new_tensor(_SPREAD).view(3, 1, 1)
        return (*shallow, torch.cat([deep, F.pixel_unshuffle(color, _FOLD).to(deep.dtype)], dim=1))


def initialize_large(layers: nn.Module) -> None:
    """Initialize convolutions with He initialization, which preserves the variance.

    PyTorch's smaller default weights suffice for the large activations of VGG-19. Smaller activations of
    other networks would nearly vanish after seven convolutions, so all color vectors would be nearly equal.
    """
    for layer in layers.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2)


def some_gray(references: Callable[[Batch], Tensor], batch: Batch, share: float) -> Tensor:
    """Return the references of a batch, with a random fraction of them converted to gray.

    Args:
        references: Function that returns the references ``(B, 3, H, W)`` of a batch, in [0, 1].
        batch: Training batch with per-image seeds.
        share: Fraction of gray references.
    """
    reference = references(batch)
    draws = draw_uniform(image_generators(batch["seed"], "gray"), len(reference), 1, reference.device)
    gray = lightness_to_rgb(rgb_to_lab(reference)[:, :1])
    return torch.where((draws < share)[..., None, None], gray, reference)
