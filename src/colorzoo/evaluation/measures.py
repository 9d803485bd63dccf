"""What is measured on a result that needs no network: names as protocols use them, and their functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.metadata import version

import torch
from torch import Tensor

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
from colorzoo.evaluation.pictures import Truth
from colorzoo.guidance import Guidance
from colorzoo.metrics.ab_error import tolerance_histogram
from colorzoo.metrics.band import band_psnr, edge_band
from colorzoo.metrics.cdr import cluster_discrepancy
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.histogram import histogram_intersection
from colorzoo.metrics.look import gray_gain, neutral_chroma, right_hues
from colorzoo.metrics.psnr import AB_SPAN, psnr, psnr_8bit, squared_errors, to_8bit
from colorzoo.metrics.structure import ssim
from colorzoo.users import Answer, bled_edges


class Bleeding:
    """Where the colors of a method bled before any interaction; computed once for all its results.

    Args:
        first: The method's result without interactions.
        truth: The truth.
    """

    def __init__(self, first: Answer, truth: Truth) -> None:
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


Values = list[list[float]]

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


def plain_measures() -> Mapping[str, Callable[[], Measure]]:
    """Return the measures that need no network, by name."""
    return {
        "psnr": lambda: _decibels("psnr", "psnr_rgb_8bit_mean", "PSNR", _psnr_8bit),
        "psnr_float": lambda: _decibels("psnr_float", "psnr_rgb_float_mean", "PSNR (float)", _psnr_float),
        "psnr_pooled": lambda: _pooled(
            "psnr_pooled", "psnr_rgb_8bit_pooled", "PSNR (pooled)", 1.0, _mse_8bit
        ),
        "psnr_ab": lambda: _decibels("psnr_ab", "psnr_ab220_mean", "PSNR of ab", _psnr_ab),
        "psnr_ab_pooled": lambda: _pooled(
            "psnr_ab_pooled", "psnr_ab220_pooled", "PSNR of ab (pooled)", AB_SPAN, _mse_ab
        ),
        "ab_rmse": lambda: _mean("ab_rmse", "ab_rmse_mean", "ab RMSE", "lower", _ab_rmse, digits=2),
        "ab_rmse_pooled": lambda: _pooled_by(
            "ab_rmse_pooled", Output("ab_rmse_pooled", "ab RMSE (pooled)", "", "lower", root_mean, 2), _mse_ab
        ),
        "ssim": lambda: _mean("ssim", "ssim_rgb_gauss11_mean", "SSIM", "higher", _ssim),
        "cdr": _cdr_measure,
        "cf": lambda: _mean("cf", "cf_hasler_mean", "Colorfulness", "neither", _colorfulness, digits=1),
        "delta_cf": _delta_cf_measure,
        "auc": _auc_measure,
        "psnr_k7": lambda: _decibels("psnr_k7", "psnr_rgb_float_k7_mean", "PSNR K=7", partial(_band, 7)),
        "psnr_kfull": lambda: _decibels(
            "psnr_kfull", "psnr_rgb_float_kfull_mean", "PSNR K=Full", partial(_band, None)
        ),
        "band_share": lambda: _mean(
            "band_share", "band_share_k7_mean", "Share of the band", "neither", _band_share
        ),
        "psnr_k7_gain": lambda: _decibel_gain("k7", "K=7", 7),
        "psnr_kfull_gain": lambda: _decibel_gain("kfull", "K=Full", None),
        "cdr_gain": lambda: _mean(
            "cdr_gain", f"cdr_slic250_exact_{_release()}_gain", "Gain, CDR", "higher", _cdr_gain, digits=4
        ),
        "drift": lambda: _mean(
            "drift", "drift_beyond_16_px_mean", "Drift beyond 16 px", "lower", _drift, digits=3
        ),
        "gray_gain": lambda: _decibels(
            "gray_gain", "psnr_rgb_8bit_over_gray_mean", "PSNR over gray", _gray_gain
        ),
        "cf_share": lambda: _share_of_sums(
            "cf_share", "cf_hasler_share", "Colorfulness, share", "neither", _colorfulness_and_truth
        ),
        "neutral_chroma": lambda: _share_of_sums(
            "neutral_chroma", "chroma_where_neutral5", "Chroma on neutral", "lower", _neutral_chroma
        ),
        "right_hue": lambda: _share_of_sums(
            "right_hue", "hue35_where_chroma15", "Right hue", "higher", _right_hues
        ),
        "histogram_intersection": lambda: _mean(
            "histogram_intersection", "hist_ab529_reference_mean", "Histogram int.", "higher", _histogram
        ),
    }


def _mean(
    name: str, key: str, title: str, better: Better, function: Callable[[Shown], Tensor], *, digits: int = 3
) -> Measure:
    return Measure(name, (Output(key, title, "", better, mean, digits),), _one(function))


def _decibels(name: str, key: str, title: str, function: Callable[[Shown], Tensor]) -> Measure:
    return Measure(name, (Output(key, title, "dB", "higher", mean, 2),), _one(function))


def _pooled(name: str, key: str, title: str, peak: float, function: Callable[[Shown], Tensor]) -> Measure:
    return _pooled_by(name, Output(key, title, "dB", "higher", decibels_of_mean(peak), 2), function)


def _pooled_by(name: str, output: Output, function: Callable[[Shown], Tensor]) -> Measure:
    """Weigh each picture's mean squared error by its pixels."""

    def run(shown: Shown) -> Values:
        values = shown.rgb[0].numel()
        return [[float(function(shown)) * values, 0.0, float(values)]]

    return Measure(name, (output,), run)


