"""Metrics of the temporal consistency of colors in videos."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.errors import DataError
from colorzoo.metrics.base import require_float
from colorzoo.metrics.edges import band_mean
from colorzoo.metrics.psnr import to_8bit
from colorzoo.networks.blocks import float64_device

LEVELS = 256


Flow = Callable[[Tensor, Tensor], Tensor]
"""Function that estimates the optical flow between two batches of frames.

The frames are ``(B, 3, H, W)`` in [0, 1]. The result ``(B, 2, H, W)`` is the displacement of each pixel from
the first to the second frame, in pixels to the right and down.
"""


def opencv_flow(first: Tensor, second: Tensor) -> Tensor:
    """Estimate optical flow with OpenCV's dense inverse search (Kroeger et al. 2016).

    Examples:
        >>> frame = torch.rand(1, 3, 32, 32)
        >>> opencv_flow(frame, frame.roll(1, dims=-1)).shape
        torch.Size([1, 2, 32, 32])

    Args:
        first: ``(B, 3, H, W)`` in [0, 1].
        second: ``(B, 3, H, W)`` in [0, 1].

    Returns:
        ``(B, 2, H, W)`` float32 in pixels; positive values point right and down.
    """
    estimator: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flows = [
        torch.from_numpy(estimator.calc(first_frame, second_frame, None))  # (H, W, 2)
        for first_frame, second_frame in zip(_gray_levels(first), _gray_levels(second), strict=True)
    ]
    return torch.stack(flows).permute(0, 3, 1, 2).to(first.device)


def _gray_levels(frames: Tensor) -> NDArray[np.uint8]:
    """Convert frames ``(B, 3, H, W)`` in [0, 1] to 8-bit gray levels ``(B, H, W)``."""
    levels = (frames.float().mean(dim=1) * 255).round().clamp(0, 255)
    return levels.byte().cpu().numpy()


def warp(image: Tensor, flow: Tensor) -> Tensor:
    """Sample an image bilinearly at the positions to which a flow points; 0 outside the image.

    Args:
        image: ``(B, C, H, W)``.
        flow: ``(B, 2, H, W)`` in pixels; positive values point right and down.

    Returns:
        ``(B, C, H, W)``.
    """
    height, width = image.shape[-2:]
    columns = torch.arange(width, device=flow.device) + flow[:, 0]
    rows = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    # grid_sample without align_corners maps -1 and 1 to the outer edges of the first and last pixel
    grid = torch.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], dim=-1)
    return F.grid_sample(image, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def visible_in_both(forward: Tensor, backward: Tensor) -> Tensor:
    """Mark pixels of the first frame that are visible in the second frame.

    The mask follows eq. 5-6 of Ruder et al. 2016. It is False for pixels that move beyond the image border,
    for inconsistent forward and backward flow, and at motion boundaries, where the flow is unreliable.

    Args:
        forward: ``(B, 2, H, W)`` flow from the first to the second frame in pixels.
        backward: ``(B, 2, H, W)`` flow from the second to the first frame in pixels.

    Returns:
        ``(B, 1, H, W)`` bool.
    """
    is_inside = warp(torch.ones_like(forward[:, :1]), forward) > 0.999
    # eq. 5: the backward flow leads back to the pixel
    warped_backward = warp(backward, forward)
    forward_squared = _squared(forward)
    inconsistency = _squared(forward + warped_backward)
    is_consistent = inconsistency <= 0.01 * (forward_squared + _squared(warped_backward)) + 0.5
    # eq. 6: the gradient of the flow is small
    vertical = F.pad(forward.diff(dim=2), (0, 0, 0, 1))
    horizontal = F.pad(forward.diff(dim=3), (0, 1))
    is_smooth = _squared(vertical) + _squared(horizontal) <= 0.01 * forward_squared + 0.002
    return is_inside & is_consistent & is_smooth


def _squared(vectors: Tensor) -> Tensor:
    return vectors.square().sum(dim=1, keepdim=True)


def color_consistency(frames: Tensor, intervals: Sequence[int] = (1, 2, 4)) -> Tensor:
    """Return the color distribution consistency (CDC) of clips (Liu et al. 2021, TCVC).

    Examples:
        >>> clip = torch.rand(1, 1, 3, 8, 8).expand(2, 5, 3, 8, 8)
        >>> color_consistency(clip)
        tensor([0., 0.])

    CDC measures the change of the R, G and B histograms over time. Two frames are compared with the
    Jensen-Shannon divergence (natural logarithm) of their 256-level histograms, averaged over channels. CDC
    is the mean divergence over all frame pairs with the same interval, averaged over ``intervals``.

    Args:
        frames: ``(B, T, 3, H, W)`` in [0, 1]. The values are rounded to 8 bits.
        intervals: Intervals between compared frames, in frames.

    Returns:
        ``(B,)`` float32 in [0, ln 2], lower is more consistent; NaN for clips that are not longer than
        the longest interval.
    """
    _require_clips(frames)
    return histogram_consistency(level_histograms(frames), intervals)


def histogram_consistency(histograms: Tensor, intervals: Sequence[int] = (1, 2, 4)) -> Tensor:
    """Return the color distribution consistency of clips from histograms; see `color_consistency`.

    Examples:
        >>> clip = torch.rand(2, 5, 3, 8, 8)
        >>> bool((histogram_consistency(level_histograms(clip)) == color_consistency(clip)).all())
        True

    Args:
        histograms: ``(B, T, 3, 256)`` result of `level_histograms`.
        intervals: Intervals between compared frames, in frames.
    """
    if histograms.shape[1] <= max(intervals):
        return torch.full((len(histograms),), torch.nan, device=histograms.device)
    changes = [
        _jensen_shannon(histograms[:, :-step], histograms[:, step:]).mean(dim=(1, 2)) for step in intervals
    ]
    return torch.stack(changes).mean(dim=0).float()


def level_histograms(frames: Tensor) -> Tensor:
    """Return the fraction of pixels at each 8-bit level, ``(B, T, 3, 256)`` float64.

    Examples:
        >>> level_histograms(torch.zeros(1, 5, 3, 8, 8))[0, 0, 0, 0]
        tensor(1., dtype=torch.float64)

    Args:
        frames: ``(B, T, 3, H, W)`` in [0, 1].
    """
    levels = to_8bit(frames).long().flatten(3).to(float64_device(frames.device))
    counts = torch.zeros(*levels.shape[:3], LEVELS, dtype=torch.float64, device=levels.device)
    counts.scatter_add_(3, levels, torch.ones_like(levels, dtype=torch.float64))
    return counts / levels.shape[3]


def _jensen_shannon(first: Tensor, second: Tensor) -> Tensor:
    middle = (first + second) / 2
    both = torch.special.xlogy(first, first / middle) + torch.special.xlogy(second, second / middle)
    # a level that is absent in both frames gives 0 * log(0 / 0)
    return both.nan_to_num(0.0).sum(dim=-1) / 2


def warping_error(frames: Tensor, target_frames: Tensor, flow: Flow = opencv_flow) -> Tensor:
    """Return the warping error of clips: the change in RGB along the motion.

    Examples:
        >>> clip = torch.rand(1, 1, 3, 32, 32).expand(2, 3, 3, 32, 32)
        >>> warping_error(clip, clip)
        tensor([0., 0.])

    The metric is defined in Lai et al. 2018, sec. 4.3. The second of two successive frames is warped to the
    first frame. The error is the mean squared RGB difference over the pixels that are visible in both frames.
    The result is the mean error over all pairs of successive frames.

    Args:
        frames: ``(B, T, 3, H, W)`` results in [0, 1].
        target_frames: ``(B, T, 3, H, W)`` ground truth or gray frames in [0, 1], for estimating the flow.
        flow: Function that estimates the optical flow; see `colorzoo.metrics.video.Flow`.

    Returns:
        ``(B,)`` float32, lower is more consistent; NaN for clips of one frame or without a pixel visible in
        two frames.

    Raises:
        DataError: The tensors are not clips, or their shapes differ.
    """
    _require_truth(frames, target_frames)
    return _mean_over_pairs(frames.float(), target_frames, flow, torch.square)


def chroma_flicker(frames: Tensor, target_frames: Tensor, flow: Flow = opencv_flow) -> Tensor:
    """Return the chroma flicker of clips: the change in ab along the motion.

    Examples:
        >>> clip = torch.rand(1, 1, 3, 32, 32).expand(2, 3, 3, 32, 32)
        >>> chroma_flicker(clip, clip)
        tensor([0., 0.])

    The second of two successive frames is warped to the first frame. The flicker is the mean ab distance over
    the pixels that are visible in both frames, so it does not depend on lightness. The result is the mean
    flicker over all pairs of successive frames.

    Args:
        frames: ``(B, T, 3, H, W)`` results in [0, 1].
        target_frames: ``(B, T, 3, H, W)`` ground truth or gray frames in [0, 1], for estimating the flow.
        flow: Function that estimates the optical flow; see `colorzoo.metrics.video.Flow`.

    Returns:
        ``(B,)`` float32 in CIE units, lower is more consistent; NaN for clips of one frame or without a pixel
        visible in two frames.

    Raises:
        DataError: The tensors are not clips, or their shapes differ.
    """
    _require_truth(frames, target_frames)
    lab = rgb_to_lab(frames.float().flatten(0, 1)).view(frames.shape)
    ab = lab[:, :, 1:]
    return _mean_over_pairs(ab, target_frames, flow, lambda change: change.norm(dim=1, keepdim=True))


def _mean_over_pairs(
    values: Tensor, target_frames: Tensor, flow: Flow, size: Callable[[Tensor], Tensor]
) -> Tensor:
    """Return the mean ``size`` of the changes of ``(B, T, C, H, W)`` values along the motion."""
    made, true = values.unbind(dim=1), target_frames.float().unbind(dim=1)
    means = []
    for number in range(len(made) - 1):
        with torch.no_grad():
            forward = flow(true[number], true[number + 1])
            visible = visible_in_both(forward, flow(true[number + 1], true[number]))
        change = warp(made[number + 1], forward) - made[number]
        means.append(band_mean(size(change), visible.float()))
    if not means:
        return torch.full((len(values),), torch.nan, device=values.device)
    return torch.stack(means).nanmean(dim=0)


def _require_truth(frames: Tensor, target_frames: Tensor) -> None:
    _require_clips(frames)
    require_float(target_frames)
    if frames.shape != target_frames.shape:
        raise DataError(
            f"target_frames must have the same shape as frames, {tuple(frames.shape)}, "
            f"got {tuple(target_frames.shape)}"
        )


def _require_clips(frames: Tensor) -> None:
    if frames.dim() != 5 or frames.shape[2] != 3:
        raise DataError(f"frames must have shape (B, T, 3, H, W), got {tuple(frames.shape)}")
    require_float(frames)
