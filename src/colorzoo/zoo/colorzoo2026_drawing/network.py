"""Network of colorzoo2026_drawing, which predicts a distribution over Lab colors from lines and hints.

The encoder has residual blocks at 1/8 and 1/16 of the drawing size and attention blocks at 1/32. A global
vector is computed from the last feature map. The decoder returns to 1/4 of the size. Three heads predict the
logits of 256 colors, a mean color and an embedding of each cell.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.channels_last import INITIAL_SCALE, SLOPE, EncoderDecoder
from colorzoo.precision import distances
from colorzoo.settings import PositiveInt

STRIDE = 4
"""Side of a cell of the output maps in pixels."""
MULTIPLE = 32
"""Input height and width must be multiples of this number."""
COLORS = 256
"""Number of Lab colors of the predicted distribution."""
_HIDDEN = 128  # channels of the hidden layer of the embedding head


@dataclass(frozen=True)
class Architecture:
    """Settings of the network.

    Attributes:
        stem: Channels of the encoder at 1/2 and 1/4 of the drawing size.
        widths: Channels of the encoder at 1/8, 1/16 and 1/32 of the drawing size.
        blocks: Number of encoder blocks at 1/8, 1/16 and 1/32 of the drawing size.
        decoder: Channels of the decoder output at 1/4 of the drawing size.
        vector: Length of the global vector.
        embedding: Length of the embedding of a cell.
    """

    stem: tuple[int, int] = (32, 64)
    widths: tuple[int, int, int] = (96, 160, 256)
    blocks: tuple[int, int, int] = (2, 3, 3)
    decoder: PositiveInt = 64
    vector: PositiveInt = 192
    embedding: PositiveInt = 64


class Maps(NamedTuple):
    """Network output for N cells of 4 x 4 pixels, row by row.

    Attributes:
        logits: ``(B, N, 256)``, logits of the distribution over the colors.
        mean: ``(B, N, 3)``, mean color in scaled Lab; see `scale_lab`.
        embedding: ``(B, N, D)``, embeddings of unit length. Cells of one color have similar embeddings.
    """

    logits: Tensor
    mean: Tensor
    embedding: Tensor


class Network(EncoderDecoder):
    """Encoder and decoder with three heads.

    Args:
        architecture: Channel counts and block counts.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__(5, architecture.stem, architecture.widths, architecture.blocks, architecture.vector)
        self.add_decoder(architecture.decoder)
        # heads
        self.classes = nn.Linear(architecture.decoder, COLORS)
        self.mean = nn.Linear(architecture.decoder, 3)
        self.embed_in = nn.Linear(architecture.decoder, _HIDDEN)
        self.embed_out = nn.Linear(_HIDDEN, architecture.embedding)
        with torch.no_grad():  # the first predictions are nearly gray and uncertain
            self.classes.weight.mul_(INITIAL_SCALE)
            self.mean.weight.mul_(INITIAL_SCALE)

    def forward(self, sketch: Tensor, hints: Tensor) -> Maps:
        """Predict colors at 1/4 of the drawing size.

        Args:
            sketch: ``(B, 1, H, W)`` in [0, 1], 1 for paper; H and W are multiples of 32.
            hints: ``(B, 4, H, W)``, scaled Lab and mask of the color hints; 0 without a hint.
        """
        maps4 = self.stem(torch.cat([1 - sketch, hints], dim=1).permute(0, 2, 3, 1))
        maps8 = self.stage8(self.down8(maps4))
        maps16 = self.stage16(self.down16(maps8))
        maps32 = self.stage32(self.down32(maps16))
        vector = F.leaky_relu(self.vector(self.vector_norm(maps32.mean((1, 2)))), SLOPE)
        features = self.decode((maps4, maps8, maps16, maps32), vector).flatten(1, 2)
        embedding = self.embed_out(F.leaky_relu(self.embed_in(features), SLOPE))
        return Maps(
            self.classes(features).float(),
            self.mean(features).float(),
            F.normalize(embedding.float(), dim=-1),
        )


