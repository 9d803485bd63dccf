"""CT2: Colorization Transformer via Color Tokens (Weng et al., ECCV 2022).

A transformer assigns each pixel a distribution over 313 color tokens, of which only those are possible that
exist in sRGB at the lightness of the pixel. https://ci.idm.pku.edu.cn/Weng_ECCV22b.pdf
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Fraction, Positive, PositiveInt, Range
from colorzoo.zoo.weng2022.network import ColorTokenTransformer


@dataclass(frozen=True)
class Architecture:
    """Settings of the network; the defaults match the authors' code.

    Attributes:
        width: Number of channels of all tokens, a multiple of 64, the width of an attention head.
        encoder_depth: Number of blocks of the ViT encoder.
        decoder_depth: Number of blocks over patches and color tokens.
        ranges: Number of lightness ranges that have separate sets of possible colors; 1 to 100.
        drop_path: Maximum probability of skipping a block of the encoder in training.
        dropout: Dropout probability of the blocks over patches and color tokens.
        temperature: Temperature of the annealed mean, which decodes a distribution to a color.
    """

    width: Annotated[int, Range(64, step=64)] = 1024
    encoder_depth: PositiveInt = 24
    decoder_depth: PositiveInt = 2
    ranges: Annotated[int, Range(1, 100)] = 4
    drop_path: Fraction = 0.1
    dropout: Fraction = 0.1
    temperature: Positive = 0.38


class ColorTokenColorization(ColoringModel):
    """Colorization by a distribution over 313 color tokens at each pixel.

    Args:
        architecture: Settings of the network.
    """

    network: ColorTokenTransformer

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(ColorTokenTransformer(**vars(architecture)))
        self.architecture = architecture

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `ColoringModel.forward`.

        ``extras["logits"]`` contains the logits ``(B, 313, H, W)`` of the ab bins, which are -1e4 for
        impossible bins. ``extras["regression"]`` contains the ab channels of the regression branch.
        """
        out = self.network(lightness)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits, "regression": out.regression})
