"""iColoriT (Yun, Lee, Park, Choo, WACV 2023).

A vision transformer propagates the colors of 2 x 2 pixel hints by attention. The local stabilizing layer, a
convolution over the output tokens, reduces differences between neighboring patches.
https://arxiv.org/abs/2207.06831
"""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import points_of
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.yun2023.network import Architecture, IColoriTNetwork, initialize
from colorzoo.zoo.yun2023.published import NAMES, UNUSED


class IColoriT(ColoringModel):
    """Colorization with color points by a vision transformer.

    Args:
        architecture: Settings of the transformer.
    """

    accepts = frozenset({"points"})
    feature_layers = ("network.trunk.norm",)
    weight_settings = ("mask_center",)
    published_names, published_unused = NAMES, UNUSED
    network: IColoriTNetwork

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        network = IColoriTNetwork(architecture)
        initialize(network)
        super().__init__(network)
        self.architecture = architecture
        self.working_size = architecture.side

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `IColoriTNetwork.forward`."""
        return AbPrediction(ab=self.network(lightness, points_of(guidance, lightness)))

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return a tuple with the last block's tokens as a map ``(B, width, n, n)``.

        n is ``side / patch``. The transformer processes the images without hints.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        (tokens,) = super().feature_maps(lightness)
        side = self.network.side // self.network.patch
        return (tokens.mT.reshape(len(tokens), -1, side, side),)
