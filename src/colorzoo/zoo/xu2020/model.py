"""Stylization-Based Architecture for Fast Deep Exemplar Colorization (CVPR 2020).

The transfer sub-net of Xu et al. matches the feature statistics of an automatically colorized image to the
statistics of a reference. Samples of the resulting colors are hints for the colorization sub-net.
https://openaccess.thecvf.com (CVPR 2020, pages 9363-9372)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import initialize, points_of
from colorzoo.prediction import AbPrediction
from colorzoo.settings import check_choice
from colorzoo.zoo.xu2020.extensions import ExtendedExemplarNetwork, Extensions
from colorzoo.zoo.xu2020.network import Architecture, ExemplarNetwork
from colorzoo.zoo.xu2020.published import convert_published
from colorzoo.zoo.xu2020.transfer import TRANSFORMS, TransformName, inside_labels, pad_labels


class StylizationColorization(ColoringModel):
    """Colorization guided by a reference and color points.

    Args:
        architecture: Settings of the transfer and colorization sub-nets.
        extensions: Settings of extensions that are not in the paper.
    """

    accepts = frozenset({"exemplar", "points"})
    feature_layers = tuple(f"network.color.unet.block{index}" for index in (1, 2, 3, 7))
    network: ExemplarNetwork

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        network = ExtendedExemplarNetwork(architecture, extensions)
        initialize(network.transfer, None)
        network.transfer.encoder.normalize_imagenet()
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Return feature statistics ``(B, 2, C)`` of references ``(B, 3, H, W)`` in [0, 1].

        The statistics are the mean and standard deviation of each of the C channels at the ten matched layers
        of the transfer sub-net.
        """
        return self.network.transfer.encode_reference(rgb)

    def features(self, rgb: Tensor) -> Tensor:
        """Return the encoder features relu3_1, ``(B, C, H/4, W/4)``, of images.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]; H and W are multiples of 8.
        """
        return self.network.transfer.style_maps(rgb)["encoder3"]

    @torch.no_grad()
    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: TransformName = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Transfer the colors of a style image to a content image; see `ColoringModel.stylize`."""
        check_choice("transform", transform, TransformName)
        function = TRANSFORMS[transform]
        if labels is not None:
            function = inside_labels(function, (pad_labels(labels[0]), pad_labels(labels[1])))
        adapt = self.network.adapt_maps(style, function, alpha)
        rgb: Tensor = self.network.transfer(content, adapt)
        if alpha < 1:  # the autoencoder changes the content even without a transfer
            rebuilt = self.network.transfer(content)
            rgb = rgb - rebuilt + torch.lerp(content, rebuilt, alpha)
        return rgb.clamp(0, 1)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch, with or without a reference.

        ``extras["logits"]`` contains the logits ``(B, 529, ceil(H/4), ceil(W/4))`` of the last colorization
        pass. With a reference, ``extras["automatic"]`` and ``extras["transferred"]`` contain the ab maps
        before and after the color transfer.
        """
        automatic, logits = self.network.color(lightness, points_of(guidance, lightness))
        if guidance is None or guidance.exemplar is None:
            return AbPrediction(ab=automatic, extras={"logits": logits})
        embedding = guidance.exemplar.embed_by(self.encode_reference)
        transferred = self.network.transferred(lightness, automatic, embedding, guidance.exemplar.alpha)
        hints = self.network.hints(transferred, automatic, logits, guidance.points)
        ab, logits = self.network.color(lightness, hints)
        extras = {"logits": logits, "automatic": automatic, "transferred": transferred}
        return AbPrediction(ab=ab, extras=extras)

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' encoder, decoder or color network.

        The keys determine which of the three networks the file contains. Weights of the other networks keep
        their current values. The authors published code but no checkpoints.
        """
        return {**self.state_dict(), **convert_published(state_dict)}
