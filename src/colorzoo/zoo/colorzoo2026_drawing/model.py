"""Colorzoo 2026 for drawings, which predicts a distribution of Lab colors for each region of a drawing."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.card import InputKind, OutputKind
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.color.sketch import drawn_lines
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import is_traced, take_cells, thin_out
from colorzoo.networks.hint_unet import point_colors
from colorzoo.prediction import Prediction, RgbPrediction
from colorzoo.zoo.colorzoo2026_drawing.network import (
    COLORS,
    MULTIPLE,
    STRIDE,
    Architecture,
    CopyAttention,
    Maps,
    Network,
    Observations,
    join_observations,
    masked_cell_means,
    scale_lab,
    soft_assign,
    unscale_lab,
)
from colorzoo.zoo.colorzoo2026_drawing.regions import (
    CONTRASTING_SHARE,
    DISTINCT,
    DULL,
    TEMPERATURE,
    UNCERTAIN,
    contrasting_colors,
    distinct_colors,
    heaviest_regions,
    likely_color,
    limit_to_palette,
    mean_entropy,
    near_colors,
    pool_embeddings,
    pool_log_probabilities,
    rank_by_explained_variance,
    region_colorfulness,
    vivid_color,
)

MAX_OBSERVATIONS = 1024
"""Maximum number of cells with a known color, in the drawing and in each reference."""
_PAPER_LIGHTNESS, _PAPER_CHROMA = 90.0, 6.0  # CIE units; lighter and grayer regions probably are paper
_LEAST = 1e-5  # added to probabilities before the logarithm


class Colorzoo2026Drawing(ColoringModel):
    """Colorization model for drawings, with optional color points and references.

    Args:
        architecture: Channel counts and block counts of the network.
    """

    accepts = frozenset({"points", "exemplar"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    working_size = 224
    network: Network
    centers: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(Network(architecture))
        self.architecture = architecture
        self.copying = CopyAttention()
        self.register_buffer("centers", _initial_centers())

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Colorize sketches ``(B, 1, H, W)`` in [0, 1]; see `ColoringModel.forward`.

        ``extras`` contains two maps over cells of 4 x 4 pixels. ``"color_log_probabilities"``
        ``(B, 256, h, w)`` is the logarithm of the distribution over `centers`. ``"embedding"``
        ``(B, D, h, w)`` contains the embeddings.
        """
        sketch = _resized(lightness)
        grid = sketch.shape[2] // STRIDE, sketch.shape[3] // STRIDE
        hints = self._hints(guidance, lightness)
        # without autocast, because bfloat16 rounding can change which colors `region_colors` selects
        with torch.autocast(lightness.device.type, enabled=False):
            maps = self.network(sketch, hints)
            observations = self._observations(maps, hints, guidance)
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
        color = _cell_means(scaled_lab, paper_weight, grid)
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
        """Choose the color of each region; see `ColoringModel.region_colors`.

        With a palette, with a nonzero variant, or if the likely colors are dull and uncertain, different
        objects get contrasting colors; see `contrasting_colors`.
        """
        if palette is None:
            scaled_lab = self._likely_region_colors(prediction, votes, variant)
        else:
            scaled_lab = self._palette_region_colors(prediction, votes, palette, variant)
        return _as_rgb(scaled_lab)

    def _likely_region_colors(self, prediction: Prediction, votes: Tensor, variant: int) -> Tensor:
        """Return the likely color of each region, mixed with a contrasting color if needed.

        The arguments are described in `ColoringModel.region_colors`.

        Returns:
            Scaled Lab ``(n, 3)``.
        """
        pooled = pool_log_probabilities(prediction.extras["color_log_probabilities"][0], votes)
        colors = vivid_color(pooled, self.centers, TEMPERATURE)
        # not the vivid colors, in which gray paper looks colored
        mean_colors = likely_color(pooled, self.centers, TEMPERATURE)
        weights = _colored_weights(unscale_lab(mean_colors), areas=votes.sum(1))
        if variant == 0 and not _is_dull_and_uncertain(colors, pooled, weights):
            return colors
        heaviest = heaviest_regions(weights)
        similarity = self.region_similarity(prediction, votes, heaviest)
        contrasting, has_contrasting = contrasting_colors(
            pooled, self.centers, similarity, weights, heaviest, distance=DISTINCT, seed=variant
        )
        mixed = torch.lerp(colors, contrasting, CONTRASTING_SHARE)
        # paper and unimportant objects get no contrasting color
        return torch.where(has_contrasting[:, None], mixed, colors)

    def _palette_region_colors(
        self, prediction: Prediction, votes: Tensor, palette: Tensor, variant: int
    ) -> Tensor:
        """Return a color of a palette for each region; see `_likely_region_colors`."""
        pooled = pool_log_probabilities(prediction.extras["color_log_probabilities"][0], votes)
        palette_lab = _as_scaled_lab(palette).to(pooled)
        log_probabilities = limit_to_palette(pooled, self.centers, palette_lab)
        likely = palette_lab[log_probabilities.argmax(1)]
        weights = _colored_weights(unscale_lab(likely), areas=votes.sum(1))
        heaviest = heaviest_regions(weights)
        similarity = self.region_similarity(prediction, votes, heaviest)
        contrasting, has_contrasting = contrasting_colors(
            log_probabilities, palette_lab, similarity, weights, heaviest, distance=0.0, seed=variant
        )
        return torch.where(has_contrasting[:, None], contrasting, likely)

    def suggest_colors(
        self, prediction: Prediction, votes: Tensor, region: int, count: int
    ) -> tuple[Tensor, Tensor]:
        """Return likely colors of a region, the most likely first.

        Args:
            prediction: Prediction for one drawing.
            votes: ``(n, h * w)``, see `ColoringModel.region_colors`.
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
            votes: ``(n, h * w)``, see `ColoringModel.region_colors`.
            areas: ``(n,)``, area of each region as a fraction of the image.
        """
        pooled = pool_log_probabilities(prediction.extras["color_log_probabilities"][0], votes)
        areas = areas.to(votes.device)
        largest = heaviest_regions(areas)
        similarity = self.region_similarity(prediction, votes, largest)
        return rank_by_explained_variance(pooled, self.centers, similarity, areas, TEMPERATURE, largest)

    def region_similarity(self, prediction: Prediction, votes: Tensor, regions: Tensor) -> Tensor:
        """Return the probability that two regions have one color; see `ColoringModel.region_similarity`.

        The probability of regions with equal embeddings is below 1, because regions that look alike can have
        different colors: it is 0.95 with the included weights, and about 0.9 for copies of a small shape,
        whose embeddings differ by their position.
        """
        embedding = pool_embeddings(prediction.extras["embedding"][0], votes)
        similarity = self.copying.similarity(embedding[regions] @ embedding.mT).sigmoid()
        similarity[torch.arange(len(regions)), regions] = 1
        return similarity

    def _hints(self, guidance: Guidance | None, lightness: Tensor) -> Tensor:
        """Return scaled Lab and mask of the points ``(B, 4, H', W')`` at the size of the network input."""
        size = _input_size(lightness)
        if guidance is None or guidance.points is None:
            return lightness.new_zeros(lightness.shape[0], 4, *size)
        lab, mask = rgb_to_lab((point_colors(guidance.points) + 1) / 2), guidance.points.mask
        hints = torch.cat([scale_lab(lab.movedim(1, -1)).movedim(-1, 1) * mask, mask], dim=1)
        if tuple(hints.shape[2:]) == size:
            return hints
        hints = _area_means(hints, size)
        share = hints[:, 3:]
        color = hints[:, :3] / share.clamp(min=1e-6)
        shown = (share > 0).to(hints)
        return torch.cat([color * shown, shown], dim=1)

    def _observations(self, maps: Maps, hints: Tensor, guidance: Guidance | None) -> Observations | None:
        """Return the colors of points and references as observations; None without any."""
        found = []
        if guidance is not None and guidance.points is not None:
            found.append(observed_points(maps, hints))
        if guidance is not None and guidance.exemplar is not None:
            cells = guidance.exemplar.embed_by(self.encode_reference).float()
            embedding, color, weight = torch.split(cells, [cells.shape[2] - 4, 3, 1], dim=2)
            found.append(Observations(embedding, color, weight[..., 0] * guidance.exemplar.alpha))
        return join_observations(found) if found else None


