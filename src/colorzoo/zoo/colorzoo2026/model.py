"""Colorzoo 2026, the default model, which predicts colors with or without guidance.

The network predicts a mean color and an ab distribution of each cell of 4 x 4 pixels. The encoder has
residual blocks at 1/8 and 1/16 of the image size and attention blocks at 1/32. A global vector is computed
from the last feature map of the encoder. The decoder upsamples the feature maps to 1/4 of the image size and
adds the global vector at each stage. A second encoder, a frozen EfficientNet-Lite2, computes features that
are projected linearly and added to the feature maps of the first encoder. Feature maps have the shape
``(B, H, W, C)``, because normalization and linear layers then need no copies.

Guidance conditions the output of the network: color points (`points`), references (`references`) and color
statistics (`condition`).
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import ExemplarModel, MatchingModel, SimilarityModel
from colorzoo.color import hull_centers, lab_to_rgb, rgb_to_lab
from colorzoo.guidance import ClassMap, Exemplar, GlobalStatistics, Guidance
from colorzoo.guidance.color_statistics import pixel_saturation
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.channels_last import INITIAL_SCALE, SLOPE, EncoderDecoder
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.imagenet_encoder import HEAD, LITE2, ImageNetFeatures
from colorzoo.prediction import AbPrediction
from colorzoo.settings import PositiveInt, Range
from colorzoo.weights.catalog import load_imagenet_encoder
from colorzoo.zoo.colorzoo2026.points import (
    Cells,
    ColorCovariance,
    Posterior,
    boost_chroma,
    bound_change,
    cell_correlation,
    cell_covariance,
    observe,
    pool_logits,
)

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
_MIN_VARIANCE = AB_SCALE**-2  # 1 CIE unit squared: bins are 10 units wide, and float32 is not more precise

# color statistics
_EXPONENT = 2.0  # exponent of the distributions; with 1, 1.5 or 3, PSNR is 0.4, 0.1 or 0.03 dB lower
_ROUNDS = 10  # number of fitting iterations; with 3, PSNR is 0.2 dB lower; with 20, 0.01 dB higher
_HISTOGRAM_OFFSET = 1e-4  # added to histograms, which limits the weight of rare colors
_MAX_WEIGHT = 1e6  # maximum weight of a bin; the minimum is its inverse
# Fraction of the target saturation that is applied, without and with a histogram. It is below 1, because the
# error of a wrong hue grows with chroma.
_FRACTION, _FRACTION_WITH_HISTOGRAM = 0.85, 0.95
_MAX_FACTOR = 2.5  # maximum factor on the automatic colors
_STEPS = 3  # iterations of the factor search
_EPSILON = 1e-30

# features that match the frames of a film
_MATCH_CELL = 8  # side of a cell in pixels
_MATCH_WEIGHTS = (0.3, 0.3, 0.1, 0.3)  # encoder maps at 1/8, 1/16 and 1/32, and decoder features
_MIN_SATURATION = 1e-3

# references
BLOCK = 2
"""Side of a matched block in cells."""
STRENGTH = 3.5
"""Log factor on the weight of references; 0 would maximize PSNR over pairs of all kinds."""
_TEMPERATURE = 0.02
_LEAST_VARIANCE = 1e-3  # added to variances before the logarithm
_EXCLUDED = -4.0  # similarity of blocks of different classes: softmax weight e^-150

# Fitted by L-BFGS to the mean log squared error of ab over 600 pairs of training images: halves of an image,
# neighbors in an album, images of one category, and unrelated images. The fit was validated on 300 pairs.
_CENTERS = (0.85, 0.85, 0.85, -4.9, -3.0)  # means of the predictors in `_trust`
_FACTORS = (2.17, 23.20, 16.58, -0.42, 0.53)
_BIAS = -1.85


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
        stem: See `Colorzoo2026`.
        widths: See `Colorzoo2026`.
        blocks: See `Colorzoo2026`.
        decoder: See `Colorzoo2026`.
        vector: See `Colorzoo2026`.
        encoder: See `Colorzoo2026`.
    """

    def __init__(
        self,
        stem: tuple[int, int],
        widths: tuple[int, int, int],
        blocks: tuple[int, int, int],
        decoder: int,
        vector: int,
        encoder: EncoderWeights,
    ) -> None:
        super().__init__(1, stem, widths, blocks, vector)
        # projections of the features of the frozen encoder
        eighth, sixteenth, coarsest = widths
        self.known8 = _feature_projection(LITE2[2].width, eighth)
        self.known16 = _feature_projection(LITE2[4].width, sixteenth)
        self.known32 = _feature_projection(LITE2[6].width, coarsest)
        self.known_vector = _feature_projection(HEAD, vector)
        self.add_decoder(decoder)
        # heads
        self.mean = nn.Linear(decoder, 2)
        self.classes = nn.Linear(decoder, BINS)
        with torch.no_grad():  # the first predictions are nearly gray and uncertain
            self.mean.weight.mul_(INITIAL_SCALE)
            self.classes.weight.mul_(INITIAL_SCALE)
        self.encoder = load_imagenet_encoder(ENCODER_FILES[encoder])

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


