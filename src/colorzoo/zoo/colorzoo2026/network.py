"""Network of colorzoo2026, which predicts a mean color and an ab distribution.

The encoder has residual blocks at 1/8 and 1/16 of the image size and attention blocks at 1/32. A global
vector is computed from the last feature map of the encoder. The decoder upsamples the feature maps to 1/4 of
the image size and adds the global vector at each stage. A second encoder, a frozen EfficientNet-Lite2,
computes features that are projected linearly and added to the feature maps of the first encoder.

Feature maps have the shape ``(B, H, W, C)``, because normalization and linear layers then need no copies.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.channels_last import INITIAL_SCALE, SLOPE, EncoderDecoder
from colorzoo.networks.imagenet_encoder import HEAD, LITE2, frozen_imagenet_encoder
from colorzoo.settings import PositiveInt, Range
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.weights.load import read_weights

STRIDE = 4
"""Side of a cell of the output maps in pixels."""
MULTIPLE = 32
"""Input height and width must be multiples of this number."""
AB_SCALE = 50.0
"""CIE units per unit of the network output."""
BINS = 313
"""Number of ab bins within the sRGB gamut (Zhang et al. 2016)."""
EncoderWeights = Literal["imagenet", "fine-tuned"]
"""Names of the encoder weights: trained on ImageNet, or fine-tuned together with colorzoo2026."""
ENCODER_FILES: dict[EncoderWeights, str] = {
    "imagenet": "efficientnet_lite2.safetensors",
    "fine-tuned": "colorzoo2026_encoder.safetensors",
}
"""Files of the 8-bit encoder weights in the package; ``NOTICE`` lists their sources."""


@dataclass(frozen=True)
class Architecture:
    """Settings of the network.

    Attributes:
        stem: Channels of the encoder at 1/2 and 1/4 of the image size.
        widths: Channels of the encoder at 1/8, 1/16 and 1/32 of the image size.
        blocks: Number of encoder blocks at 1/8, 1/16 and 1/32 of the image size.
        decoder: Channels of the decoder output at 1/4 of the image size, from which colors are predicted.
        vector: Length of the global vector, which is computed from the whole image and added to the decoder
            features.
        heads: Number of kernels of the color covariance (`colorzoo.zoo.colorzoo2026.points`).
        encoder: Weights of the frozen EfficientNet-Lite2: ``fine-tuned`` (trained together with colorzoo2026)
            or ``imagenet``. Weights of colorzoo2026 from before 2026-11-27 require ``imagenet``.
    """

    stem: tuple[int, int] = (24, 48)
    widths: tuple[int, int, int] = (96, 192, 288)
    blocks: tuple[int, int, int] = (1, 4, 4)
    decoder: PositiveInt = 64
    vector: PositiveInt = 192
    heads: Annotated[int, Range(1, 6)] = 6
    encoder: EncoderWeights = "fine-tuned"


class Maps(NamedTuple):
    """Network output at 1/4 of the image size, with channels last.

    Attributes:
        mean: ``(B, h, w, 2)``, mean color, ab / `AB_SCALE`.
        logits: ``(B, h, w, 313)``, logits of the distribution over the ab bins.
        features: ``(B, h, w, C)``, decoder features after layer normalization.
        vector: ``(B, V)``, global vector, which is computed from the whole image.
    """

    mean: Tensor
    logits: Tensor
    features: Tensor
    vector: Tensor


class Network(EncoderDecoder):
    """Encoder and decoder with two heads, for the mean color and the ab distribution.

    Args:
        architecture: Channel counts, block counts and encoder weights.
    """

    def __init__(self, architecture: Architecture) -> None:
        vector = architecture.vector
        super().__init__(1, architecture.stem, architecture.widths, architecture.blocks, vector)
        # projections of the features of the frozen encoder
        eighth, sixteenth, coarsest = architecture.widths
        self.known8 = _feature_projection(LITE2[2].width, eighth)
        self.known16 = _feature_projection(LITE2[4].width, sixteenth)
        self.known32 = _feature_projection(LITE2[6].width, coarsest)
        self.known_vector = _feature_projection(HEAD, vector)
        self.add_decoder(architecture.decoder)
        # heads
        self.mean = nn.Linear(architecture.decoder, 2)
        self.classes = nn.Linear(architecture.decoder, BINS)
        with torch.no_grad():  # the first predictions are nearly gray and uncertain
            self.mean.weight.mul_(INITIAL_SCALE)
            self.classes.weight.mul_(INITIAL_SCALE)
        encoder_file = EMBEDDED_FOLDER / ENCODER_FILES[architecture.encoder]
        self.encoder = frozen_imagenet_encoder(read_weights(encoder_file).state_dict)

    def forward(self, lightness: Tensor) -> Maps:
        """Predict the mean color and the color distribution at 1/4 of the image size.

        Args:
            lightness: ``(B, 1, H, W)``, L in [0, 100]; H and W are multiples of 32.
        """
        # upsample by 1.4 for the frozen encoder, and round the sides up to multiples of 32; integer
        # arithmetic, so that an exported graph supports all sizes
        sides = [(side * 14 // 10 + MULTIPLE - 1) // MULTIPLE * MULTIPLE for side in lightness.shape[2:]]
        known = self.encoder(F.interpolate(lightness, sides, mode="bilinear"))
        maps4 = self.stem(((lightness - 50) / 50).permute(0, 2, 3, 1))
        maps8 = self.stage8(_fuse(self.down8(maps4), known.maps8, self.known8))
        maps16 = self.stage16(_fuse(self.down16(maps8), known.maps16, self.known16))
        maps32 = self.stage32(_fuse(self.down32(maps16), known.maps32, self.known32))
        vector = self.vector(self.vector_norm(maps32.mean((1, 2))))
        vector = F.leaky_relu(vector + self.known_vector(known.vector), SLOPE)
        features = self.decode((maps4, maps8, maps16, maps32), vector)
        return Maps(self.mean(features), self.classes(features), features, vector)


def _feature_projection(width: int, wider: int) -> nn.Sequential:
    """Return a normalization and a linear layer that project EfficientNet features ``(..., width)``.

    The projection is initialized to zero, so untrained layers do not change the network features to which
    the projected features are added.
    """
    linear = nn.Linear(width, wider)
    nn.init.zeros_(linear.weight)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(OrderedDict(norm=nn.LayerNorm(width), linear=linear))


def _fuse(maps: Tensor, known: Tensor, projection: nn.Module) -> Tensor:
    """Project the features of the frozen encoder, resize them, and add them to the features of the network.

    Args:
        maps: ``(B, h, w, D)``, features of the network.
        known: ``(B, C, h', w')``, features of the frozen encoder.
        projection: Layers that project C channels to D channels; see `_feature_projection`.
    """
    projected: Tensor = projection(known.permute(0, 2, 3, 1))
    resized = F.interpolate(projected.permute(0, 3, 1, 2), maps.shape[1:3], mode="bilinear")
    return maps + resized.permute(0, 2, 3, 1)