def _share_of_sums(
    name: str, key: str, title: str, better: Better, function: Callable[[Shown], tuple[Tensor, Tensor]]
) -> Measure:
    """Divide two sums over all pictures, so that a picture counts by its pixels that are asked about."""

    def run(shown: Shown) -> Values:
        total, count = function(shown)
        return [[float(total), 0.0, float(count)]]

    return Measure(name, (Output(key, title, "", better, mean),), run)


def _one(function: Callable[[Shown], Tensor]) -> Callable[[Shown], Values]:
    """Wrap a function that gives ``(1,)``."""
    return lambda shown: [value_moments(float(function(shown)))]


def _psnr_8bit(shown: Shown) -> Tensor:
    return psnr_8bit(shown.rgb, shown.truth.rgb)


def _psnr_float(shown: Shown) -> Tensor:
    return psnr(shown.rgb, shown.truth.rgb)


def _psnr_ab(shown: Shown) -> Tensor:
    return psnr(shown.ab, shown.truth.ab, peak=AB_SPAN)


def _mse_8bit(shown: Shown) -> Tensor:
    return squared_errors(to_8bit(shown.rgb) / 255, to_8bit(shown.truth.rgb) / 255)


def _mse_ab(shown: Shown) -> Tensor:
    return squared_errors(shown.ab, shown.truth.ab)


def _ab_rmse(shown: Shown) -> Tensor:
    return _mse_ab(shown).sqrt()


def _ssim(shown: Shown) -> Tensor:
    return ssim(shown.rgb, shown.truth.rgb)


def _colorfulness(shown: Shown) -> Tensor:
    return colorfulness(shown.rgb)


def _gray_gain(shown: Shown) -> Tensor:
    return gray_gain(shown.rgb, shown.truth.rgb)


def _colorfulness_and_truth(shown: Shown) -> tuple[Tensor, Tensor]:
    return colorfulness(shown.rgb), shown.truth.colorfulness


def _neutral_chroma(shown: Shown) -> tuple[Tensor, Tensor]:
    return neutral_chroma(shown.ab, shown.truth.ab)


def _right_hues(shown: Shown) -> tuple[Tensor, Tensor]:
    return right_hues(shown.ab, shown.truth.ab)


def _histogram(shown: Shown) -> Tensor:
    from colorzoo.color import rgb_to_lab

    if shown.truth.reference is None:
        return torch.tensor(torch.nan)
    return histogram_intersection(shown.ab, rgb_to_lab(shown.truth.reference)[:, 1:])


def _band(kernel_size: int | None, shown: Shown) -> Tensor:
    return band_psnr(shown.rgb, shown.truth.rgb, edge_band(shown.bleeding.edges, kernel_size))


def _decibel_gain(name: str, title: str, kernel_size: int | None) -> Measure:
    """Compare a result with the method's own one without interactions, picture by picture."""
    output = Output(f"psnr_rgb_float_{name}_gain", f"Gain, PSNR {title}", "dB", "higher", mean, 3)
    return Measure(f"psnr_{name}_gain", (output,), _one(_band_gain(kernel_size)))


def _band_gain(kernel_size: int | None) -> Callable[[Shown], Tensor]:
    def gain(shown: Shown) -> Tensor:
        band = edge_band(shown.bleeding.edges, kernel_size)
        before = band_psnr(shown.bleeding.first.rgb, shown.truth.rgb, band)
        return band_psnr(shown.rgb, shown.truth.rgb, band) - before

    return gain


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


def _band_share(shown: Shown) -> Tensor:
    share = edge_band(shown.bleeding.edges).mean()
    return share.masked_fill(share == 0, torch.nan)


def _release() -> str:
    return f"skimage{version('scikit-image')}"


def _cdr_measure() -> Measure:
    """Cluster Discrepancy Ratio; labels depend on the release of scikit-image, so that stays in the key."""
    release = _release()
    keys = (("cdr", "CDR"), ("cdr_a", "CDR of a"), ("cdr_b", "CDR of b"))
    outputs = tuple(
        Output(f"{key}_slic250_exact_{release}_mean", title, "", "higher", mean, detail=key != "cdr")
        for key, title in keys
    )

    def run(shown: Shown) -> Values:
        if shown.truth.is_gray:  # its edges are noise of the file format
            return [value_moments(float("nan"))] * 3
        a, b = cluster_discrepancy(shown.ab[0], shown.truth.clusters).tolist()
        both = float(torch.tensor([a, b]).nanmean())
        return [value_moments(value) for value in (both, a, b)]

    return Measure("cdr", outputs, run)


def _delta_cf_measure() -> Measure:
    outputs = (
        Output("cf_hasler_distance_mean", "Delta CF (per picture)", "", "lower", mean, 1),
        Output("cf_hasler_distance_of_means", "Delta CF (of means)", "", "lower", absolute_mean, 1, False),
    )

    def run(shown: Shown) -> Values:
        difference = float(colorfulness(shown.rgb) - shown.truth.colorfulness)
        return [value_moments(abs(difference)), value_moments(difference)]

    return Measure("delta_cf", outputs, run)


def _auc_measure() -> Measure:
    outputs = (
        Output("auc_ab150_pooled", "AuC", "", "higher", area_under_curve),
        Output("auc_ab150_rebalanced_pooled", "AuC (rebalanced)", "", "higher", area_under_curve),
    )

    def run(shown: Shown) -> Values:
        raw = tolerance_histogram(shown.ab, shown.truth.ab)
        rebalanced = tolerance_histogram(shown.ab, shown.truth.ab, shown.truth.color_weights)
        return [[*histogram.tolist(), 0.0, 1.0] for histogram in (raw, rebalanced)]

    return Measure("auc", outputs, run)
