"""Edge cases of metrics: exact images, empty bands, sizes, gray images."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from colorzoo import metrics
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import DataError
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.image_io.write import write_image
from colorzoo.metrics import GrayGain, WorseThanGray
from colorzoo.metrics.base import require_pair
from colorzoo.metrics.edges import band_psnr
from colorzoo.metrics.perceptual import ssim
from metrics.cases import IMAGES

BATCH = IMAGES[0]
RGB, TRUTH, EDGES = BATCH["rgb"], BATCH["target"], BATCH["edges"]


def test_mean_psnr_excludes_exact_images_and_is_inf_if_all_are_exact() -> None:
    mixed = torch.cat([TRUTH[:1], RGB[1:]])
    metric = metrics.MeanPSNR()
    metric.update(mixed, TRUTH)
    assert (int(metric.exact), int(metric.count)) == (1, 1)
    assert float(metric.compute()) == pytest.approx(float(metrics.psnr_8bit(RGB, TRUTH)[1]))
    metric.reset()
    metric.update(TRUTH, TRUTH)
    assert float(metric.compute()) == math.inf


def test_infinite_error_stays_in_the_mean() -> None:
    metric = metrics.MeanAbRMSE(validate_args=False)
    infinite = torch.full_like(BATCH["ab"][:1], math.inf)
    metric.update(torch.cat([infinite, BATCH["ab"][1:]]), BATCH["target_ab"])
    assert float(metric.compute()) == math.inf
    assert (int(metric.exact), int(metric.count)) == (0, 2)


@pytest.mark.parametrize(
    "call",
    [
        lambda levels: metrics.psnr_8bit(levels, levels),
        lambda levels: ssim(levels, levels),
        lambda levels: band_psnr(levels, levels, EDGES),
        metrics.colorfulness,
        lambda levels: metrics.color_consistency(levels[None]),
        lambda levels: metrics.warping_error(levels[None] / 255, levels[None]),
    ],
)
def test_functions_raise_for_8bit_levels(call) -> None:
    with pytest.raises(DataError, match=r"floating point, got torch\.uint8"):
        call((255 * RGB).byte())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_psnr_8bit_equals_the_psnr_of_the_written_image(tmp_path: Path, dtype: torch.dtype) -> None:
    """A result in memory has the same score as its PNG file, and 8-bit levels keep their value."""
    rgb, truth = 0.97 * RGB[:1], TRUTH[:1]
    levels = rgb[0].permute(1, 2, 0).numpy()
    write_image(tmp_path / "result.png", levels, RasterImage(levels))
    written = torch.from_numpy(np.array(Image.open(tmp_path / "result.png"))).permute(2, 0, 1)[None] / 255
    assert float(metrics.psnr_8bit(rgb, truth)) == float(metrics.psnr_8bit(written, truth))
    every = torch.arange(256.0).repeat(3, 1).view(1, 3, 16, 16) / 255
    assert float(metrics.psnr_8bit(every.to(dtype), every)) == math.inf


@pytest.mark.parametrize("size", [7, None])
def test_band_psnr_excludes_images_without_edges(size: int | None) -> None:
    edges = EDGES.clone()
    edges[0] = 0
    metric, alone = metrics.BandPSNR(kernel_size=size), metrics.BandPSNR(kernel_size=size)
    metric.update(RGB, TRUTH, edges)
    alone.update(RGB[1:], TRUTH[1:], edges[1:])
    assert metric.compute() == alone.compute() | {"excluded": 1}


def test_colorfulness_of_gray_is_zero_with_finite_gradient() -> None:
    gray = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    value = metrics.colorfulness(gray).sum()
    (gradient,) = torch.autograd.grad(value, gray)
    assert float(value.detach()) == pytest.approx(0, abs=1e-4)
    assert gradient.isfinite().all()


@pytest.mark.parametrize(
    ("metric", "arguments"),
    [
        (metrics.MeanPSNR(), (RGB, TRUTH[..., 1:])),
        (metrics.MeanAbRMSE(), (RGB, TRUTH)),
        (metrics.BandPSNR(), (RGB, TRUTH, EDGES[:, :, 1:])),
        (metrics.Colorfulness(), (RGB[0],)),
        (metrics.MeanSSIM(), (RGB[..., :10], TRUTH[..., :10])),
        (metrics.HistogramIntersection(), (BATCH["ab"], BATCH["ab"][:1])),
    ],
)
def test_metrics_raise_one_line_error_for_invalid_shapes(metric, arguments) -> None:
    with pytest.raises(DataError) as error:
        metric.update(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("channels", "low", "high", "unit"), [(3, 0, 1, "RGB"), (2, -128, 128, "CIE")])
def test_require_pair_tolerates_rounding_errors(channels: int, low: int, high: int, unit: str) -> None:
    for limit, sign in ((low, -1), (high, 1)):
        image = torch.full((1, channels, 4, 4), limit + sign * 1e-3)
        require_pair(image, image, channels)
        with pytest.raises(DataError, match=unit):
            require_pair(image, image + sign * 0.01, channels)


def test_gray_truths_of_every_level_are_excluded_from_gains_over_gray() -> None:
    gray = (torch.arange(256) / 255).view(-1, 1, 1, 1).expand(-1, 3, 2, 2)
    tinted = (gray + torch.tensor([0.1, 0.0, -0.1]).view(3, 1, 1)).clamp(0, 1)
    for result in (gray, tinted):
        for metric in (GrayGain(), WorseThanGray()):
            assert metric(result, gray).isnan()
            assert metric.excluded == 256
    half = torch.cat([gray, torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(256, -1, 2, 2)], dim=3)
    assert WorseThanGray()(half, half) == 0
    assert GrayGain()(half, half).isposinf()


def test_psnr_of_colors_is_infinite_after_conversion_to_lab_and_back() -> None:
    levels = torch.stack(torch.meshgrid(*3 * [torch.arange(0, 256, 15)], indexing="ij")).flatten(1)
    truth = (levels / 255)[None, :, None].float()
    assert metrics.psnr_8bit(lab_to_rgb(rgb_to_lab(truth)), truth).isposinf().all()


@pytest.mark.parametrize(("wrong", "is_worse"), [(6, 0.0), (9, 1.0)])
def test_worse_than_gray_ignores_losses_below_a_hundredth_decibel(wrong: int, is_worse: float) -> None:
    truth = torch.tensor([0.8, 0.4, 0.2]).view(1, 3, 1, 1).expand(1, 3, 100, 100)
    lab = rgb_to_lab(truth)
    lab[:, 1:] = 0
    result = lab_to_rgb(lab)
    result[..., 0, :wrong] = (2 * result - truth)[..., 0, :wrong]  # at twice the error
    assert float(WorseThanGray()(result, truth)) == is_worse
    assert -0.02 < float(GrayGain()(result, truth)) < -0.005
