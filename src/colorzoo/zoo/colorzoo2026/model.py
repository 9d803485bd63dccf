"""Colorzoo 2026, the default model, which predicts colors with or without guidance."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.guidance import ClassMap, Exemplar, GlobalStatistics, Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.blocks import pad_to_multiple
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.imagenet_encoder import ImageNetFeatures
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.colorzoo2026.network import AB_SCALE, MULTIPLE, STRIDE, Architecture, Maps, Network
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
from colorzoo.zoo.colorzoo2026.references import (
    Blocks,
    CellEmbeddings,
    mix_references,
    observe_references,
    reference_embedding,
)
from colorzoo.zoo.colorzoo2026.statistics import condition

_MIN_VARIANCE = AB_SCALE**-2  # 1 CIE unit squared: bins are 10 units wide, and float32 is not more precise


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
            `Observed`. None without a reference or with several references.
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


class Automatic(NamedTuple):
    """Prediction without color points, conditioned on references and statistics, if any.

    Attributes:
        analysis: Network output.
        ab: ``(B, 2, H, W)`` in CIE units, the mean color upsampled to the image size.
    """

    analysis: Analysis
    ab: Tensor


class Colorzoo2026(ColoringModel):
    """Colorization model with optional color points, references, classes and statistics.

    Args:
        architecture: Channel counts, block counts and encoder weights of the network.
    """

    accepts = frozenset({"classes", "exemplar", "points", "statistics"})
    working_size = 256
    training_only = ("label_head.",)
    network: Network
    centers: Tensor

    def __init__(self, architecture: Architecture = Architecture()) -> None:
        super().__init__(Network(architecture))
        self.architecture = architecture
        self.covariance = ColorCovariance(architecture.decoder, architecture.heads)
        self.register_buffer("centers", hull_centers() / AB_SCALE, persistent=False)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; see `ColoringModel.forward`.

        ``extras["logits"]`` contains the logits of the distribution over 313 ab bins at 1/4 of the image
        size. If the guidance contains points, only `Prediction.color_logits` computes the logits.

        If the guidance contains a single reference, ``extras["match"]`` contains the position in the
        reference that matches each block of the image; see `Observed`.
        """
        return self.edit(lightness, Guidance() if guidance is None else guidance, {})

    def edit(self, lightness: Tensor, guidance: Guidance, state: dict[str, Any]) -> AbPrediction:
        """Colorize an image; reuse the network output in the state. See `ColoringModel.edit`."""
        conditions = Guidance(
            exemplar=guidance.exemplar, statistics=guidance.statistics, classes=guidance.classes
        )
        if "automatic" not in state or not conditions.equals(state["conditions"]):
            analysis = self.analyze(lightness, state)
            if guidance.exemplar is not None:
                analysis = self._follow(analysis, guidance.exemplar, guidance.classes)
            if guidance.statistics is not None:
                analysis = self._match_statistics(analysis, guidance.statistics)
            ab = _enlarge(analysis.mean, analysis, lightness)
            state |= {"automatic": Automatic(analysis, ab), "conditions": conditions}
        return self._color(state["automatic"], lightness, guidance.points)

    def similarity(self, lightness: Tensor, mask: Tensor, state: dict[str, Any]) -> Tensor:
        """Return the similarity ``(B, 1, h, w)`` of each cell to the cells inside a mask.

        The similarity of a cell is its largest correlation in [0, 1] with a cell inside the mask, computed
        from the learned covariance between cell colors. See `ColoringModel.similarity`.
        """
        analysis = self.analyze(lightness, state)
        points = observe(mask.expand(-1, 2, -1, -1), mask, analysis.grid)
        with torch.autocast(mask.device.type, enabled=False):
            correlation = cell_correlation(analysis.cells, analysis.cells.take(points.cell))
            largest = (correlation * points.valid[:, None]).amax(-1)
        return _maps(largest[..., None], analysis.grid)

    def feature_maps(self, lightness: Tensor) -> tuple[Tensor, ...]:
        """Return the frozen encoder's feature maps at 1/4, 1/8, 1/16 and 1/32 of the image size."""
        features: ImageNetFeatures = self.network.encoder(pad_to_multiple(lightness, MULTIPLE))
        return features.maps4, features.maps8, features.maps16, features.maps32

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
        """Concatenate the embeddings of several references.

        Args:
            embeddings: Outputs of `encode_reference` or of this method.
            weights: Nonnegative weight of each embedding; only the ratios of weights matter.
        """
        return mix_references(embeddings, weights)

    def analyze(self, lightness: Tensor, state: dict[str, Any]) -> Analysis:
        """Run the network, combine the colors of correlated cells and increase the chroma.

        See `pool_logits` and `boost_chroma`. The result is stored in the state of the image and reused.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            state: State of the image, as in `ColoringModel.edit`; empty for a new image.
        """
        if "analysis" not in state:
            found = self._run(lightness)
            with torch.autocast(lightness.device.type, enabled=False):
                mean = pool_logits(found.mean, found.logits, found.cells, found.grid, self.centers)
                state["analysis"] = found._replace(mean=boost_chroma(mean))
        analysis: Analysis = state["analysis"]
        return analysis

    def _run(self, lightness: Tensor) -> Analysis:
        """Resize the input so that its sides are multiples of 32, and run the network."""
        # integer arithmetic, and a resize even at equal size, so that an exported graph supports all sizes
        multiples = [  # round(side / 32); halves are rounded to even
            (side + MULTIPLE // 2 - 1 + side // MULTIPLE % 2) // MULTIPLE for side in lightness.shape[2:]
        ]
        sides = [max(1, multiple) * MULTIPLE for multiple in multiples]
        lightness = F.interpolate(lightness, sides, mode="bilinear", antialias=True)
        return self.embed(self.network(lightness), lightness)

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

    def _follow(self, analysis: Analysis, exemplar: Exemplar, classes: ClassMap | None) -> Analysis:
        """Return the network output conditioned on a reference."""
        blocks = Blocks.of(exemplar.embed_by(self.encode_reference).float())
        # only an embedding can contain several references; their number depends on the data
        references = [blocks] if exemplar.embedding is None else blocks.by_reference()
        labels = None
        if classes is not None and classes.exemplar is not None:
            labels = (classes.target, classes.exemplar)
        with torch.autocast(analysis.mean.device.type, enabled=False):  # matching needs float32
            mean = torch.unflatten(analysis.mean, 1, analysis.grid)
            variance = analysis.cells.amplitude.square().sum(-1) + self.covariance.noise
            variance = torch.unflatten(variance[..., None], 1, analysis.grid)
            embeddings = CellEmbeddings(analysis.features, mean, variance)
            found = observe_references(embeddings, references, exemplar.alpha, labels)
            moved = analysis.mean + found.change.flatten(1, 2)
            logits = self._narrowed(analysis.logits, moved, 0.5 * found.precision.flatten(1))
        return analysis._replace(mean=moved, logits=logits, match=found.match)

    def _match_statistics(self, analysis: Analysis, statistics: GlobalStatistics) -> Analysis:
        """Return the network output conditioned on color statistics."""
        with torch.autocast(analysis.mean.device.type, enabled=False):  # small probabilities require float32
            mean, logits = condition(analysis.mean, analysis.logits, analysis.light, self.centers, statistics)
        return analysis._replace(mean=mean, logits=logits)

    def _color(self, automatic: Automatic, lightness: Tensor, points: Points | None) -> AbPrediction:
        """Apply color points, if any, to a prediction.

        Args:
            automatic: Prediction before points.
            lightness: ``(B, 1, H, W)`` in [0, 100].
            points: Color points, or None.
        """
        analysis = automatic.analysis
        extras = {} if analysis.match is None else {"match": analysis.match}
        if points is None:
            logits = _maps(analysis.logits, analysis.grid)
            return AbPrediction(ab=automatic.ab, extras={"logits": logits, **extras})

        # relative to the automatic color at full size, so that a point with exactly this color has no effect
        residual = (points.ab - automatic.ab) / AB_SCALE
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
