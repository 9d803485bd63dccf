"""Colorzoo 2026 for drawings, which predicts a distribution of Lab colors for each region of a drawing.

The network predicts the distribution from lines and hints. The encoder has residual blocks at 1/8 and 1/16 of
the drawing size and attention blocks at 1/32. A global vector is computed from the last feature map. The
decoder returns to 1/4 of the size. Three heads predict the logits of 256 colors, a mean color and an
embedding of each cell. `CopyAttention` copies the colors of points and references to cells with a similar
embedding. The module
`colorzoo.drawing.region_colors` chooses the colors of regions from the distributions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.abilities import DrawingModel, ExemplarModel
from colorzoo.card import InputKind, OutputKind
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.sketch import drawn_lines
from colorzoo.drawing.region_colors import (
    DISTINCT,
    DULL,
    TEMPERATURE,
    contrasting_colors,
    distinct_colors,
    heaviest_regions,
    is_paper,
    likely_color,
    limit_to_palette,
    near_colors,
    pool_embeddings,
    pool_log_probabilities,
    rank_by_explained_variance,
    region_colorfulness,
    vivid_color,
)
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced, take_cells, thin_out
from colorzoo.networks.channels_last import INITIAL_SCALE, SLOPE, EncoderDecoder
from colorzoo.networks.hint_unet import point_colors
from colorzoo.precision import distances
from colorzoo.prediction import Prediction, RgbPrediction
from colorzoo.settings import PositiveInt

STRIDE = 4
"""Side of a cell of the output maps in pixels."""
MULTIPLE = 32
"""Input height and width must be multiples of this number."""
COLORS = 256
"""Number of Lab colors of the predicted distribution."""
MAX_OBSERVATIONS = 1024
"""Maximum number of cells with a known color, in the drawing and in each reference."""
_ROUNDING = 1e-5  # error of the conversion of white from Lab
_LEAST = 1e-5  # added to probabilities before the logarithm
_HIDDEN = 128  # channels of the hidden layer of the embedding head


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
        stem: See `Colorzoo2026Drawing`.
        widths: See `Colorzoo2026Drawing`.
        blocks: See `Colorzoo2026Drawing`.
        decoder: See `Colorzoo2026Drawing`.
        vector: See `Colorzoo2026Drawing`.
        embedding: See `Colorzoo2026Drawing`.
    """

    def __init__(
        self,
        stem: tuple[int, int],
        widths: tuple[int, int, int],
        blocks: tuple[int, int, int],
        decoder: int,
        vector: int,
        embedding: int,
    ) -> None:
        super().__init__(5, stem, widths, blocks, vector)
        self.add_decoder(decoder)
        # heads
        self.classes = nn.Linear(decoder, COLORS)
        self.mean = nn.Linear(decoder, 3)
        self.embed_in = nn.Linear(decoder, _HIDDEN)
        self.embed_out = nn.Linear(_HIDDEN, embedding)
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


