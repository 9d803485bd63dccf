"""CT2: Colorization Transformer via Color Tokens (Weng et al., ECCV 2022).

A transformer assigns each pixel a distribution over 313 color tokens, of which only those are possible that
exist in sRGB at the lightness of the pixel. https://ci.idm.pku.edu.cn/Weng_ECCV22b.pdf
"""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.weng2022.network import Architecture, ColorTokenTransformer


class ColorTokenColorization(ColoringModel):
    """Colorization by a distribution over 313 color tokens at each pixel.

    Args:
        architecture: Settings of the network.
    """

    network: ColorTokenTransformer

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(ColorTokenTransformer(architecture))
        self.architecture = architecture

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `ColoringModel.forward`.

        ``extras["logits"]`` contains the logits ``(B, 313, H, W)`` of the ab bins, which are -1e4 for
        impossible bins. ``extras["regression"]`` contains the ab channels of the regression branch.
        """
        out = self.network(lightness)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits, "regression": out.regression})
