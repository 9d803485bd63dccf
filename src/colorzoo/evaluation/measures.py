"""What is measured on a result without a network: the metrics that give it, and the numbers it becomes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric

from colorzoo.evaluation.moments import Values, one_picture
from colorzoo.evaluation.outputs import (
    Better,
    Output,
    absolute_mean,
    area_under_curve,
    decibels_of_mean,
    mean,
    root_mean,
    value_moments,
)
from colorzoo.evaluation.picture_list import Truth
from colorzoo.guidance import Guidance
from colorzoo.metrics.band import band_psnr, edge_band
from colorzoo.metrics.cdr import cluster_discrepancy
from colorzoo.metrics.named import inputs_of, named_metric
from colorzoo.metrics.psnr import AB_SPAN
from colorzoo.users import SeenResult, bled_edges


class Bleeding:
    """Where the colors of a method bled before any interaction; computed once for all its results.

    Args:
        first: The method's result without interactions.
        truth: The truth.
    """

    def __init__(self, first: SeenResult, truth: Truth) -> None:
        self.first, self._truth = first, truth

    @cached_property
    def edges(self) -> Tensor:
        """``(1, 1, H, W)`` thinned edges."""
        return bled_edges(self.first.ab, self._truth.ab)

    @cached_property
    def cdr(self) -> float:
        """Cluster Discrepancy Ratio of the first result, mean over a and b."""
        return float(cluster_discrepancy(self.first.ab[0], self._truth.clusters).nanmean())


@dataclass(frozen=True)
class Shown:
    """One result beside its truth.

    Attributes:
        rgb: ``(1, 3, H, W)`` in [0, 1].
        ab: ``(1, 2, H, W)`` in CIE units.
        truth: The truth.
        bleeding: Where the method's first result bled.
        guidance: What the result was made from.
    """

    rgb: Tensor
    ab: Tensor
    truth: Truth
    bleeding: Bleeding
    guidance: Guidance = field(default_factory=Guidance)


REACH = 16  # pixels from a scribble beyond which nothing should change


@dataclass(frozen=True)
class Measure:
    """One measurement, which may give several numbers.

    Attributes:
        name: As protocols and ``--metrics`` name it.
        outputs: The numbers.
        run: Gives the moments of each number.
        features: Whether the "moments" are features that only a whole set makes a number of.
    """

    name: str
    outputs: tuple[Output, ...]
    run: Callable[[Shown], Values]
    features: bool = False


_GIVEN: Mapping[str, Callable[[Shown], Any]] = {
    "rgb": lambda shown: shown.rgb,
    "target": lambda shown: shown.truth.rgb,
    "ab": lambda shown: shown.ab,
    "target_ab": lambda shown: shown.truth.ab,
    "edges": lambda shown: shown.bleeding.edges,
    "truths": lambda shown: [shown.truth.clusters],
    "color_weights": lambda shown: shown.truth.color_weights,
    "reference_ab": lambda shown: shown.truth.reference_ab,
    "labels": lambda shown: torch.tensor([shown.truth.label]),
}


def _always(shown: Shown) -> bool:
    del shown
    return True


def metric_measure(
    name: str, metric: Metric, *outputs: Output, where: Callable[[Shown], bool] = _always
) -> Measure:
    """Return the measure that a metric gives, picture by picture.

    Args:
        name: As protocols name it.
        metric: What measures.
        outputs: Its numbers, in the order of `colorzoo.evaluation.moments`.
        where: Which results have a value; others are left out.
    """
    inputs = [key for key in inputs_of(metric) if key in _GIVEN]

    def run(shown: Shown) -> Values:
        if not where(shown):
            return [value_moments(float("nan"))] * len(outputs)
        return one_picture(metric, {key: _GIVEN[key](shown) for key in inputs})

    return Measure(name, outputs, run)


def plain_measures() -> Mapping[str, Callable[[], Measure]]:
    """Return the measures that need no network, by name."""
    return {
        "psnr": lambda: _named("psnr", _db("psnr_rgb_8bit_mean", "PSNR")),
        "psnr_float": lambda: _named("psnr_float", _db("psnr_rgb_float_mean", "PSNR (float)")),
        "psnr_pooled": lambda: _named(
            "psnr_pooled", _pooled_db("psnr_rgb_8bit_pooled", "PSNR (pooled)", 1.0)
        ),
        "psnr_ab": lambda: _named("psnr_ab", _db("psnr_ab220_mean", "PSNR of ab")),
        "psnr_ab_pooled": lambda: _named(
            "psnr_ab_pooled", _pooled_db("psnr_ab220_pooled", "PSNR of ab (pooled)", AB_SPAN)
        ),
        "ab_rmse": lambda: _named("ab_rmse", Output("ab_rmse_mean", "ab RMSE", "", "lower", mean, 2)),
        "ab_rmse_pooled": lambda: _named(
            "ab_rmse_pooled", Output("ab_rmse_pooled", "ab RMSE (pooled)", "", "lower", root_mean, 2)
        ),
        "ssim": lambda: _named("ssim", Output("ssim_rgb_gauss11_mean", "SSIM", "", "higher", mean)),
        "cdr": _cdr_measure,
        "cf": lambda: _named("cf", Output("cf_hasler_mean", "Colorfulness", "", "neither", mean, 1)),
        "delta_cf": lambda: _named(
            "delta_cf",
            Output("cf_hasler_distance_mean", "Delta CF (per picture)", "", "lower", mean, 1),
            Output(
                "cf_hasler_distance_of_means", "Delta CF (of means)", "", "lower", absolute_mean, 1, False
            ),
        ),
        "auc": lambda: _named(
            "auc",
            Output("auc_ab150_pooled", "AuC", "", "higher", area_under_curve),
            Output("auc_ab150_rebalanced_pooled", "AuC (rebalanced)", "", "higher", area_under_curve),
        ),
        "psnr_k7": lambda: _named("psnr_k7", _db("psnr_rgb_float_k7_mean", "PSNR K=7")),
        "psnr_kfull": lambda: _named("psnr_kfull", _db("psnr_rgb_float_kfull_mean", "PSNR K=Full")),
        "band_share": lambda: _named(
            "band_share", Output("band_share_k7_mean", "Share of the band", "", "neither", mean)
        ),
        "psnr_k7_gain": lambda: _decibel_gain("k7", "K=7", 7),
        "psnr_kfull_gain": lambda: _decibel_gain("kfull", "K=Full", None),
        "cdr_gain": lambda: _mean_of(
            "cdr_gain", f"cdr_slic250_exact_{_release()}_gain", "Gain, CDR", "higher", _cdr_gain, digits=4
        ),
        "drift": lambda: _mean_of(
            "drift", "drift_beyond_16_px_mean", "Drift beyond 16 px", "lower", _drift, digits=3
        ),
        "gray_gain": lambda: _named("gray_gain", _db("psnr_rgb_8bit_over_gray_mean", "PSNR over gray")),
        "cf_share": lambda: _named(
            "cf_share", Output("cf_hasler_share", "Colorfulness, share", "", "neither", mean)
        ),
        "neutral_chroma": lambda: _named(
            "neutral_chroma", Output("chroma_where_neutral5", "Chroma on neutral", "", "lower", mean)
        ),
        "right_hue": lambda: _named(
            "right_hue", Output("hue35_where_chroma15", "Right hue", "", "higher", mean)
        ),
        "histogram_intersection": lambda: metric_measure(
            "histogram_intersection",
            named_metric("histogram_intersection"),
            Output("hist_ab529_reference_mean", "Histogram int.", "", "higher", mean),
            where=has_reference,
        ),
    }


def has_reference(shown: Shown) -> bool:
    """Say whether the picture has a reference."""
    return shown.truth.reference is not None


def _named(name: str, *outputs: Output) -> Measure:
    return metric_measure(name, named_metric(name), *outputs)


def _db(key: str, title: str) -> Output:
    return Output(key, title, "dB", "higher", mean, 2)


def _pooled_db(key: str, title: str, peak: float) -> Output:
    return Output(key, title, "dB", "higher", decibels_of_mean(peak), 2)


def _cdr_measure() -> Measure:
    """Cluster Discrepancy Ratio; labels depend on the release of scikit-image, so that stays in the key."""
    release = _release()
    keys = (("cdr", "CDR"), ("cdr_a", "CDR of a"), ("cdr_b", "CDR of b"))
    outputs = (
        Output(f"{key}_slic250_exact_{release}_mean", title, "", "higher", mean, detail=key != "cdr")
        for key, title in keys
    )
    # the edges of a gray picture are noise of the file format
    return metric_measure("cdr", named_metric("cdr"), *outputs, where=lambda shown: not shown.truth.is_gray)


def _release() -> str:
    return f"skimage{version('scikit-image')}"


def _mean_of(
    name: str, key: str, title: str, better: Better, function: Callable[[Shown], Tensor], *, digits: int
) -> Measure:
    """Return the measure of what only an evaluation knows: a comparison with the method's first result."""
    output = Output(key, title, "dB" if "psnr" in key else "", better, mean, digits)
    return Measure(name, (output,), lambda shown: [value_moments(float(function(shown)))])