class Colorzoo2026Drawing(ColoringModel, DrawingModel, ExemplarModel):
    """Colorization model for drawings, with optional color points and references.

    Args:
        stem: Channels of the encoder at 1/2 and 1/4 of the drawing size.
        widths: Channels of the encoder at 1/8, 1/16 and 1/32 of the drawing size.
        blocks: Number of encoder blocks at 1/8, 1/16 and 1/32 of the drawing size.
        decoder: Channels of the decoder output at 1/4 of the drawing size.
        vector: Length of the global vector.
        embedding: Length of the embedding of a cell.
    """

    accepts = frozenset({"points", "exemplar"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    working_size = 224
    network: Network
    centers: Tensor

    def __init__(
        self,
        stem: tuple[int, int] = (32, 64),
        widths: tuple[int, int, int] = (96, 160, 256),
        blocks: tuple[int, int, int] = (2, 3, 3),
        decoder: PositiveInt = 64,
        vector: PositiveInt = 192,
        embedding: PositiveInt = 64,
    ) -> None:
        super().__init__(Network(stem, widths, blocks, decoder, vector, embedding))
        self.copying = CopyAttention()
        # regularly spaced sRGB colors; trained weights replace them
        axes = (torch.linspace(0, 1, count, device="cpu") for count in (8, 8, 4))
        rgb = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, COLORS, 1)
        self.register_buffer("centers", scale_lab(rgb_to_lab(rgb[None])[0, :, :, 0].T).contiguous())

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1]; see `ColoringModel.forward`.

        ``extras`` contains two maps over cells of 4 x 4 pixels. ``"color_log_probabilities"``
        ``(B, 256, h, w)`` is the logarithm of the distribution over `centers`. ``"embedding"``
        ``(B, D, h, w)`` contains the embeddings.
        """
        guidance = guidance or Guidance()
        sketch = _resized(lightness)
        grid = sketch.shape[2] // STRIDE, sketch.shape[3] // STRIDE

        # scaled Lab and mask of the points at the size of the network input
        size = _input_size(lightness)
        hints = lightness.new_zeros(lightness.shape[0], 4, *size)
        if guidance.points is not None:
            lab, mask = rgb_to_lab((point_colors(guidance.points) + 1) / 2), guidance.points.mask
            hints = torch.cat([scale_lab(lab.movedim(1, -1)).movedim(-1, 1) * mask, mask], dim=1)
            if tuple(hints.shape[2:]) != size:
                hints = _area_means(hints, size)
                share = hints[:, 3:]
                color = hints[:, :3] / share.clamp(min=1e-6)
                shown = (share > 0).to(hints)
                hints = torch.cat([color * shown, shown], dim=1)

        # without autocast, because bfloat16 rounding can change which colors `region_colors` selects
        with torch.autocast(lightness.device.type, enabled=False):
            maps = self.network(sketch, hints)
            # the colors of points and references are observations
            found = []
            if guidance.points is not None:
                found.append(observed_points(maps, hints))
            if guidance.exemplar is not None:
                cells = guidance.exemplar.embed_by(self.encode_reference).float()
                embedding, color, weight = torch.split(cells, [cells.shape[2] - 4, 3, 1], dim=2)
                found.append(Observations(embedding, color, weight[..., 0] * guidance.exemplar.alpha))
            observations = join_observations(found) if found else None
            log_probabilities, scaled_lab = self.condition(maps, observations)
            cell_lab = _as_map(unscale_lab(scaled_lab), grid)
            cell_rgb = lab_to_rgb(cell_lab)
        color = F.interpolate(cell_rgb, lightness.shape[2:], mode="bilinear").clamp(0, 1)
        extras = {
            "color_log_probabilities": _as_map(log_probabilities, grid),
            "embedding": _as_map(maps.embedding, grid),
        }
        rgb = color * lightness  # draws the lines of the sketch over the colors
        return RgbPrediction(rgb=rgb, extras=extras)

    def condition(self, maps: Maps, observations: Observations | None) -> tuple[Tensor, Tensor]:
        """Combine the network output with observed colors.

        Returns:
            Logarithm of the color distribution ``(B, N, 256)``, and mean color ``(B, N, 3)`` in scaled Lab.
        """
        probabilities, mean = maps.logits.softmax(-1), maps.mean
        if observations is not None:
            weights = self.copying(maps.embedding, observations)
            rest = 1 - weights.sum(-1, keepdim=True)
            index, share = soft_assign(observations.color, self.centers)
            spread = share.new_zeros(*share.shape[:2], COLORS).scatter_add(2, index, share)
            probabilities = rest * probabilities + weights @ spread
            mean = rest * mean + weights @ observations.color
        return (probabilities + _LEAST).log(), mean

    def encode_reference(self, rgb: Tensor) -> Tensor:
        """Encode references as embeddings and colors of cells.

        The lines of the reference are extracted, and the network runs on these lines without hints.

        Args:
            rgb: ``(B, 3, H, W)`` sRGB in [0, 1], colored drawings.

        Returns:
            ``(B, R, D + 4)``: embedding, scaled Lab and weight of each cell.
        """
        sketch = _resized(drawn_lines(rgb))
        hints = sketch.new_zeros(sketch.shape[0], 4, *sketch.shape[2:])
        with torch.autocast(rgb.device.type, enabled=False):
            embedding = self.network(sketch, hints).embedding
        grid = sketch.shape[2] // STRIDE, sketch.shape[3] // STRIDE
        paper = F.interpolate(sketch, rgb.shape[2:], mode="bilinear", antialias=True)
        paper_weight = paper.clamp(min=0.02)  # not 0, so that cells of ink have a mean color
        lab = rgb_to_lab(rgb.float())
        scaled_lab = scale_lab(lab.movedim(1, -1)).movedim(-1, 1)
        color = (_area_means(scaled_lab * paper_weight, grid) / _area_means(paper_weight, grid)).flatten(2).mT
        weight = torch.ones_like(color[..., :1])
        cells = torch.cat([embedding, color, weight], dim=-1)
        step = (cells.shape[1] + MAX_OBSERVATIONS - 1) // MAX_OBSERVATIONS  # ONNX division rounds to zero
        return cells[:, step // 2 :: step]

    def mix_references(self, embeddings: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        """Concatenate the embeddings of several references."""
        largest = max(weights) or 1.0
        scaled = [
            torch.cat([each[..., :-1], each[..., -1:] * weight / largest], dim=-1)
            for each, weight in zip(embeddings, weights, strict=True)
        ]
        return torch.cat(scaled, dim=1)

    def region_colors(
        self, prediction: Prediction, votes: Tensor, palette: Tensor | None = None, variant: int = 0
    ) -> Tensor:
        """Choose the color of each region; see `DrawingModel.region_colors`.

        Regions that look like paper are exactly white. With a palette, with a nonzero variant, or if the
        likely colors are dull, different objects get contrasting colors; see `contrasting_colors`.
        """
        pooled = pool_log_probabilities(prediction.extras["color_log_probabilities"][0], votes)
        areas = votes.sum(1)
        white = scale_lab(pooled.new_tensor((100.0, 0.0, 0.0)))
        if palette is None:
            choices, distance = self.centers, DISTINCT
            colors = vivid_color(pooled, self.centers, TEMPERATURE)
            # not the vivid colors, in which gray paper looks colored
            blank = is_paper(unscale_lab(likely_color(pooled, self.centers, TEMPERATURE)))
            colors = torch.where(blank[:, None], white, colors)
            weights = _colored_weights(blank, areas)
            if variant == 0 and region_colorfulness(unscale_lab(colors), weights) >= DULL:
                return _as_rgb(colors)
        else:
            choices = scale_lab(rgb_to_lab(palette.mT[None, :, :, None])[0, :, :, 0].mT).to(pooled)
            distance = 0.0
            pooled = limit_to_palette(pooled, self.centers, choices)
            colors = choices[pooled.argmax(1)]
            weights = _colored_weights(is_paper(unscale_lab(colors)), areas)

        heaviest = heaviest_regions(weights)
        similarity = self.region_similarity(prediction, votes, heaviest)
        contrasting, has_contrasting = contrasting_colors(
            pooled, choices, similarity, weights, heaviest, distance=distance, seed=variant
        )
        # paper and unimportant objects get no contrasting color
        chosen = torch.where(has_contrasting[:, None], contrasting, colors)
        if palette is None:
            chosen = torch.where(is_paper(unscale_lab(chosen))[:, None], white, chosen)
        return _as_rgb(chosen)

    def suggest_colors(
        self, prediction: Prediction, votes: Tensor, region: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return likely colors of a region, the most likely first.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `DrawingModel.region_colors`.
            region: Number of the region.
            count: Maximum number of colors.

        Returns:
            ``(k, 3)`` sRGB in [0, 1], and the probability ``(k,)`` of each color.
        """
        log_probabilities = prediction.extras["color_log_probabilities"][0]
        pooled = pool_log_probabilities(log_probabilities, votes[region : region + 1])
        colors, shares = distinct_colors(pooled[0], self.centers, near_colors(self.centers), count)
        return _as_rgb(colors), shares

    def rank_regions(self, prediction: Prediction, votes: Tensor, areas: Tensor) -> list[int]:
        """Return the regions in descending order of what their color would change in the drawing.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `DrawingModel.region_colors`.
            areas: ``(n,)``, area of each region as a fraction of the image.
        """
        pooled = pool_log_probabilities(prediction.extras["color_log_probabilities"][0], votes)
        areas = areas.to(votes.device)
        largest = heaviest_regions(areas)
        similarity = self.region_similarity(prediction, votes, largest)
        return rank_by_explained_variance(pooled, self.centers, similarity, areas, TEMPERATURE, largest)

    def region_similarity(self, prediction: Prediction, votes: Tensor, regions: Tensor) -> Tensor:
        """Return the probability that two regions have one color; see `DrawingModel.region_similarity`.

        The probability of regions with equal embeddings is below 1, because regions that look alike can have
        different colors: it is 0.95 with the included weights, and about 0.9 for copies of a small shape,
        whose embeddings differ by their position.
        """
        embedding = pool_embeddings(prediction.extras["embedding"][0], votes)
        similarity = self.copying.similarity(embedding[regions] @ embedding.mT).sigmoid()
        similarity[torch.arange(len(regions)), regions] = 1
        return similarity


