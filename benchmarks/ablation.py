"""Ablation of colorzoo2026: the change of the metrics if one part is left out at inference.

The weights were trained with all parts, so the rows measure what a part contributes to the included weights.
They do not measure what a network trained without the part would reach.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, trained_model, where
from benchmarks.appearance import measure
from colorzoo.guidance import Guidance
from colorzoo.prediction import AbPrediction
from colorzoo.zoo.colorzoo2026.model import AB_SCALE, Analysis, Colorzoo2026
from colorzoo.zoo.colorzoo2026.points import boost_chroma, pool_logits

MODEL = "colorzoo2026"


class Pooled(Colorzoo2026):
    """Model without chroma boost."""

    def analyze(self, lightness: Tensor) -> Analysis:
        found = self._run(lightness)
        return found._replace(
            mean=pool_logits(found.mean, found.logits, found.cells, found.grid, self.centers)
        )


class MeanHead(Colorzoo2026):
    """Model whose color is the output of the mean head, without color pooling and chroma boost."""

    def analyze(self, lightness: Tensor) -> Analysis:
        return self._run(lightness)


class BoostedMeanHead(Colorzoo2026):
    """Model without color pooling."""

    def analyze(self, lightness: Tensor) -> Analysis:
        found = self._run(lightness)
        return found._replace(mean=boost_chroma(found.mean))


class DistributionMean(Colorzoo2026):
    """Model whose color is the mean of the color distribution, without the mean head."""

    def analyze(self, lightness: Tensor) -> Analysis:
        found = self._run(lightness)
        return found._replace(mean=found.logits.softmax(-1) @ self.centers)


class Bilinear(Colorzoo2026):
    """Model that upsamples the cell colors bilinearly instead of along the edges of the lightness."""

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        found = self.analyze(lightness)
        cells = found.mean.reshape(len(lightness), *found.grid, 2).permute(0, 3, 1, 2)
        size = lightness.shape[2:]
        return AbPrediction(ab=F.interpolate(AB_SCALE * cells, size, mode="bilinear", align_corners=False))


VARIANTS: dict[str, Callable[[], Colorzoo2026]] = {
    "complete": Colorzoo2026,
    "without chroma boost": Pooled,
    "without color pooling": BoostedMeanHead,
    "mean head only": MeanHead,
    "mean of the distribution only": DistributionMean,
    "bilinear upsampling": Bilinear,
}


def run(options: Options) -> list[Row]:
    """Measure each variant on the photos of `appearance`."""
    trained = trained_model(MODEL, options)
    rows: list[Row] = []
    complete: dict[str, float] = {}
    for name, build in VARIANTS.items():
        model = build().eval()
        model.load_state_dict(trained.state_dict())
        with torch.inference_mode():
            found, count = measure(model, options)
        complete = complete or found
        for metric, value in found.items():
            difference = value - complete[metric]
            rows.append(
                Row(
                    f"{name}: {metric}", value, complete[metric], difference, float("-inf"), "higher",
                    f"{count} photos, {where()}",
                )
            )  # fmt: skip
    return rows