def _decibel_gain(name: str, title: str, kernel_size: int | None) -> Measure:
    """Compare a result with the method's own one without interactions, picture by picture."""
    key, gain = f"psnr_rgb_float_{name}_gain", partial(_band_gain, kernel_size)
    return _mean_of(f"psnr_{name}_gain", key, f"Gain, PSNR {title}", "higher", gain, digits=3)


def _band_gain(kernel_size: int | None, shown: Shown) -> Tensor:
    band = edge_band(shown.bleeding.edges, kernel_size)
    before = band_psnr(shown.bleeding.first.rgb, shown.truth.rgb, band)
    return band_psnr(shown.rgb, shown.truth.rgb, band) - before


def _cdr_gain(shown: Shown) -> Tensor:
    if shown.truth.is_gray or not shown.bleeding.edges.any():
        return torch.tensor(torch.nan)
    return cluster_discrepancy(shown.ab[0], shown.truth.clusters).nanmean() - shown.bleeding.cdr


def _drift(shown: Shown) -> Tensor:
    """Return the mean distance in ab from the first result, more than `REACH` pixels from every scribble."""
    if shown.guidance.scribbles is None:
        return torch.tensor(0.0)
    near = edge_band(shown.guidance.scribbles.mask, 2 * REACH + 1) > 0
    moved = torch.linalg.vector_norm(shown.ab - shown.bleeding.first.ab, dim=1, keepdim=True)
    drift: Tensor = moved[~near].mean()  # NaN where no pixel is so far away
    return drift
