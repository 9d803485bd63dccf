"""Edge cases of metrics: exact pictures, empty bands, sizes, gray pictures."""

import math

import pytest
import torch

from colorzoo import metrics
from colorzoo.errors import DataError
from metrics.cases import PICTURES

BATCH = PICTURES[0]
RGB, TRUTH, EDGES = BATCH["rgb"], BATCH["target"], BATCH["edges"]


def test_exact_pictures_are_counted_and_the_mean_of_exact_pictures_only_is_infinite() -> None:
    mixed = torch.cat([TRUTH[:1], RGB[1:]])
    metric = metrics.MeanPSNR()
    metric.update(mixed, TRUTH)
    assert (int(metric.exact), int(metric.count)) == (1, 1)
    assert float(metric.compute()) == pytest.approx(float(metrics.psnr_8bit(RGB, TRUTH)[1]))
    metric.reset()
    metric.update(TRUTH, TRUTH)
    assert float(metric.compute()) == math.inf


def test_eight_bits_are_truncated_not_rounded() -> None:
    light, dark = torch.full((1, 3, 4, 4), 100.9 / 255), torch.full((1, 3, 4, 4), 100 / 255)
    assert float(metrics.psnr_8bit(light, dark)) == math.inf


@pytest.mark.parametrize("size", [7, None])
def test_a_picture_without_edges_is_left_out_at_every_k(size: int | None) -> None:
    edges = EDGES.clone()
    edges[0] = 0
    metric, alone = metrics.BandPSNR(kernel_size=size), metrics.BandPSNR(kernel_size=size)
    metric.update(RGB, TRUTH, edges)
    alone.update(RGB[1:], TRUTH[1:], edges[1:])
    assert metric.compute() == alone.compute() | {"left_out": 1}


def test_the_band_is_k_pixels_wide() -> None:
    edges = torch.zeros(1, 1, 20, 20)
    edges[..., 10] = 1
    band = metrics.edge_band(edges, 7)
    assert band[0, 0, 0].nonzero().flatten().tolist() == list(range(7, 14))
    with pytest.raises(ValueError, match="odd"):
        metrics.edge_band(edges, 6)


def test_gray_has_no_color_and_a_finite_gradient() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    value = metrics.colorfulness(gray).sum()
    (gradient,) = torch.autograd.grad(value, gray)
    assert float(value.detach()) == pytest.approx(0, abs=1e-4)
    assert gradient.isfinite().all()


def test_the_two_forms_of_colorfulness_differ_where_opponents_change_sign() -> None:
    halves = torch.zeros(1, 3, 4, 4)
    halves[:, 0, :2] = halves[:, 1, 2:] = 1  # red above green
    assert float(metrics.colorfulness(halves)) > float(metrics.colorfulness(halves, form="absolute"))


def test_exemplars_may_have_another_size() -> None:
    ab = BATCH["ab"]
    doubled = ab.repeat_interleave(2, dim=3)
    torch.testing.assert_close(metrics.histogram_intersection(ab, doubled), torch.ones(2))


def test_a_collection_passes_each_metric_its_inputs() -> None:
    from torchmetrics import MetricCollection

    everything = MetricCollection([metrics.MeanPSNR(), metrics.MeanAbRMSE(), metrics.BandPSNR()])
    everything.update(**BATCH)
    found = everything.compute()
    assert {"MeanPSNR", "MeanAbRMSE", "psnr_k7"} <= set(found)
    assert float(found["MeanPSNR"]) == pytest.approx(float(metrics.psnr_8bit(RGB, TRUTH).mean()))


@pytest.mark.parametrize(
    ("metric", "arguments"),
    [
        (metrics.MeanPSNR(), (RGB, TRUTH[..., 1:])),
        (metrics.MeanAbPSNR(), (RGB, TRUTH)),
        (metrics.BandPSNR(), (RGB, TRUTH, EDGES[:, :, 1:])),
        (metrics.Colorfulness(), (RGB[0],)),
        (metrics.MeanSSIM(), (RGB[..., :10], TRUTH[..., :10])),
        (metrics.HistogramIntersection(), (BATCH["ab"], BATCH["ab"][:1])),
    ],
)
def test_wrong_input_is_an_error_in_one_line(metric, arguments) -> None:
    with pytest.raises(DataError) as error:
        metric.update(*arguments)
    assert "\n" not in str(error.value)