def _colored_weights(blank: Tensor, areas: Tensor) -> Tensor:
    """Return weights ``(n,)`` with the sum 1: the square root of the area of each region that is not paper.

    Args:
        blank: ``(n,)``, whether each region is paper.
        areas: ``(n,)``, area of each region.
    """
    weights = areas.sqrt() * ~blank
    return weights / weights.sum().clamp(min=1e-6)


def observed_points(maps: Maps, hints: Tensor) -> Observations:
    """Return the mean hint color of each cell with hints.

    If more than `MAX_OBSERVATIONS` cells of a drawing have hints, the cells are subsampled evenly.
    """
    color, share = masked_cell_means(hints[:, :3], hints[:, 3:])
    hinted = thin_out(share > 0, MAX_OBSERVATIONS).to(share)
    count = min(MAX_OBSERVATIONS, hinted.shape[1])
    if not is_traced():  # a graph needs a fixed number
        count = max(1, min(count, int(hinted.sum(1).max())))
    weight, index = hinted.topk(count, dim=1)
    return Observations(take_cells(maps.embedding, index), take_cells(color, index), weight)


def _as_rgb(scaled: Tensor) -> Tensor:
    """Convert scaled Lab ``(n, 3)`` to sRGB in [0, 1]."""
    rgb = lab_to_rgb(unscale_lab(scaled).mT[None, :, :, None])[0, :, :, 0].mT
    return torch.where((rgb - 1).abs() < _ROUNDING, 1.0, rgb).clamp(0, 1)


