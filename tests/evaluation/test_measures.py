"""Per-image measures of `evaluate` and their aggregation over a data set."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo import metrics
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.evaluation.images import Truth
from colorzoo.evaluation.measures import COSTS, Bleeding, MeasuredImage, list_metrics, named_measure
from colorzoo.guidance import Guidance, Points, Scribbles
from colorzoo.metrics.edges import band_psnr, edge_band
from colorzoo.metrics.named import all_metrics
from colorzoo.simulation import SessionResult
from colorzoo.simulation.scribbles import bled_edges
from colorzoo.testing import sample_image

SIZE = (64, 72)
TRUE = sample_image(SIZE, batch=3, seed=1)
WITH_NETWORK = {name for name, found in all_metrics().items() if found.default_network}
PLAIN = sorted(set(list_metrics()) - WITH_NETWORK - {*COSTS, "ab_rmse_near"})  # without points
RESULT = (0.7 * TRUE + 0.3 * sample_image(SIZE, batch=3, seed=2)).clamp(0, 1)


def measured_image(rgb: Tensor, target: Tensor) -> MeasuredImage:
    lines = torch.ones(1, 1, *SIZE)
    lines[..., 30:34] = 0
    truth = Truth(target, SIZE, reference=target.flip(-1), label=3, lines=lines)
    gray = SessionResult(truth.rgb, torch.zeros_like(truth.ab))
    return MeasuredImage(rgb, rgb_to_lab(rgb)[:, 1:], truth, Bleeding(gray, truth))


def aggregate(name: str, results: Tensor = RESULT, truths: Tensor = TRUE) -> list[float]:
    measure = named_measure(name)
    rows = []
    for rgb, target in zip(results, truths, strict=True):
        rows.append(measure.run(measured_image(rgb[None], target[None])))
    sums = [np.array(values).sum(0) for values in zip(*rows, strict=True)]
    return [float(output.finish(total)) for output, total in zip(measure.outputs, sums, strict=True)]


@pytest.mark.parametrize(
    ("name", "metric", "lab", "keys"),
    [
        ("psnr", metrics.MeanPSNR(), False, ()),
        ("psnr_float", metrics.MeanPSNR(eight_bit=False), False, ()),
        ("ab_rmse", metrics.MeanAbRMSE(), True, ()),
        ("ssim", metrics.MeanSSIM(), False, ()),
        ("gray_gain", metrics.GrayGain(), False, ()),
        ("colorfulness_ratio", metrics.ColorfulnessRatio(), False, ()),
        ("right_hue", metrics.RightHue(), True, ()),
        ("cdr", metrics.ClusterDiscrepancyRatio(), True, ("cdr", "cdr_a", "cdr_b")),
        ("auc", metrics.AbAUC(), True, ("auc", "auc_rebalanced")),
        ("delta_colorfulness", metrics.DeltaColorfulness(), False, ("mean_delta_cf_hasler",)),
    ],
)
def test_aggregated_measures_equal_the_metric_of_the_whole_set(
    name: str, metric: torch.nn.Module, lab: bool, keys: tuple[str, ...]
) -> None:
    result, target = ((rgb_to_lab(rgb)[:, 1:] if lab else rgb) for rgb in (RESULT, TRUE))
    expected = metric(result, target)
    wanted = [float(expected[key]) for key in keys] if keys else [float(expected)]
    assert aggregate(name)[: len(wanted)] == pytest.approx(wanted, rel=1e-4)


def test_ground_truth_reaches_the_best_value_of_every_measure() -> None:
    best = {"dB": math.inf}
    found = (
        (o, v)
        for name in PLAIN
        for o, v in zip(named_measure(name).outputs, aggregate(name, TRUE), strict=True)
    )
    for output, value in found:
        if output.key.endswith("_gain"):
            continue  # relative to the method's own first result
        if output.key == "region_area_within_de10":
            continue  # undefined without drawn lines; tests/evaluation/test_drawing_protocols.py
        if output.key.startswith("cdc_"):
            continue  # undefined for single images; tests/evaluation/test_published_protocols.py
        if output.better == "higher":  # the reference is the mirrored ground truth with equal colors
            assert value == pytest.approx(best.get(output.unit, 1.0)), output
        elif output.key == "chroma_where_neutral5":
            assert not value >= 5  # the ground truth is nearly neutral there; NaN without neutral pixels
        elif output.better == "lower":
            assert value == pytest.approx(0, abs=1e-6), output


def gain_of(name: str, ab: Tensor, first: Tensor, truth: Truth, guidance: Guidance | None = None) -> float:
    def colorized(ab: Tensor) -> SessionResult:
        return SessionResult(lab_to_rgb(torch.cat([truth.lab[:, :1], ab], dim=1)).clamp(0, 1), ab)

    result = MeasuredImage(
        *vars(colorized(ab)).values(), truth, Bleeding(colorized(first), truth), guidance or Guidance()
    )
    measure = named_measure(name)
    return float(measure.outputs[0].finish(np.array(measure.run(result)[0])))


@pytest.fixture
def bled() -> tuple[Truth, Tensor, Tensor]:
    """Return a ground truth of two halves, a result without the edge and a result with part of it."""
    lab = torch.full((1, 3, 64, 72), 60.0)
    lab[:, 1:] = 10.0
    lab[:, 1:, :, 36:] = -10.0
    truth = Truth(lab_to_rgb(lab), (64, 72))
    first = torch.full((1, 2, 64, 72), 4.0)
    better = first.clone()
    better[:, :, 20:44, 26:46] = truth.ab[:, :, 20:44, 26:46]
    return truth, first, better


def test_cdr_gain_equals_the_difference_in_cdr_to_the_first_result() -> None:
    truth = Truth(TRUE[:1], SIZE)
    first = rgb_to_lab(RESULT[:1])[:, 1:]
    assert gain_of("cdr_gain", first, first, truth) == 0
    (before, *_), (after, *_) = aggregate("cdr", RESULT[:1], TRUE[:1]), aggregate("cdr", TRUE[:1], TRUE[:1])
    assert gain_of("cdr_gain", truth.ab, first, truth) == pytest.approx(after - before, abs=1e-5)


@pytest.mark.parametrize("name", ["psnr_k7_gain", "psnr_kfull_gain"])
def test_psnr_gain_is_relative_to_the_first_result_of_the_method(
    name: str, bled: tuple[Truth, Tensor, Tensor]
) -> None:
    truth, first, better = bled
    assert gain_of(name, first, first, truth) == 0
    band = edge_band(bled_edges(first, truth.ab), 7 if "k7" in name else None)
    after, before = (
        band_psnr(lab_to_rgb(torch.cat([truth.lab[:, :1], ab], dim=1)).clamp(0, 1), truth.rgb, band)
        for ab in (better, first)
    )
    assert gain_of(name, better, first, truth) == pytest.approx(float(after - before), abs=1e-6)
    assert after - before > 0.01
    assert math.isnan(gain_of(name, first, truth.ab, truth))  # images without bled edges are excluded


def test_drift_ignores_pixels_near_scribbles(bled: tuple[Truth, Tensor, Tensor]) -> None:
    truth, first, _ = bled
    mask = torch.zeros(1, 1, 64, 72)
    mask[..., :, 10] = 1
    drawn = Guidance(scribbles=Scribbles(mask))
    near, next_to, far = first.clone(), first.clone(), first.clone()
    near[..., :27] += 30  # 16 pixels from column 10
    far[:, 0] += 3
    far[:, 1] += 4
    assert gain_of("drift", near, first, truth, drawn) == 0
    next_to[:, 0, :, 27] += 45
    assert gain_of("drift", next_to, first, truth, drawn) == pytest.approx(1)  # mean over 45 columns
    assert gain_of("drift", far, first, truth, drawn) == pytest.approx(5)
    assert gain_of("drift", far, first, truth) == 0  # no scribbles
    assert math.isnan(
        gain_of("drift", far, first, truth, Guidance(scribbles=Scribbles(torch.ones_like(mask))))
    )


def test_errors_near_and_far_from_points_divide_the_image() -> None:
    truth = Truth(sample_image((64, 72), seed=1), (64, 72))
    mask = torch.zeros(1, 1, 64, 72)
    mask[..., 20:24, 30:34] = 1
    ab = truth.ab.clone()
    ab[..., 4:40, 14:50] += 3  # up to 16 pixels from the point
    ab[..., 20:24, 30:34] += 50  # the point itself does not count
    ab[..., 63, 71] += 40  # far away
    bleeding = Bleeding(SessionResult(truth.rgb, truth.ab), truth)
    guidance = Guidance(points=Points(truth.ab * mask, mask))

    def value(name: str, guidance: Guidance) -> float:
        ((total, _, count),) = named_measure(name).run(
            MeasuredImage(truth.rgb, ab, truth, bleeding, guidance)
        )
        return total if count else math.nan

    assert value("ab_rmse_near", guidance) == pytest.approx(3, rel=1e-4)
    assert value("ab_rmse_far", guidance) == pytest.approx(40 / math.sqrt(64 * 72 - 36 * 36), rel=1e-3)
    assert math.isnan(value("ab_rmse_near", Guidance()))
    whole = float((ab - truth.ab).square().mean().sqrt())
    assert value("ab_rmse_far", Guidance()) == pytest.approx(whole, rel=1e-4)
