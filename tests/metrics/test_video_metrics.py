"""Metrics of video: optical flow, visibility, and clips that are too short."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import metrics
from colorzoo.color import lab_to_rgb
from colorzoo.errors import DataError
from colorzoo.metrics.video import warp


def moved(columns: int) -> tuple[Tensor, Tensor]:
    """Two frames of blobs that move to the right."""
    coarse = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, size=(96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 20:148], wide[..., 20 - columns : 148 - columns]


def test_warping_by_opencv_flow_undoes_a_motion() -> None:
    first, second = moved(3)
    flow = metrics.opencv_flow(first, second)
    inner = flow[..., 16:-16, 16:-16]
    torch.testing.assert_close(inner.mean(dim=(0, 2, 3)), torch.tensor([3.0, 0.0]), rtol=0, atol=0.2)
    assert float((warp(second, flow) - first)[..., 16:-16, 16:-16].abs().mean()) < 0.01


def test_the_warping_error_is_small_for_motion_and_large_for_flicker() -> None:
    first, second = moved(3)
    steady = torch.stack([first, second], dim=1)
    flickering = torch.stack([first, second * 0.7], dim=1)
    errors = [float(metrics.warping_error(clip, steady)) for clip in (steady, flickering)]
    assert errors[0] < 1e-3 < 0.01 < errors[1]


def test_chroma_flicker_counts_jumps_of_ab_and_not_noise_of_the_lightness() -> None:
    generator = torch.Generator().manual_seed(1)
    coarse = torch.rand(1, 1, 12, 16, generator=generator)
    still = 30 + 40 * F.interpolate(coarse, size=(96, 128), mode="bicubic").clamp(0, 1)
    lightness = [still + 2 * torch.randn(still.shape, generator=generator) for _ in range(6)]
    shift = torch.tensor([0.0, 8.0]).view(1, 2, 1, 1)

    def clip(jump: float) -> Tensor:
        ab = torch.full((1, 2, 96, 128), 10.0)
        colored = [torch.cat([one, ab + jump * shift * (n % 2)], dim=1) for n, one in enumerate(lightness)]
        return torch.stack([lab_to_rgb(lab).clamp(0, 1) for lab in colored], dim=1)

    gray = torch.stack([lab_to_rgb(F.pad(one, (0, 0, 0, 0, 0, 2))) for one in lightness], dim=1)
    steady, small, large = (float(metrics.chroma_flicker(clip(jump), gray)) for jump in (0.0, 0.5, 1.0))
    assert steady < 0.1
    assert (small, large) == pytest.approx((4, 8), abs=0.1)
    assert float(metrics.warping_error(clip(0.0), gray)) > 1e-4  # which counts the noise


def test_clips_that_are_too_short_are_excluded_and_counted() -> None:
    short = torch.rand(2, 1, 3, 16, 16)
    metric = metrics.WarpingError()
    metric.update(short, short)
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(
        {"warping_error_opencv-dis": math.nan, "excluded": 2}, nan_ok=True
    )
    chroma = metrics.ChromaFlicker()
    chroma.update(short, short)
    assert math.isnan(chroma.compute()["chroma_flicker_opencv-dis"])
    assert chroma.compute()["excluded"] == 2
    consistency = metrics.ColorConsistency()
    consistency.update(torch.rand(1, 4, 3, 8, 8))  # the interval 4 needs 5 frames
    consistency.update(torch.full((1, 5, 3, 8, 8), 0.5))
    assert {name: float(value) for name, value in consistency.compute().items()} == {"cdc": 0, "excluded": 1}


@pytest.mark.parametrize(
    ("metric", "shapes", "message"),
    [
        (metrics.ColorConsistency(), [(2, 3, 8, 8)], "expected clips"),
        (metrics.ChromaFlicker(), [(1, 2, 3, 8, 8), (1, 1, 3, 8, 8)], "must have the shape"),
        (metrics.WarpingError(), [(1, 2, 3, 8, 8), (1, 1, 3, 8, 8)], "must have the shape"),
    ],
)
def test_wrong_clips_are_an_error_in_one_line(metric, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        metric.update(*(torch.rand(shape) for shape in shapes))
    assert "\n" not in str(error.value)