def _as_map(cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Reshape ``(B, N, C)`` to ``(B, C, h, w)``."""
    return cells.mT.reshape(cells.shape[0], -1, *grid)


def _area_means(values: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a map ``(B, C, H, W)``: each output pixel is the mean over its area.

    ONNX graphs of `F.interpolate` with ``mode="area"`` are wrong for fractional factors.
    """
    rows, columns = (_overlaps(*sides, values.device) for sides in zip(values.shape[2:], size, strict=True))
    with torch.autocast(values.device.type, enabled=False):
        return rows @ values.float() @ columns.mT


def _overlaps(before: int, after: int, device: torch.device) -> Tensor:
    """Return the fraction of each of ``after`` pixels that each of ``before`` pixels covers."""
    edges = torch.arange(after + 1, device=device)[:, None] * before / after
    pixel = torch.arange(before, device=device)
    inside = torch.minimum(edges[1:], pixel + 1.0) - torch.maximum(edges[:-1], pixel.float())
    return inside.clamp(min=0) / edges.diff(dim=0)


def _input_size(sketch: Tensor) -> tuple[int, int]:
    """Return the size of the network input: the sides rounded to multiples of 32."""
    height, width = (max(1, (side + MULTIPLE // 2) // MULTIPLE) * MULTIPLE for side in sketch.shape[2:])
    return height, width


def _resized(sketch: Tensor) -> Tensor:
    size = _input_size(sketch)
    if tuple(sketch.shape[2:]) == size and not is_traced():
        return sketch
    return F.interpolate(sketch, size, mode="bilinear", antialias=True)
