"""XCNET, exemplar colorization by attention (Gorriz Blanch et al., MMSP 2021).

At three scales, attention adds VGG-19 features of a reference to the image features. A decoder predicts ab
from the fused features. https://arxiv.org/abs/2105.01705
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.scaling import AB_SCALE, scaled_lab, scaled_lightness, squashed
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.blanch2021.network import Architecture, XCNet
from colorzoo.zoo.blanch2021.published import NAMES


class AttentionStylization(ColoringModel):
    """Exemplar colorization by multi-scale axial attention.

    Args:
        architecture: Settings of the network.
    """

    accepts = frozenset({"exemplar"})
    feature_layers = (
        "network.features.3",
        "network.features.8",
        "network.features.17",
        "network.features.26",
        "network.features.35",
    )
    published_names = NAMES
    published_unused = r"\.flatten_index$"
    network: XCNet

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(XCNet(architecture))
        self.architecture = architecture
        self.working_size = self.side = architecture.side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Predict ab for lightness ``(B, 1, H, W)`` in [0, 100] from an exemplar.

        Without an exemplar, the gray image serves as the reference. In training mode, ``extras`` of the
        prediction contains ``ab_1``, ``ab_2``, ``ab_4`` and ``ab_8``: ab / 110 at 1, 1/2, 1/4 and 1/8 times
        the network's input size.
        """
        exemplar = (guidance or Guidance()).exemplar
        reference = lightness_to_rgb(lightness) if exemplar is None else exemplar.rgb
        target = scaled_lightness(squashed(lightness, self.side))
        maps = self.network(target, scaled_lab(squashed(reference, self.side)))
        extras = {f"ab_{2**index}": each for index, each in enumerate(maps)}
        ab = F.interpolate(AB_SCALE * maps[0].float(), size=lightness.shape[-2:], mode="bicubic")
        return AbPrediction(ab=ab, extras=extras)
