"""Steadiness of colors in video: color distribution consistency and warping error."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics.band import band_mean
from colorzoo.metrics.flow import Flow, opencv_flow, visible_in_both, warp
from colorzoo.metrics.mean import PictureMean
from colorzoo.metrics.psnr import to_8bit

LEVELS = 256


def color_consistency(frames: Tensor, intervals: Sequence[int] = (1, 2, 4)) -> Tensor:
    """Return the CDC of clips: how much histograms of R, G and B change over time (Liu et al. 2021, TCVC).

    It is the mean over ``intervals`` of the mean, over pairs of frames that far apart and over channels, of
    the Jensen-Shannon divergence (natural logarithm) of their histograms of 256 levels.

    Args:
        frames: ``(B, T, 3, H, W)`` in [0, 1], truncated to 8 bits here.
        intervals: Distances in frames.

    Returns:
        ``(B,)`` float32 in [0, ln 2], lower is steadier; NaN for clips too short for the longest
        interval.
    """
    _require_clips(frames)
    if frames.shape[1] <= max(intervals):
        return torch.full((len(frames),), torch.nan, device=frames.device)
    shares = _histograms(frames)
    changes = [_divergence(shares[:, :-step], shares[:, step:]).mean(dim=(1, 2)) for step in intervals]
    return torch.stack(changes).mean(dim=0).float()


def _histograms(frames: Tensor) -> Tensor:
    """Return the ``(B, T, 3, 256)`` float64 share of each level."""
    levels = to_8bit(frames).long().flatten(3)
    counts = torch.zeros(*levels.shape[:3], LEVELS, dtype=torch.float64, device=frames.device)
    counts.scatter_add_(3, levels, torch.ones_like(levels, dtype=torch.float64))
    return counts / levels.shape[3]


def _divergence(first: Tensor, second: Tensor) -> Tensor:
    middle = (first + second) / 2
    both = torch.special.xlogy(first, first / middle) + torch.special.xlogy(second, second / middle)
    # a level that neither frame has is 0 * log(0 / 0)
    divergence: Tensor = both.nan_to_num(0.0).sum(dim=-1) / 2
    return divergence


class ColorConsistency(PictureMean):
    """Mean over clips of `color_consistency` (CDC); clips that are too short are left out and counted.

    Args:
        intervals: Distances in frames.
    """

    higher_is_better = False
    is_differentiable = False

    def __init__(self, intervals: Sequence[int] = (1, 2, 4)) -> None:
        super().__init__()
        self.intervals = tuple(intervals)

    def update(self, frames: Tensor) -> None:
        """Add clips ``(B, T, 3, H, W)`` in [0, 1]."""
        self.add(color_consistency(frames, self.intervals))

    def compute(self) -> dict[str, Tensor]:
        """Return ``cdc`` and the number ``left_out``."""
        return {"cdc": self.mean(), "left_out": self.left_out}


def warping_error(frames: Tensor, target_frames: Tensor, flow: Flow = opencv_flow) -> Tensor:
    """Return how much colors change along the motion of clips (Lai et al. 2018, sec. 4.3).

    It is the mean, over successive frames, of the mean squared difference of RGB between a frame and the next
    one warped onto it, over the pixels seen in both.

    Args:
        frames: ``(B, T, 3, H, W)`` results in [0, 1].
        target_frames: ``(B, T, 3, H, W)`` in [0, 1]: the true or the gray frames, on which flow is found.
        flow: See `colorzoo.metrics.flow.Flow`.

    Returns:
        ``(B,)`` float32, lower is steadier; NaN for clips of one frame or without a pixel seen twice.

    Raises:
        DataError: Not both are clips of one shape.
    """
    _require_clips(frames)
    if frames.shape != target_frames.shape:
        raise DataError(
            f"clips of {tuple(frames.shape)} and their truth of {tuple(target_frames.shape)} differ"
        )
    made, true = frames.float().unbind(dim=1), target_frames.float().unbind(dim=1)
    errors = [_pair_error(*pair, flow) for pair in zip(made[:-1], made[1:], true[:-1], true[1:], strict=True)]
    if not errors:
        return torch.full((len(frames),), torch.nan, device=frames.device)
    return torch.stack(errors).nanmean(dim=0)


def _pair_error(frame: Tensor, following: Tensor, true: Tensor, true_following: Tensor, flow: Flow) -> Tensor:
    with torch.no_grad():
        forward, backward = flow(true, true_following), flow(true_following, true)
        visible = visible_in_both(forward, backward)
    return band_mean((warp(following, forward) - frame).square(), visible.float())


class WarpingError(PictureMean):
    """Mean over clips of `warping_error`; clips without one are left out and counted.

    Args:
        flow: See `colorzoo.metrics.flow.Flow`.
        name: Of the flow; it stays in the key of the answer.
    """

    higher_is_better = False
    is_differentiable = True

    def __init__(self, flow: Flow = opencv_flow, name: str = "opencv-dis") -> None:
        super().__init__()
        self.flow, self.name = flow, name

    def update(self, frames: Tensor, target_frames: Tensor) -> None:
        """Add clips; see `warping_error`."""
        self.add(warping_error(frames, target_frames, self.flow))

    def compute(self) -> dict[str, Tensor]:
        """Return ``warping_error_FLOW`` and the number ``left_out``."""
        return {f"warping_error_{self.name}": self.mean(), "left_out": self.left_out}


def _require_clips(frames: Tensor) -> None:
    if frames.dim() != 5 or frames.shape[2] != 3:
        raise DataError(f"expected clips (B, T, 3, H, W), got {tuple(frames.shape)}")
