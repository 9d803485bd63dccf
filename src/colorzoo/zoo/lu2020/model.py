"""Gray2ColorNet: Transfer More Colors from Reference Image (Lu et al., ACM MM 2020).

The decoder receives features of matched reference positions and features of the reference's color histogram.
A learned gate estimates the reliability of each match and blends the features accordingly.
https://doi.org/10.1145/3394171.3413594
"""

from __future__ import annotations

from torch import Tensor

from colorzoo.losses import soft_histogram
from colorzoo.model import ColoringModel
from colorzoo.networks.gated_transfer import GatedColorization, Reference
from colorzoo.networks.scaling import scaled_lab
from colorzoo.zoo.lu2020.network import STRIDE, Architecture, Gray2ColorNet
from colorzoo.zoo.lu2020.published import NAMES


class GatedTransfer(GatedColorization, ColoringModel):
    """Exemplar colorization with matched colors and the exemplar's color histogram.

    Args:
        architecture: Settings of the network.
    """

    stride = STRIDE
    published_names = NAMES
    network: Gray2ColorNet

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(Gray2ColorNet(architecture))
        self.architecture = architecture

    def read(self, rgb: Tensor) -> Reference:
        """Convert RGB references ``(B, 3, H, W)`` in [0, 1] to lightness, ab and histogram."""
        lab = scaled_lab(self.resize_to_square(rgb))
        return Reference(lab[:, :1], lab[:, 1:], soft_histogram(lab[:, 1:]).flatten(1))