def condition(
    mean: Tensor, logits: Tensor, lightness: Tensor, centers: Tensor, statistics: GlobalStatistics
) -> tuple[Tensor, Tensor]:
    """Match the mean colors and distributions of the cells to target statistics.

    This step requires no training. To match a target histogram, the color distributions of all cells are
    multiplied by common weights, one per bin. Iterative proportional fitting (Deming and Stephan 1940)
    computes the weights. The resulting distributions are the closest to the prediction in relative entropy.
    Zhang et al. 2017 instead use the histogram as a network input.

    A target saturation then scales the mean colors of each image by one factor. For an image without a
    target, the histogram contains only zeros or the saturation is negative.

    Args:
        mean: ``(B, N, 2)``, mean color of each cell, ab / `AB_SCALE`.
        logits: ``(B, N, 313)``, logits of the color distribution of each cell.
        lightness: ``(B, 1, h, w)``, lightness of each cell in [0, 100].
        centers: ``(313, 2)``, centers of the ab bins, ab / `AB_SCALE`.
        statistics: Target histogram, target saturation or both, for each image.

    Returns:
        Changed mean colors ``(B, N, 2)`` and logits ``(B, N, 313)``.
    """
    # fraction of the target saturation that is applied, (B, 1, 1)
    saturation_fraction = torch.full_like(mean[:, :1, :1], _FRACTION)
    if statistics.histogram is not None:
        histogram = statistics.histogram.to(logits)[:, None]  # (B, 1, 313)
        has_histogram = histogram.sum(dim=2, keepdim=True) > 0
        matched_logits = match_histogram(logits, histogram)
        mean = torch.where(has_histogram, matched_logits.softmax(dim=2) @ centers, mean)
        logits = torch.where(has_histogram, matched_logits, logits)
        saturation_fraction = torch.where(has_histogram, _FRACTION_WITH_HISTOGRAM, saturation_fraction)
    if statistics.saturation is not None:
        saturation = statistics.saturation.to(mean)[..., None]  # (B, 1, 1)
        scaled_mean = match_saturation(mean, lightness, saturation_fraction * saturation)
        mean = torch.where(saturation >= 0, scaled_mean, mean)
    return mean, logits


def match_histogram(logits: Tensor, histogram: Tensor) -> Tensor:
    """Change distributions minimally so that their mean over all cells matches a histogram.

    Args:
        logits: ``(B, N, 313)``, logits of the predicted color distribution of each cell.
        histogram: ``(B, 1, 313)``, target fraction of each ab bin.

    Returns:
        Logits ``(B, N, 313)`` of the changed distributions.
    """
    probabilities = (_EXPONENT * logits).softmax(dim=2)
    weights = torch.ones_like(histogram)
    for _ in range(_ROUNDS):
        totals = (probabilities @ weights.mT).clamp(min=_EPSILON)  # (B, N, 1), normalizes each cell
        current = weights * ((1 / totals).mT @ probabilities) / probabilities.shape[1]
        weights = (weights * (histogram + _HISTOGRAM_OFFSET) / (current + _HISTOGRAM_OFFSET)).clamp(
            1 / _MAX_WEIGHT, _MAX_WEIGHT
        )
    return _EXPONENT * logits + weights.log()


