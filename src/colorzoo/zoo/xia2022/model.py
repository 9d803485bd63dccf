"""Disentangled Image Colorization via Global Anchors (Xia et al., SIGGRAPH Asia 2022).

A network divides the image into superpixels, and k-means selects a few anchors. Each anchor receives one of
313 colors, and a transformer propagates the anchor colors to all other superpixels.
https://doi.org/10.1145/3550454.3555432
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from torch import Tensor, nn

from colorzoo.color import hull_centers
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.clusters import kmeans
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.prediction import AbPrediction
from colorzoo.settings import Fraction, NonNegativeInt, PositiveInt, Range, Width
from colorzoo.zoo.xia2022.network import CELL, AnchorNetwork, EncodedImage, sizes
from colorzoo.zoo.xia2022.published import NAMES

ALTERNATIVES = 3
"""Number of alternative results per image."""

_SIZE_WEIGHT = 0.01
_LIKELY_BINS = 10


def starts_of(draws: Tensor, count: int) -> Tensor:
    """Return the indices ``(B, k)`` of the superpixels that initialize k-means.

    The superpixels are divided into k index ranges of equal length, and one superpixel is drawn from each
    range.

    Args:
        draws: Uniform random numbers ``(B, k)`` in [0, 1).
        count: Number of superpixels. Indices repeat if ``count`` is below k.
    """
    stretches = torch.arange(draws.shape[1], device=draws.device)
    return ((stretches + draws) * (count / draws.shape[1])).long().clamp(max=count - 1)


def anchors_of(clusters: Tensor, sizes: Tensor, count: int) -> Tensor:
    """Return a mask of the anchors: the largest superpixel of each cluster.

    Args:
        clusters: Cluster index of each of N superpixels, ``(B, N)``.
        sizes: Size of each superpixel, ``(B, N)``; 1 is the area of 16 x 16 pixels. See
            `colorzoo.zoo.xia2022.network.sizes`.
        count: Number of clusters.

    Returns:
        Mask ``(B, N)``, True for anchors.
    """
    is_member = clusters[..., None] == torch.arange(count, device=clusters.device)  # (B, N, count)
    score = is_member.to(sizes) + _SIZE_WEIGHT * sizes[..., None]
    anchor_index = score.argmax(dim=1)  # (B, count)
    superpixels = torch.arange(clusters.shape[1], device=clusters.device)
    return (superpixels[:, None] == anchor_index[:, None]).any(dim=2)


def anchor_bins(logits: Tensor) -> list[Tensor]:
    """Return a list of three alternative colors per superpixel, as bin indices ``(B, N)``.

    The first color is the most likely bin. Each further color is the bin among the ten most likely bins that
    has the largest sum of ab distances to the bins already selected.

    Args:
        logits: Color logits ``(B, 313, N)`` of N superpixels.
    """
    likely_bins = logits.topk(_LIKELY_BINS, dim=1).indices.mT  # (B, N, 10), most likely first
    colors = hull_centers().to(logits.device)[likely_bins]  # (B, N, 10, 2)
    distance_sum = torch.zeros_like(colors[..., 0])  # to the selected colors, (B, N, 10)
    rank = torch.zeros_like(likely_bins[..., :1])  # of the color selected last, (B, N, 1)
    selected = [likely_bins[..., 0]]
    for _ in range(ALTERNATIVES - 1):
        last_color = colors.gather(2, rank[..., None].expand(-1, -1, -1, 2))
        distance_sum = distance_sum + (colors - last_color).square().sum(dim=3).sqrt()
        rank = distance_sum.argmax(dim=2, keepdim=True)
        selected.append(likely_bins.gather(2, rank)[..., 0])
    return selected


@dataclass(frozen=True)
class Architecture:
    """Settings of the network and the anchors.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        dropout: Dropout probability of the transformers.
        anchors: Number of anchors (superpixels that receive a color) per image.
        alternative: Index of the result among three alternatives. 0 uses the most likely anchor colors; 1 and
            2 use less likely colors, see `anchor_bins`.
        seed: Seed of the random initial k-means centers.
    """

    width: Width = 1.0
    dropout: Fraction = 0.1
    anchors: PositiveInt = 8
    alternative: Annotated[int, Range(0, ALTERNATIVES - 1)] = 0
    seed: NonNegativeInt = 130


class AnchorColorization(ColoringModel):
    """Colorization that propagates the colors of a few anchor superpixels.

    Args:
        architecture: Settings of the network and the anchors.
    """

    feature_layers = (
        "network.features.conv1_2",
        "network.features.conv2_3",
        "network.features.conv3_3",
        "network.features.conv7_3",
    )
    published_names = NAMES
    network: AnchorNetwork
    draws: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        network = AnchorNetwork(architecture.width, architecture.dropout)
        initialize(network)
        super().__init__(network)
        self.architecture = architecture
        self.network.to(memory_format=torch.contiguous_format)  # more accurate batch statistics
        generator = torch.Generator().manual_seed(architecture.seed)
        drawn = torch.rand(1, architecture.anchors, generator=generator, device="cpu")
        self.register_buffer("draws", drawn, persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch.

        ``extras["logits"]`` contains the color logits ``(B, 313, h, w)`` of the superpixels, and
        ``extras["anchors"]`` contains the anchor mask ``(B, 1, h, w)``, where h is ceil(H/16) and w is
        ceil(W/16).
        """
        height, width = lightness.shape[-2:]
        gray = network_input(pad_to_multiple(lightness, CELL))
        encoded = self.network.encode(gray)
        anchors, bins = self.anchors(encoded, self.clusters_of(encoded), guidance or Guidance())
        cells = encoded.cells.shape[-2:]
        mask = torch.unflatten(anchors.to(gray)[:, None], 2, cells)
        logits, ab = self.network.decode(gray, encoded, mask, torch.unflatten(bins, 1, cells))
        return AbPrediction(
            ab=AB_SCALE * ab.float()[:, :, :height, :width],
            extras={"logits": logits.float(), "anchors": mask},
        )

    def anchors(self, encoded: EncodedImage, clusters: Tensor, guidance: Guidance) -> tuple[Tensor, Tensor]:
        """Return the anchor mask and the colors of the superpixels as bin indices, each ``(B, N)``.

        Args:
            encoded: Output of `AnchorNetwork.encode`.
            clusters: Output of `clusters_of`.
            guidance: Guidance of the images, which the paper does not use.
        """
        anchors = anchors_of(clusters, sizes(encoded.shares).flatten(1), self.architecture.anchors)
        return anchors, anchor_bins(encoded.palette.float().flatten(2))[self.architecture.alternative]

    def clusters_of(self, encoded: EncodedImage) -> Tensor:
        """Return the k-means cluster index ``(B, N)`` of each of N superpixels.

        Args:
            encoded: Output of `AnchorNetwork.encode`.
        """
        tokens = encoded.tokens.flatten(2).mT
        return kmeans(tokens, starts_of(self.draws, tokens.shape[1]).expand(len(tokens), -1))

    def convert_published(self, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Rename the parameters of the authors' checkpoint to the names of this model.

        If the file contains only the superpixel network, the current values of the other weights are added.
        """
        ours = super().convert_published(state_dict)
        has_only_superpixels = all(key.startswith("network.superpixels.") for key in ours)
        return {**self.state_dict(), **ours} if has_only_superpixels else ours


def network_input(lightness: Tensor) -> Tensor:
    """Scale lightness from [0, 100] to [-1, 1]."""
    return (lightness - 50) / 50


def initialize(network: nn.Module) -> None:
    """Apply Xavier uniform initialization to all weights with two or more dimensions."""
    for parameter in network.parameters():
        if parameter.ndim > 1:
            nn.init.xavier_uniform_(parameter)
    for layer in network.modules():
        if isinstance(layer, StoredSpectralConv):
            layer.settle()