class Observations(NamedTuple):
    """Known colors at M cells of the drawing or of reference images.

    Attributes:
        embedding: ``(B, M, D)``, embeddings of the cells.
        color: ``(B, M, 3)``, scaled Lab.
        weight: ``(B, M)``: 0 for padding; weights below 1 reduce the influence of a reference.
    """

    embedding: Tensor
    color: Tensor
    weight: Tensor


def join_observations(parts: Sequence[Observations]) -> Observations:
    """Concatenate the observations of points and references."""
    return Observations(*(torch.cat(values, dim=1) for values in zip(*parts, strict=True)))


class CopyAttention(nn.Module):
    """Attention that copies observed colors to cells with a similar embedding.

    The color of a cell is a mixture: it is copied from observation m with probability ``weights[m]``, and
    predicted by the network otherwise (pointer-generator networks, See et al. 2017,
    https://arxiv.org/abs/1704.04368). Color points and references are observations alike, so a click on one
    strand of hair colors all strands.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(32.0).log())
        self.threshold = nn.Parameter(torch.tensor(0.7))

    def forward(self, embedding: Tensor, observations: Observations) -> Tensor:
        """Return the copy probabilities ``(B, N, M)``, whose sum over M is below 1.

        Args:
            embedding: ``(B, N, D)``, embeddings of the cells to color.
            observations: M observed colors.
        """
        similarity = self.similarity(embedding @ observations.embedding.mT)
        scores = similarity + observations.weight.clamp(min=1e-8).log()[:, None]
        network = torch.zeros_like(scores[..., :1])  # score 0: the prediction of the network
        return torch.cat([scores, network], dim=-1).softmax(-1)[..., :-1]

    def similarity(self, cosine: Tensor) -> Tensor:
        """Return the log odds that two cells with the given cosine similarity have one color."""
        return (cosine - self.threshold) * self.log_scale.exp()


def masked_cell_means(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Average the masked pixels of each cell.

    Args:
        values: ``(B, C, H, W)``; H and W are multiples of `STRIDE`.
        mask: ``(B, 1, H, W)`` in {0, 1}.

    Returns:
        Means ``(B, N, C)``, 0 for cells without masked pixels, and the fraction ``(B, N)`` of masked pixels.
    """
    share = F.avg_pool2d(mask, STRIDE)
    means = F.avg_pool2d(values * mask, STRIDE) / share.clamp(min=1e-6)
    return means.flatten(2).mT, share.flatten(1)


def scale_lab(lab: Tensor) -> Tensor:
    """Scale Lab ``(..., 3)`` so that the standard deviations of drawings are about 0.5."""
    return (lab - lab.new_tensor((70.0, 0.0, 0.0))) / 50


def unscale_lab(scaled: Tensor) -> Tensor:
    """Return the Lab colors ``(..., 3)`` of scaled colors; see `scale_lab`."""
    return scaled * 50 + scaled.new_tensor((70.0, 0.0, 0.0))


def soft_assign(color: Tensor, centers: Tensor, width: float = 0.1) -> tuple[Tensor, Tensor]:
    """Distribute colors over their four nearest centers with Gaussian weights.

    Args:
        color: ``(..., 3)``, scaled Lab.
        centers: ``(256, 3)``, scaled Lab.
        width: Standard deviation of the weights in scaled Lab.

    Returns:
        Indices and weights of the centers, each ``(..., 4)``. The weights of a color sum to 1.
    """
    nearest = distances(color.flatten(0, -2), centers).topk(4, largest=False)
    weights = torch.exp(-nearest.values.square() / (2 * width**2)).clamp(min=1e-6)
    weights = weights / weights.sum(-1, keepdim=True)
    shape = (*color.shape[:-1], 4)
    return nearest.indices.view(shape), weights.view(shape)