def match_saturation(mean: Tensor, lightness: Tensor, saturation: Tensor) -> Tensor:
    """Multiply the colors of each image by one factor to match a mean saturation.

    Args:
        mean: ``(B, N, 2)``, mean color of each cell, ab / `AB_SCALE`.
        lightness: ``(B, 1, h, w)``, lightness of each cell in [0, 100].
        saturation: ``(B, 1, 1)``, target mean HSV saturation in [0, 1].
    """
    ab = AB_SCALE * mean.mT
    factor = torch.ones_like(saturation)
    for _ in range(_STEPS):
        lab = torch.cat([lightness.flatten(2), factor * ab], dim=1)
        current = pixel_saturation(lab_to_rgb(lab[..., None])).mean(dim=1, keepdim=True)
        factor = (factor * saturation / current.clamp(min=_MIN_SATURATION)).clamp(max=_MAX_FACTOR)
    return factor * mean


# Conditioning on reference images by matching blocks of cells.
#
# A block has 2 x 2 cells, and a cell has 4 x 4 pixels. Blocks of the image are matched with blocks of the
# reference by their features, which the network computes from the lightness of both images.
#
# The matched colors are treated as noisy observations. Their variance is a multiple of the variance that the
# model predicts for its color error without references. The factor was fitted on pairs of training images and
# is small for good matches between related images. Colors of several references are averaged in each block,
# weighted by the user's weights and the match quality.


class Blocks(NamedTuple):
    """Features and colors of R blocks of cells in reference images.

    Attributes:
        directions: ``(B, R, C)``, features of each block minus their mean over the reference, normalized to
            length 1.
        colors: ``(B, R, 2)``, mean color of each block. All colors in this module must have the same unit.
        centers: ``(B, R, 2)``, x and y of each block center as fractions of the reference size.
        weight: ``(B, R, 1)``, weight of the reference that contains the block, divided by the largest weight
            of all references.
        number: ``(B, R, 1)``, index of the reference that contains the block.
    """

    directions: Tensor
    colors: Tensor
    centers: Tensor
    weight: Tensor
    number: Tensor

    @classmethod
    def of(cls, embedding: Tensor) -> Blocks:
        """Split the output of `reference_embedding` or `mix_references` into its fields."""
        return cls(*torch.split(embedding, [embedding.shape[2] - 6, 2, 2, 1, 1], dim=2))


def reference_embedding(features: Tensor, colors: Tensor) -> Tensor:
    """Encode a batch of references as a tensor ``(B, R, C + 6)`` with R blocks each.

    The last dimension concatenates the fields of `Blocks`.

    Args:
        features: ``(B, h, w, C)``, decoder features of the references; h and w are multiples of `BLOCK`.
        colors: ``(B, h, w, 2)``, true color of each reference cell, in the unit of `Blocks.colors`.
    """
    blocks = _blocks(features)
    directions = _directions(blocks)
    number = torch.zeros_like(directions[..., :1])
    parts = Blocks(
        directions, _blocks(colors).flatten(1, 2), _centers(blocks), torch.ones_like(number), number
    )
    return torch.cat(parts, dim=2)