def _colored_weights(lab: Tensor, areas: Tensor) -> Tensor:
    """Return weights ``(n,)`` with the sum 1: the square root of the area of each region without paper color.

    Args:
        lab: ``(n, 3)``, likely color of each region.
        areas: ``(n,)``, area of each region.
    """
    is_paper = (lab[:, 0] > _PAPER_LIGHTNESS) & (lab[:, 1:].norm(dim=1) < _PAPER_CHROMA)
    weights = areas.sqrt() * ~is_paper
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


def _is_dull_and_uncertain(colors: Tensor, pooled: Tensor, weights: Tensor) -> bool:
    """Return whether colors ``(n, 3)`` in scaled Lab are dull, and other colors are nearly as likely."""
    is_dull = region_colorfulness(unscale_lab(colors), weights) < DULL
    return is_dull and mean_entropy(pooled, weights) > UNCERTAIN


def _as_scaled_lab(rgb: Tensor) -> Tensor:
    """Convert sRGB ``(n, 3)`` in [0, 1] to scaled Lab."""
    return scale_lab(rgb_to_lab(rgb.mT[None, :, :, None])[0, :, :, 0].mT)


def _as_rgb(scaled: Tensor) -> Tensor:
    """Convert scaled Lab ``(n, 3)`` to sRGB in [0, 1]."""
    return lab_to_rgb(unscale_lab(scaled).mT[None, :, :, None])[0, :, :, 0].mT.clamp(0, 1)


def _as_map(cells: Tensor, grid: tuple[int, int]) -> Tensor:
    """Reshape ``(B, N, C)`` to ``(B, C, h, w)``."""
    return cells.mT.reshape(cells.shape[0], -1, *grid)


def _cell_means(values: Tensor, weight: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return weighted means ``(B, N, C)`` of a map ``(B, C, H, W)`` over the cells of a grid."""
    return (_area_means(values * weight, grid) / _area_means(weight, grid)).flatten(2).mT


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


def _initial_centers() -> Tensor:
    """Return 256 regularly spaced sRGB colors as scaled Lab ``(256, 3)``; trained weights replace them."""
    axes = (torch.linspace(0, 1, count, device="cpu") for count in (8, 8, 4))
    rgb = torch.stack(torch.meshgrid(*axes, indexing="ij")).reshape(3, COLORS, 1)
    return scale_lab(rgb_to_lab(rgb[None])[0, :, :, 0].T).contiguous()
