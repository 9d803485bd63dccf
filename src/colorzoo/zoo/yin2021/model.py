"""Yes, "Attention Is All You Need", for Exemplar based Colorization (ACM MM 2021).

Yin et al. compute two colors per position: the mean color of matching reference positions, and a weighted
mean of 198 common colors. The weights are predicted from image features and the reference histogram. A
learned gate blends features of the two colors. https://doi.org/10.1145/3474085.3475385
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from colorzoo.model import ColoringModel
from colorzoo.networks.gated_transfer import GatedColorization, Reference
from colorzoo.networks.scaling import scaled_lab
from colorzoo.zoo.yin2021.network import REDUCED, STRIDE, Architecture, AttentionNet, color_histogram
from colorzoo.zoo.yin2021.published import NAMES


class AttentiveTransfer(GatedColorization, ColoringModel):
    """Exemplar colorization with colors of matching positions and weighted common colors.

    Args:
        architecture: Settings of the network.
    """

    stride = STRIDE
    published_names = NAMES
    network: AttentionNet

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(AttentionNet(architecture))
        self.architecture = architecture

    def read(self, rgb: Tensor) -> Reference:
        """Convert references ``(B, 3, H, W)`` in [0, 1] to the network input `Reference`."""
        square = self.resize_to_square(rgb)
        lab = scaled_lab(square)
        small = scaled_lab(F.avg_pool2d(square, REDUCED))
        return Reference(lab[:, :1], small[:, 1:], color_histogram(lab[:, 1:]))