def observe_references(
    features: Tensor,
    mean: Tensor,
    variance: Tensor,
    references: Sequence[Blocks],
    alpha: float,
    labels: tuple[Tensor, Tensor] | None = None,
) -> tuple[Tensor, Tensor, Tensor | None]:
    """Condition the predicted colors on the colors of the most similar reference blocks.

    Args:
        features: ``(B, h, w, C)``, decoder features of each cell; h and w are multiples of `BLOCK`.
        mean: ``(B, h, w, 2)``, color of each cell predicted without a reference, in the unit of
            `Blocks.colors`.
        variance: ``(B, h, w, 1)``, predicted variance of the difference between true color and ``mean``.
        references: Blocks of each reference.
        alpha: Strength of the reference colors in [0, 1]; 0 does not change the predicted colors.
        labels: Class maps ``(B, 1, H, W)`` of the images and ``(B, 1, H', W')`` of the single reference. Only
            blocks of equal class are matched. Image blocks of a class that is missing from the reference keep
            their predicted colors. None matches blocks regardless of their class.

    Returns:
        Color difference ``(B, h, w, 2)`` to add to the mean color of each cell. Inverse variance
        ``(B, h, w, 1)`` of the matched colors; 0 without a match. For each block of 2 x 2 cells, x and y
        ``(B, 2, h / 2, w / 2)`` of the most similar block of the reference as fractions of the reference
        size: NaN where the color predicted without a reference has more weight than the matched color, and
        None for several references.
    """
    blocks, block_mean, block_variance = _blocks(features), _blocks(mean), _blocks(variance)
    block_grid = (blocks.shape[1], blocks.shape[2])
    matches = [_match(blocks, block_variance, reference, labels) for reference in references]

    # average the matched colors of several references; the weight of a reference is the user's weight times
    # the odds of its trust, so that a reference without matches has no weight
    trust = torch.stack([each for _, each, _ in matches])
    odds = trust / (1 - trust).clamp(min=_LEAST_VARIANCE)
    weights = odds * torch.stack([each.weight[:, :1, 0] for each in references])
    weights = weights / weights.sum(0).clamp(min=_LEAST_VARIANCE)
    matched_colors = (weights[..., None] * torch.stack([each for each, _, _ in matches])).sum(0)
    odds = (weights * odds).sum(0)[..., None]

    gain = alpha * odds / (1 + odds)  # weight of the matched colors, (B, N, 1) for N blocks
    change = gain * (matched_colors - block_mean.flatten(1, 2))
    # solves gain = precision * variance / (1 + precision * variance), the gain of a Bayesian update; the
    # lower limit e^-6 keeps the precision finite
    precision = gain / ((1 - gain).clamp(min=math.exp(-6)) * block_variance.flatten(1, 2))

    # interpolate from blocks to cells
    block_maps = torch.cat([change, precision], dim=-1).mT.reshape(change.shape[0], 3, *block_grid)
    cell_grid = (mean.shape[1], mean.shape[2])
    cell_maps = F.interpolate(block_maps, cell_grid, mode="bilinear").permute(0, 2, 3, 1)

    match_map = None
    if len(matches) == 1:
        _, trust, source = matches[0]
        source = torch.where(trust[..., None] >= 0.5, source, torch.nan)
        match_map = source.mT.reshape(source.shape[0], 2, *block_grid)
    return cell_maps[..., :2], cell_maps[..., 2:], match_map


def _match(
    blocks: Tensor, variance: Tensor, reference: Blocks, labels: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, Tensor, Tensor]:
    """Match image blocks with the blocks of one reference; see `observe_references`.

    Args:
        blocks: ``(B, h, w, C)``, features of the image blocks.
        variance: ``(B, h, w, 1)``, variance of the error of the colors predicted without a reference.
        reference: Blocks of the reference.
        labels: Class maps of the images and the reference, or None.

    Returns:
        Matched colors ``(B, N, 2)``, their weight ``(B, N)`` in [0, 1] in the prediction, and the center
        ``(B, N, 2)`` of the most similar block of the reference.
    """
    similarity = _directions(blocks) @ reference.directions.mT
    comparable = torch.ones_like(similarity, dtype=torch.bool)
    if labels is not None:
        image_labels = _labels_at(labels[0], _centers(blocks))
        reference_labels = _labels_at(labels[1], reference.centers)
        comparable = image_labels[:, :, None] == reference_labels[:, None, :]
        similarity = torch.where(comparable, similarity, _EXCLUDED)
    weights = (similarity / _TEMPERATURE).softmax(-1)
    colors = weights @ reference.colors
    spread = (weights @ reference.colors.square() - colors.square()).clamp(min=0).sum(-1)
    trust = _trust(similarity, comparable, spread, variance.flatten(1))
    source = similarity.argmax(2, keepdim=True).expand(-1, -1, 2)
    return colors, trust, reference.centers.gather(1, source)


