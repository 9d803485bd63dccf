"""Video metrics: optical flow, flicker, color consistency, and short clips."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial.distance import jensenshannon
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F

from colorzoo import metrics
from colorzoo.errors import DataError
from colorzoo.metrics.video import opencv_flow, visible_in_both, warp
from metrics.cases import IMAGES, SIDE
from metrics.common_checks import Batch


def moving_frames(columns: int) -> tuple[Tensor, Tensor]:
    """Return two frames of blobs that move to the right."""
    coarse = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, size=(96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 20:148], wide[..., 20 - columns : 148 - columns]


def test_warp_with_opencv_flow_reverses_motion() -> None:
    first, second = moving_frames(3)
    flow = opencv_flow(first, second)
    inner = flow[..., 16:-16, 16:-16]
    torch.testing.assert_close(inner.mean(dim=(0, 2, 3)), torch.tensor([3.0, 0.0]), rtol=0, atol=0.2)
    assert float((warp(second, flow) - first)[..., 16:-16, 16:-16].abs().mean()) < 0.01


def test_warping_error_is_small_for_motion_and_large_for_flicker() -> None:
    first, second = moving_frames(3)
    steady = torch.stack([first, second], dim=1)
    flickering = torch.stack([first, second * 0.7], dim=1)
    errors = [float(metrics.warping_error(clip, steady)) for clip in (steady, flickering)]
    assert errors[0] < 1e-3 < 0.01 < errors[1]


def clips(batch: Batch) -> tuple[Tensor, Tensor]:
    """Return clips in which an image moves by one pixel per frame and gets lighter, and their truth."""
    made = [batch["rgb"].roll(step, dims=3) * (0.8 + 0.03 * step) for step in range(6)]
    true = [batch["target"].roll(step, dims=3) for step in range(6)]
    return (torch.stack(made, 1) * 255).round() / 255, torch.stack(true, 1)


def quarter_pixel(first: Tensor, second: Tensor) -> Tensor:
    """Return a constant flow: a quarter of a pixel to the right as the clips move, else to the left."""
    flow = torch.zeros(len(first), 2, *first.shape[2:])
    flow[:, 0] = 0.25 if torch.equal(second, first.roll(1, dims=3)) else -0.25
    return flow


def changes(clip: np.ndarray) -> list[np.ndarray]:
    """Return the change of each frame along the flow, with SciPy's interpolation."""
    rows, columns = np.mgrid[:SIDE, : SIDE - 1].astype(float)
    found = []
    for before, after in pairwise(clip):
        there = [map_coordinates(channel, (rows, columns + 0.25), order=1) for channel in after]
        found.append(np.stack(there) - before[..., :-1])
    return found


def test_warping_error_and_chroma_flicker_equal_scipy() -> None:
    made, true = clips(IMAGES[0])
    frames = made.double().numpy()
    expected = [np.mean([np.square(change) for change in changes(clip)]) for clip in frames]
    assert metrics.warping_error(made, true, quarter_pixel).tolist() == pytest.approx(expected, abs=1e-4)
    labs = [rgb2lab(clip, channel_axis=1)[:, 1:] for clip in frames]
    expected = [np.mean([np.linalg.norm(change, axis=0) for change in changes(lab)]) for lab in labs]
    assert metrics.chroma_flicker(made, true, quarter_pixel).tolist() == pytest.approx(expected, abs=1e-3)


def square_flows() -> tuple[np.ndarray, np.ndarray]:
    """Return forward and backward flow ``(2, 48, 64)`` of a square, with smooth noise of 0.4 pixels.

    The square moves by 6 pixels to the right and 2 down. Where the backward flow is read, it differs between
    a pixel and the position to which the pixel moves.
    """
    generator = np.random.default_rng(0)
    forward, backward = (
        np.stack([gaussian_filter(generator.normal(size=(48, 64)), 8) for _ in range(2)]) for _ in range(2)
    )
    forward, backward = (0.4 * noise / noise.std() for noise in (forward, backward))
    forward[:, 14:34, 20:40] += np.array([6, 2])[:, None, None]
    backward[:, 16:36, 26:46] -= np.array([6, 2])[:, None, None]
    return forward, backward


def test_visible_pixels_equal_the_equations_of_ruder() -> None:
    forward, backward = square_flows()
    height, width = forward.shape[1:]
    # equations 5 and 6 of Ruder et al. 2016, pixel by pixel
    is_inside, is_consistent, is_smooth = (np.ones((height, width), bool) for _ in range(3))
    for row, column in np.ndindex(height, width):
        flow = forward[:, row, column]
        there = row + flow[1], column + flow[0]
        is_inside[row, column] = 0 <= there[0] <= height - 1 and 0 <= there[1] <= width - 1
        back = np.array(
            [map_coordinates(channel, np.array(there)[:, None], order=1)[0] for channel in backward]
        )
        limit = 0.01 * (flow @ flow + back @ back) + 0.5
        is_consistent[row, column] = (flow + back) @ (flow + back) <= limit
        below, right = min(row + 1, height - 1), min(column + 1, width - 1)
        steps = np.concatenate([forward[:, below, column] - flow, forward[:, row, right] - flow])
        is_smooth[row, column] = steps @ steps <= 0.01 * flow @ flow + 0.002
    # each condition decides about pixels that the others accept
    conditions = (is_inside, is_consistent, is_smooth)
    rejections = sum((~condition).astype(int) for condition in conditions)
    assert min((~condition & (rejections == 1)).sum() for condition in conditions) > 20
    found = visible_in_both(*(torch.from_numpy(flow)[None].float() for flow in (forward, backward)))
    different = found[0, 0].numpy() != (is_inside & is_consistent & is_smooth)
    assert different.sum() <= 2  # rounding at a limit


def test_color_consistency_equals_scipy_jensen_shannon_divergence() -> None:
    made, _ = clips(IMAGES[0])
    expected = []
    for clip in (made * 255).round().long().numpy():
        shares = [[np.bincount(c.ravel(), minlength=256) / c.size for c in frame] for frame in clip]
        by_step = [
            [
                jensenshannon(*pair) ** 2
                for t in range(6 - s)
                for pair in zip(shares[t], shares[t + s], strict=True)
            ]
            for s in (1, 2, 4)
        ]
        expected.append(np.mean([np.mean(found) for found in by_step]))
    assert metrics.color_consistency(made).tolist() == pytest.approx(expected, abs=1e-5)


def test_video_metrics_return_nan_for_short_clips() -> None:
    short = torch.rand(2, 1, 3, 16, 16)
    assert metrics.warping_error(short, short).isnan().all()
    assert metrics.chroma_flicker(short, short).isnan().all()
    assert metrics.color_consistency(torch.rand(1, 4, 3, 8, 8)).isnan()  # the interval 4 needs 5 frames


def test_video_metrics_raise_data_error_for_invalid_shapes() -> None:
    with pytest.raises(DataError, match="frames"):
        metrics.color_consistency(torch.rand(2, 3, 8, 8))
    for metric in (metrics.chroma_flicker, metrics.warping_error):
        with pytest.raises(DataError, match="must have the same shape"):
            metric(torch.rand(1, 2, 3, 8, 8), torch.rand(1, 1, 3, 8, 8))
