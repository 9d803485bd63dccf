"""Video metrics: optical flow, flicker, color consistency, and short clips."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates
from scipy.spatial.distance import jensenshannon
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F

from colorzoo import metrics
from colorzoo.errors import DataError
from colorzoo.metrics.video import warp
from metrics.cases import IMAGES, SIDE
from metrics.common_checks import Batch


def moving_frames(columns: int) -> tuple[Tensor, Tensor]:
    """Return two frames of blobs that move to the right."""
    coarse = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, size=(96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 20:148], wide[..., 20 - columns : 148 - columns]


def test_warp_with_opencv_flow_reverses_motion() -> None:
    first, second = moving_frames(3)
    flow = metrics.opencv_flow(first, second)
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