def _trust(similarity: Tensor, comparable: Tensor, spread: Tensor, variance: Tensor) -> Tensor:
    """Compute the weight ``(B, N)`` in [0, 1] of the matched colors by logistic regression.

    The weight of a block without a comparable reference block is 0.

    Args:
        similarity: ``(B, N, R)``, similarity of each image block to each reference block.
        comparable: ``(B, N, R)`` bool, False for two blocks of different classes.
        spread: ``(B, N)``, variance of the reference colors that were averaged to a matched color.
        variance: ``(B, N)``, variance of the error of the colors predicted without a reference.
    """
    best_of_image = similarity.amax(2)  # best similarity of each image block, (B, N)
    best_of_reference = similarity.amax(1)  # best similarity of each reference block, (B, R)
    has_match = comparable.any(2)
    image_mean = _mean(best_of_image, has_match)  # (B, 1)
    reference_mean = _mean(best_of_reference, comparable.any(1))  # (B, 1)
    # how well the block, the whole image and the whole reference match, and how certain the colors are
    predictors = torch.stack(
        [
            best_of_image,
            image_mean.expand_as(best_of_image),
            reference_mean.expand_as(best_of_image),
            (spread + _LEAST_VARIANCE).log(),
            (variance + _LEAST_VARIANCE).log(),
        ],
        dim=-1,
    )
    centered = predictors - predictors.new_tensor(_CENTERS)
    logit = centered @ predictors.new_tensor(_FACTORS) + _BIAS + STRENGTH
    return torch.where(has_match, logit.sigmoid(), 0.0)


def _blocks(maps: Tensor) -> Tensor:
    """Average maps ``(B, h, w, C)`` over blocks of 2 x 2 cells."""
    return F.avg_pool2d(maps.permute(0, 3, 1, 2), BLOCK).permute(0, 2, 3, 1)


def _directions(features: Tensor) -> Tensor:
    """Center features over the image, normalize them to length 1, and return ``(B, N, C)``."""
    flat = features.flatten(1, 2)
    return F.normalize(flat - flat.mean(dim=1, keepdim=True), dim=-1)


def _centers(blocks: Tensor) -> Tensor:
    """Return relative x and y ``(B, N, 2)`` of the block centers of ``(B, h, w, C)``."""
    height, width = blocks.shape[1:3]
    y, x = ((torch.arange(side, device=blocks.device) + 0.5) / side for side in (height, width))
    grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], dim=-1)
    return grid.flatten(0, 1).to(blocks).expand(blocks.shape[0], -1, -1)


def _labels_at(labels: Tensor, centers: Tensor) -> Tensor:
    """Return labels ``(B, N)`` of a map ``(B, 1, H, W)`` at relative centers ``(B, N, 2)``."""
    height, width = labels.shape[2:]
    x, y = (centers[..., 0] * width).long(), (centers[..., 1] * height).long()
    return labels.flatten(1).gather(1, y * width + x)


def _mean(values: Tensor, known: Tensor) -> Tensor:
    """Return the mean ``(B, 1)`` of the values ``(B, N)`` at which ``known`` is True."""
    return (values * known).sum(1, keepdim=True) / known.sum(1, keepdim=True).clamp(min=1)


class Analysis(NamedTuple):
    """Network output for a batch of images, before color points are applied.

    A cell is a position of the network output, which corresponds to 4 x 4 pixels of the network input. The
    grid has h rows and w columns, so ``N = h * w`` cells.

    Attributes:
        mean: ``(B, N, 2)``, predicted mean color of each cell, ab / `AB_SCALE`.
        logits: ``(B, N, 313)``, logits of the distribution over the ab bins for each cell.
        cells: Cell embeddings, which determine the covariance between the colors of two cells.
        light: ``(B, 1, h, w)``, mean lightness of each cell in [0, 100].
        features: ``(B, h, w, C)``, decoder features.
        match: ``(B, 2, h / 2, w / 2)``, position in the reference that matches each block of 2 x 2 cells; see
            `observe_references`. None without a reference or with several references.
    """

    mean: Tensor
    logits: Tensor
    cells: Cells
    light: Tensor
    features: Tensor
    match: Tensor | None = None

    @property
    def grid(self) -> tuple[int, int]:
        """Number of rows and columns of the cell grid."""
        return self.light.shape[2], self.light.shape[3]


class EncodedImage(NamedTuple):
    """Parts of a prediction that do not depend on color points; see `EncodingModel.encode_image`.

    Attributes:
        analysis: Network output.
        conditions: Reference, statistics and classes.
        conditioned: Network output after these conditions.
        automatic: ``(B, 2, H, W)``, prediction without points in CIE units.
    """

    analysis: Analysis
    conditions: Guidance
    conditioned: Analysis
    automatic: Tensor


class Colorzoo2026(ColoringModel, ExemplarModel, MatchingModel, SimilarityModel):
    """Colorization model with optional color points, references, classes and statistics.

    Args:
        stem: Channels of the encoder at 1/2 and 1/4 of the image size.
        widths: Channels of the encoder at 1/8, 1/16 and 1/32 of the image size.
        blocks: Number of encoder blocks at 1/8, 1/16 and 1/32 of the image size.
        decoder: Channels of the decoder output at 1/4 of the image size, from which colors are predicted.
        vector: Length of the global vector, which is computed from the whole image and added to the decoder
            features.
        heads: Number of kernels of the color covariance (`ColorCovariance`).
        encoder: Weights of the frozen EfficientNet-Lite2: ``fine-tuned`` (trained together with colorzoo2026)
            or ``imagenet``. Weights of colorzoo2026 from before 2026-11-27 require ``imagenet``.
    """

    accepts = frozenset({"classes", "exemplar", "points", "statistics"})
    working_size = 256
    reproduces_points = True
    training_only = ("label_head.",)
    network: Network
    centers: Tensor

    def __init__(
        self,
        stem: tuple[int, int] = (24, 48),
        widths: tuple[int, int, int] = (96, 192, 288),
        blocks: tuple[int, int, int] = (1, 4, 4),
        decoder: PositiveInt = 64,
        vector: PositiveInt = 192,
        heads: Annotated[int, Range(1, 6)] = 6,
        encoder: EncoderWeights = "fine-tuned",
    ) -> None:
        super().__init__(Network(stem, widths, blocks, decoder, vector, encoder))
        self.covariance = ColorCovariance(decoder, heads)
        self.register_buffer("centers", hull_centers() / AB_SCALE, persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `ColoringModel.forward`.

        ``extras["logits"]`` contains the logits of the distribution over 313 ab bins at 1/4 of the image
        size. If the guidance contains points, only `Prediction.color_logits` computes the logits.

        If the guidance contains a single reference, ``extras["match"]`` contains the position in the
        reference that matches each block of the image; see `observe_references`.
        """
        guidance = Guidance() if guidance is None else guidance
        return self.decode_image(lightness, guidance, self.encode_image(lightness, guidance))

    def encode_image(
        self, lightness: Tensor, guidance: Guidance, encoded: EncodedImage | None = None
    ) -> EncodedImage:
        """Run the network and apply all guidance except points; see `EncodingModel.encode_image`."""
        conditions = Guidance(
            exemplar=guidance.exemplar, statistics=guidance.statistics, classes=guidance.classes
        )
        if encoded is not None and conditions.equals(encoded.conditions):
            return encoded
        analysis = self.analyze(lightness) if encoded is None else encoded.analysis
        conditioned = analysis
        if guidance.exemplar is not None:
            conditioned = self._match_reference(analysis, guidance.exemplar, guidance.classes)
        if guidance.statistics is not None:
            with torch.autocast(lightness.device.type, enabled=False):  # small probabilities need float32
                mean, logits = condition(
                    conditioned.mean, conditioned.logits, analysis.light, self.centers, guidance.statistics
                )
            conditioned = conditioned._replace(mean=mean, logits=logits)
        automatic = _enlarge(conditioned.mean, conditioned, lightness)
        return EncodedImage(analysis, conditions, conditioned, automatic)

    def decode_image(self, lightness: Tensor, guidance: Guidance, encoded: EncodedImage) -> AbPrediction:
        """Apply color points; see `EncodingModel.decode_image`."""
        analysis, automatic = encoded.conditioned, encoded.automatic
        extras = {} if analysis.match is None else {"match": analysis.match}
        if guidance.points is None:
            logits = _maps(analysis.logits, analysis.grid)
            return AbPrediction(ab=automatic, extras={"logits": logits, **extras})

        # relative to the automatic color at full size, so that a point with exactly this color has no effect
        points = guidance.points
        residual = (points.ab - automatic) / AB_SCALE
        observations = observe(residual, points.mask, analysis.grid)
        # the same average over the pixels of each cell, but of the point colors
        point_colors = observe(points.ab / AB_SCALE, points.mask, analysis.grid).residual
        with torch.autocast(residual.device.type, enabled=False):
            # float64, because nearby points amplify rounding error of the covariance up to a million times
            cells = analysis.cells.double()
            covariance_with_points = cell_covariance(cells, cells.take(observations.cell))
            posterior = self.covariance.posterior(covariance_with_points, observations)
            mean = analysis.mean
            change = bound_change(mean, posterior.change.to(mean), point_colors, observations.valid)
        ab = _enlarge(mean + change, analysis, lightness)
        compute_logits = partial(self._logits, analysis, posterior._replace(change=change))
        return AbPrediction(ab=ab, extras=extras, compute_logits=compute_logits)

    def similarity(self, encoded: EncodedImage, mask: Tensor) -> Tensor:
        """Return the similarity ``(B, 1, h, w)`` of each cell to the cells inside a mask.

        The similarity of a cell is its largest correlation in [0, 1] with a cell inside the mask, computed
        from the learned covariance between cell colors. See `SimilarityModel.similarity`.
        """
        analysis = encoded.analysis
        points = observe(mask.expand(-1, 2, -1, -1), mask, analysis.grid)
        with torch.autocast(mask.device.type, enabled=False):
            correlation = cell_correlation(analysis.cells, analysis.cells.take(points.cell))
            largest = (correlation * points.valid[:, None]).amax(-1)
        return _maps(largest[..., None], analysis.grid)

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the frozen encoder's feature maps at 1/4, 1/8, 1/16 and 1/32 of the image size."""
        features: ImageNetFeatures = self.network.encoder(pad_to_multiple(lightness, MULTIPLE))
        return features.maps4, features.maps8, features.maps16, features.maps32

    def match_features(self, lightness: Tensor, encoded: EncodedImage | None = None) -> Tensor:
        """Return features of cells of 8 x 8 pixels; see `MatchingModel.match_features`.

        Maps of the frozen encoder at 1/8, 1/16 and 1/32 of the image size and the decoder features are
        resized to one grid, centered over the image, normalized to length 1 and multiplied by
        `_MATCH_WEIGHTS`. The weights gave the best colors on composed scenes (`benchmarks._film_trust`).
        """
        grid = [max(1, round(side / _MATCH_CELL)) for side in lightness.shape[2:]]
        analysis = self._run(lightness) if encoded is None else encoded.analysis
        decoder = analysis.features.permute(0, 3, 1, 2)
        lightness = self._resize(lightness)  # so that `feature_maps` adds no padding
        _, *encoder = self.feature_maps(lightness)
        features = []
        for maps, weight in zip((*encoder, decoder), _MATCH_WEIGHTS, strict=True):
            resized = F.interpolate(maps.float(), grid, mode="bilinear", antialias=True)
            centered = resized - resized.mean(dim=(2, 3), keepdim=True)
            features.append(F.normalize(centered, dim=1) * weight**0.5)
        return torch.cat(features, dim=1)

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode reference images as the features and mean colors of blocks of 2 x 2 cells.

        See `reference_embedding`.

        Args:
            rgb: ``(B, 3, H, W)`` sRGB in [0, 1], one reference for each image of the batch.
        """
        lab = rgb_to_lab(rgb.float())
        analysis = self._run(lab[:, :1])
        colors = F.interpolate(lab[:, 1:] / AB_SCALE, analysis.grid, mode="bilinear", antialias=True)
        return reference_embedding(analysis.features, colors.permute(0, 2, 3, 1))

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Concatenate the embeddings of several references; drop references with weight 0.

        Args:
            embeddings: Outputs of `encode_reference` or of this method.
            weights: Nonnegative weight of each embedding; only the ratios of weights matter.
        """
        mixed: list[Tensor] = []
        count = 0.0
        for embedding, weight in zip(embeddings, weights, strict=True):
            if weight > 0:
                blocks = Blocks.of(embedding)
                weighted = blocks.weight * (weight / max(weights))
                mixed.append(torch.cat(blocks._replace(weight=weighted, number=blocks.number + count), dim=2))
                count += float(blocks.number.max()) + 1
        return torch.cat(mixed, dim=1)

    def analyze(self, lightness: Tensor) -> Analysis:
        """Run the network, combine the colors of correlated cells and increase the chroma.

        See `pool_logits` and `boost_chroma`.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
        """
        found = self._run(lightness)
        with torch.autocast(lightness.device.type, enabled=False):
            mean = pool_logits(found.mean, found.logits, found.cells, found.grid, self.centers)
            return found._replace(mean=boost_chroma(mean))

    def _run(self, lightness: Tensor) -> Analysis:
        """Resize the input and run the network."""
        lightness = self._resize(lightness)
        return self.embed(self.network(lightness), lightness)

    def _resize(self, lightness: Tensor) -> Tensor:
        """Resize lightness ``(B, 1, H, W)`` so that its sides are multiples of 32."""
        # integer arithmetic, and a resize even at equal size, so that an exported graph supports all sizes
        multiples = [  # round(side / 32); halves are rounded to even
            (side + MULTIPLE // 2 - 1 + side // MULTIPLE % 2) // MULTIPLE for side in lightness.shape[2:]
        ]
        sides = [max(1, multiple) * MULTIPLE for multiple in multiples]
        return F.interpolate(lightness, sides, mode="bilinear", antialias=True)

    def embed(self, maps: Maps, lightness: Tensor) -> Analysis:
        """Compute the cell embeddings and combine them with the network output.

        Args:
            maps: Output of the network.
            lightness: ``(B, 1, H, W)`` in [0, 100], input of the network.
        """
        light = F.avg_pool2d(lightness, STRIDE).float()
        with torch.autocast(lightness.device.type, enabled=False):  # squared distances need float32
            cells = self.covariance(maps.features.float(), light)
        mean, logits = maps.mean.float().flatten(1, 2), maps.logits.float().flatten(1, 2)
        return Analysis(mean, logits, cells, light, maps.features.float())

    def _match_reference(self, analysis: Analysis, exemplar: Exemplar, classes: ClassMap | None) -> Analysis:
        """Return the network output conditioned on a reference."""
        blocks = Blocks.of(exemplar.embed_by(self.encode_reference).float())
        # only an embedding can contain several references; their number depends on the data
        references = [blocks]
        if exemplar.embedding is not None:
            number = blocks.number[0, :, 0]
            references = [
                Blocks(*(part[:, number == each] for part in blocks)) for each in torch.unique(number)
            ]
        labels = None
        if classes is not None and classes.exemplar is not None:
            labels = (classes.target, classes.exemplar)
        with torch.autocast(analysis.mean.device.type, enabled=False):  # matching needs float32
            mean = torch.unflatten(analysis.mean, 1, analysis.grid)
            variance = analysis.cells.amplitude.square().sum(-1) + self.covariance.noise
            variance = torch.unflatten(variance[..., None], 1, analysis.grid)
            features = analysis.features
            change, precision, match = observe_references(
                features, mean, variance, references, exemplar.alpha, labels
            )
            moved = analysis.mean + change.flatten(1, 2)
            logits = self._narrowed(analysis.logits, moved, 0.5 * precision.flatten(1))
        return analysis._replace(mean=moved, logits=logits, match=match)

    def _logits(self, analysis: Analysis, posterior: Posterior) -> Tensor:
        """Return the logits ``(B, 313, h, w)`` of the distribution conditioned on points."""
        with torch.autocast(analysis.mean.device.type, enabled=False):
            prior, variance = self.covariance.variances(analysis.cells.double(), posterior)
            narrower = 0.5 * (1 / variance.clamp(min=_MIN_VARIANCE) - 1 / prior).clamp(min=0)
            mean = analysis.mean + posterior.change.to(analysis.mean)
            return _maps(self._narrowed(analysis.logits, mean, narrower.to(mean)), analysis.grid)

    def _narrowed(self, logits: Tensor, mean: Tensor, precision: Tensor) -> Tensor:
        """Multiply distributions ``(B, N, 313)`` by Gaussians ``exp(-precision * distance²)``.

        The distance is between the bin centers and a mean ``(B, N, 2)``. The precision is ``(B, N)``.
        """
        distance = (mean[..., None, :] - self.centers).square().sum(-1)
        return logits - precision[..., None] * distance


def _maps(values: Tensor, grid: tuple[int, int]) -> Tensor:
    return values.view(values.shape[0], *grid, -1).permute(0, 3, 1, 2)


def _enlarge(mean: Tensor, analysis: Analysis, lightness: Tensor) -> Tensor:
    """Enlarge scaled cell colors ``(B, N, 2)`` along the edges of the lightness to ab in CIE units."""
    return enlarge_along_edges(AB_SCALE * _maps(mean, analysis.grid), analysis.light, lightness)
