"""Temporally stable colors by propagation along the optical flow.

The model colorizes only a few selected frames. Optical flow propagates their colors to the other frames. If
the colors of several selected frames reach a pixel, the pixel gets the mean color. The pixel keeps this color
as long as it can be tracked.

Propagation stops at occluded pixels. A pixel counts as occluded if the forward and backward flow are
inconsistent or if the lightness does not match.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_MAX_STRENGTH = 0.98  # less than 1, because the illumination can change within a shot
_FLOW_ERROR = 2.0  # tolerated inconsistency of forward and backward flow, in pixels
_LIGHTNESS_ERROR = 16.0  # tolerated change of the lightness
_EDGE = 0.5  # tolerated distance in pixels beyond the centers of the outermost pixels
_FINEST = 1  # finest pyramid level of the flow: half of the size
_LOW_TRUST, _HIGH_TRUST = 0.3, 0.7  # confidences at which the propagation weight is 0 and 1
_FEWEST_BETWEEN = 20  # minimum number of frames per colorized frame
_UNREACHED = 0.03  # tolerated fraction of a frame that propagated colors do not reach
_FEW = 12  # maximum window length in frames for which only one frame is colorized first
_COARSE = 2  # subsampling in pixels of the maps that select frames
_FINEST_FILL = 8  # minimum subsampling in pixels of the maps that fill pixels without a color
_SURROUNDINGS_WEIGHT = 0.05  # weight of the surrounding colors relative to the confidence of a pixel
_FILLED_CONFIDENCE = 0.3  # confidence of filled colors when they are propagated to later frames
_CORRECT_EVERY = 8  # frames from one frame whose correction is recalled to the next
_CORRECTION_STRENGTH = 0.5  # weight of a propagated correction in frames whose correction is recalled
_FIXED = 8.0  # weight of a frame colorized by the user, relative to other frames

# Colors ``(h, w, 4)`` have the channels a and b (multiplied by the weight), the weight, and the opacity
# (multiplied by the weight). The opacity is 0 except in corrections. OpenCV warps four channels twice as fast
# as three channels.
_AB, _AB_OPACITY = (0, 1), (0, 1, 3)
Array = NDArray[np.float32]
Predict = Callable[[], Tensor]
"""Function that runs the model on a frame and returns ab ``(1, 2, h, w)``."""
Correct = Callable[[], Tensor]
"""Function that returns ab, multiplied by the opacity, and the opacity ``(1, 3, h, w)`` of a correction."""


@dataclass(frozen=True)
class Motion:
    """Optical flow from a frame to an adjacent frame.

    Attributes:
        flow: ``(h, w, 2)`` displacements in pixels, to the right and down.
        trust: ``(h, w)`` confidence of the flow in [0, 1]; low for occluded pixels.
    """

    flow: Array
    trust: Array

    @property
    def weight(self) -> Array:
        """Weight ``(h, w)`` in [0, 1] of colors propagated along the flow."""
        scale = np.float32(1 / (_HIGH_TRUST - _LOW_TRUST))
        return ((self.trust - np.float32(_LOW_TRUST)) * scale).clip(0, 1)

    def warp(self, values: Array) -> Array:
        """Warp values ``(h, w, C)`` of the adjacent frame to this frame.

        The result is multiplied by the propagation weight. The values can have a higher resolution than the
        flow.
        """
        size = (values.shape[1], values.shape[0])
        flow, weight = self.flow, self.weight
        if weight.shape != values.shape[:2]:
            scale = (size[0] / weight.shape[1], size[1] / weight.shape[0], 0, 0)
            flow = cv2.resize(cv2.multiply(flow, scale), size, interpolation=cv2.INTER_LINEAR)
            weight = cv2.resize(weight, size, interpolation=cv2.INTER_LINEAR)
        return _weighted(_sample(values, _targets(flow)), weight)

    def coarse(self) -> tuple[Array, Array]:
        """Return the target coordinates of the flow vectors and the propagation weights.

        Both maps are subsampled to every second row and column.
        """
        flow = self.flow[::_COARSE, ::_COARSE] / np.float32(_COARSE)
        return _targets(flow), self.weight[::_COARSE, ::_COARSE]


@dataclass
class _Frame:
    """Frame buffered until the window is complete.

    Attributes:
        gray: Lightness at half the size in 8 bits, for motion estimation.
        size: Height and width of the colors.
        predict: Function that runs the model on the frame.
        is_fixed: Whether the user colorized the frame.
        to_previous: Motion to the previous frame; None for the first frame of a shot.
        to_next: Motion to the next frame; None for the last frame of a window.
        prediction: Predicted colors ``(h, w, 4)`` with weight 1; None if the model was not run.
        correction: Correction ``(h, w, 4)`` with weight 1; None if it is propagated from other frames.
        is_corrected: Whether the user corrected this frame.
    """

    gray: NDArray[np.uint8]
    size: tuple[int, ...]
    predict: Predict
    is_fixed: bool
    to_previous: Motion | None = None
    to_next: Motion | None = None
    prediction: Array | None = None
    correction: Array | None = None
    is_corrected: bool = False


class SteadyColors:
    """Temporal stabilizer for the colors in a shot.

    Frames must be passed in order. They are processed in windows of ``window`` frames.

    Args:
        strength: Weight in [0, 1] of propagated colors relative to the model's colors, for frames that the
            model colorizes. With 0, colors are not propagated, and the model colorizes each frame.
        window: Number of frames per window.
        every: Number of frames from one frame that the model colorizes to the next; 1 for models that use
            the previous frame, None to select frames by the motion.
    """

    def __init__(self, strength: float, window: int = 72, *, every: int | None = None) -> None:
        self._strength = min(strength, _MAX_STRENGTH)
        self._window = window
        self._every = every
        self._number = 0  # of the next frame in this shot
        self._frames: list[_Frame] = []
        # gray, colors and correction of the previous frame
        self._last: tuple[NDArray[np.uint8], Array, Array | None] | None = None

    def add(
        self,
        lightness: Tensor,
        predict: Predict,
        *,
        fixed: bool = False,
        correct: Correct | None = None,
        corrected: bool = False,
    ) -> list[Tensor]:
        """Add a frame, and return the ab ``(1, 2, h, w)`` of all frames of a complete window.

        The list is empty until a window is complete. If ``strength`` is 0, it contains the ab of the added
        frame.

        Args:
            lightness: ``(1, 1, h, w)`` lightness of the frame in [0, 100].
            predict: Function that runs the model on the frame; called only if the frame is selected.
            fixed: Whether the user colorized this frame. Its colors are then kept and propagated to other
                frames.
            correct: Function that returns a correction, which is composited over the colors; None if there is
                no correction in this shot. It is called for every eighth frame.
            corrected: Whether the user corrected this frame. Its correction is then kept and propagated.
        """
        if self._strength == 0:
            return [_composite(predict(), None if correct is None else correct())]
        gray = (lightness[0, 0] * 2.55).round().clamp(0, 255).byte().numpy()
        height, width = gray.shape
        half_size = (max(1, width // 2), max(1, height // 2))
        half_size_gray = cv2.resize(gray, half_size, interpolation=cv2.INTER_AREA)
        frame = _Frame(half_size_gray, (height, width), predict, is_fixed=fixed)
        # estimate the motion between the frame and the previous frame
        if self._frames:
            previous = self._frames[-1]
            previous.to_next, frame.to_previous = _motions(previous.gray, frame.gray)
        elif self._last is not None:
            previous_gray = self._last[0]
            _, frame.to_previous = _motions(previous_gray, frame.gray)
        self._frames.append(frame)
        if fixed or (self._every is not None and self._number % self._every == 0):
            _run_model(frame)
        if correct is not None and (corrected or self._number % _CORRECT_EVERY == 0):
            oa, ob, opacity = correct()[0].numpy()
            frame.correction = cv2.merge([oa, ob, np.ones_like(oa), opacity])
            frame.is_corrected = corrected
        self._number += 1
        is_complete = len(self._frames) >= self._window
        return self._process_window() if is_complete else []

    def flush(self) -> list[Tensor]:
        """Return the ab ``(1, 2, h, w)`` of all buffered frames at the end of a shot."""
        ab_maps = self._process_window()
        self._last, self._number = None, 0
        return ab_maps

    def _process_window(self) -> list[Tensor]:
        """Colorize and remove the buffered frames, and return the ab ``(1, 2, h, w)`` of each frame."""
        if not self._frames:
            return []
        _, previous, previous_correction = self._last or (None, None, None)
        _colorize_selected(self._frames, None if previous is None else previous[..., 2])
        predictions = [(frame.prediction, frame.is_fixed) for frame in self._frames]
        ab_maps, previous = _propagate(
            self._frames, predictions, previous, self._strength, self._every or 1, _AB
        )
        corrections = [(frame.correction, frame.is_corrected) for frame in self._frames]
        if previous_correction is not None or any(each is not None for each, _ in corrections):
            layers, previous_correction = _propagate(
                self._frames,
                corrections,
                previous_correction,
                _CORRECTION_STRENGTH,
                _CORRECT_EVERY,
                _AB_OPACITY,
            )
            ab_maps = [_composite(*each) for each in zip(ab_maps, layers, strict=True)]
        assert previous is not None
        self._last = self._frames[-1].gray, previous, previous_correction
        self._frames = []
        return ab_maps


def _composite(ab: Tensor, correction: Tensor | None) -> Tensor:
    """Return ab ``(1, 2, h, w)`` with a correction ``(1, 3, h, w)``."""
    if correction is None:
        return ab
    return ab * (1 - correction[:, 2:]) + correction[:, :2]


def _propagate(
    frames: Sequence[_Frame],
    predictions: Sequence[tuple[Array | None, bool]],
    previous: Array | None,
    strength: float,
    every: int,
    channels: Sequence[int],
) -> tuple[list[Tensor], Array | None]:
    """Propagate colors along the optical flow.

    Args:
        frames: Frames of a window.
        predictions: Predicted colors ``(h, w, 4)`` of each frame or None, and whether a person set them.
        previous: Colors ``(h, w, 4)`` of the frame before the window; None at the start of a shot.
        strength: Weight of propagated colors in frames with a prediction.
        every: Number of frames from one prediction to the next, over which this weight is distributed, so
            that colors change gradually; 1 applies the weight only to frames with a prediction.
        channels: Channels of the result, `_AB` or `_AB_OPACITY`.

    Returns:
        ab, or ab and opacity, ``(1, C, h, w)`` of each frame, and the colors ``(h, w, 4)`` of the last frame.
    """
    found, colors = list[Tensor](), previous
    later_sums = _propagate_backward(frames, predictions)
    for frame, (prediction, is_fixed), later_colors in zip(frames, predictions, later_sums, strict=True):
        if is_fixed and prediction is not None:
            colors = prediction
            values = np.stack([cv2.extractChannel(prediction, channel) for channel in channels])
        else:
            # average the colors of later frames, and blend them with the colors of the previous frame
            later_weight = 1 / np.maximum(cv2.extractChannel(later_colors, 2), 1)
            if colors is None or frame.to_previous is None:
                colors = _weighted(later_colors, later_weight)
            else:
                propagated = frame.to_previous.warp(colors)
                weight = 1.0 if prediction is None and every == 1 else strength ** (1 / every)
                if weight != 1:
                    propagated *= np.float32(weight)
                remaining = 1 - cv2.extractChannel(propagated, 2)
                colors = propagated + _weighted(later_colors, later_weight * remaining)
            values = _fill_uncovered(colors, channels)
            # add the filled colors at pixels of low confidence
            missing = np.maximum(np.float32(_FILLED_CONFIDENCE) - cv2.extractChannel(colors, 2), 0)
            added = [missing, missing, missing, np.zeros_like(missing)]
            for channel, value in zip(channels, values * missing, strict=True):
                added[channel] = value
            colors = cv2.add(colors, cv2.merge(added))
        found.append(torch.from_numpy(values)[None])
    return found, colors


def _run_model(frame: _Frame) -> None:
    """Predict the colors of a frame and store them in the frame."""
    ab = frame.predict()[0].numpy()
    frame.prediction = cv2.merge([*ab, np.ones_like(ab[0]), np.zeros_like(ab[0])])


def _propagate_backward(
    frames: Sequence[_Frame], predictions: Sequence[tuple[Array | None, bool]]
) -> list[Array]:
    """Return, for each frame, the sum of its colors and the propagated colors of later frames."""
    sums = []
    colors: Array | None = None
    for frame, (prediction, is_fixed) in zip(reversed(frames), reversed(predictions), strict=True):
        if colors is None or frame.to_next is None:
            colors = np.zeros((*frame.size, 4), np.float32)
        else:
            colors = frame.to_next.warp(colors)
        if prediction is not None:
            colors = colors + np.float32(_FIXED if is_fixed else 1.0) * prediction
        sums.append(colors)
    return sums[::-1]


def _colorize_selected(frames: Sequence[_Frame], previous_confidence: Array | None) -> None:
    """Select frames of a window and colorize them with the model.

    The frame with the most uncovered pixels is selected repeatedly, until propagated colors cover nearly all
    pixels of the window or the maximum number of frames is colorized.

    Args:
        frames: Frames of the window.
        previous_confidence: ``(h, w)`` color confidence in [0, 1] of the frame before the window; None at the
            start of a shot.
    """
    # confidence in [0, 1] with which colors propagate to each pixel of the frames, and coarse motions
    shape = frames[0].gray[::_COARSE, ::_COARSE].shape
    confidences = [np.zeros(shape, np.float32) for _ in frames]
    to_previous = [frame.to_previous.coarse() if frame.to_previous else None for frame in frames]
    to_next = [frame.to_next.coarse() if frame.to_next else None for frame in frames]

    def spread(
        confidence: Array, numbers: Iterable[int], motions: Sequence[tuple[Array, Array] | None]
    ) -> None:
        """Propagate colors with a confidence ``(h, w)`` to the adjacent frames ``numbers``, in this order."""
        for number in numbers:
            motion = motions[number]
            assert motion is not None
            targets, weight = motion
            confidence = _sample(confidence, targets) * weight
            confidences[number] = np.maximum(confidences[number], confidence)

    def cover(number: int) -> None:
        """Propagate the colors of a colorized frame to the later and earlier frames."""
        confidences[number] = full = np.ones(shape, np.float32)
        spread(full, range(number + 1, len(frames)), to_previous)
        spread(full, range(number - 1, -1, -1), to_next)

    # colors of the frame before the window, and of frames that are colorized in any case
    if previous_confidence is not None:
        small = cv2.resize(previous_confidence, shape[::-1], interpolation=cv2.INTER_AREA)
        spread(small, range(len(frames)), to_previous)
    colorized = [number for number, frame in enumerate(frames) if frame.prediction is not None]
    if previous_confidence is None and not colorized:
        # the middle frame of a short window, and the first and the last frame of a longer window
        last = len(frames) - 1
        colorized = [last // 2] if len(frames) <= _FEW else [0, last]
        for number in colorized:
            _run_model(frames[number])
    for number in colorized:
        cover(number)
    # colorize the frame with the most uncovered pixels
    max_count = max(2, round(len(frames) / _FEWEST_BETWEEN))
    for _ in range(max_count - len(colorized)):
        uncovered = [float(np.mean(confidence < 0.5)) for confidence in confidences]
        worst = int(np.argmax(uncovered))
        if uncovered[worst] <= _UNREACHED:
            return
        _run_model(frames[worst])
        cover(worst)


def _fill_uncovered(colors: Array, channels: Sequence[int]) -> Array:
    """Return channels ``(C, h, w)`` of a frame, where pixels of low confidence get nearby colors.

    An image pyramid is processed from coarse to fine. Each level adds the colors of the coarser level with a
    low weight.

    Args:
        colors: ``(h, w, 4)`` propagated colors with their confidence.
        channels: Channels of the result, `_AB` or `_AB_OPACITY`.
    """
    # the levels of the pyramid, from the colors themselves to a single pixel
    height, width = colors.shape[:2]
    factors = []
    factor = max(height, width)
    while factor >= _FINEST_FILL:
        factors.append(factor)
        factor //= 4
    levels = [colors]
    for factor in reversed(factors):
        size = (max(1, width // factor), max(1, height // factor))
        levels.append(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA))
    values = np.zeros((len(channels), 1, 1), np.float32)
    for level in reversed(levels):
        planes = cv2.split(level)
        weight, own = planes[2], np.stack([planes[channel] for channel in channels])
        size = (level.shape[1], level.shape[0])
        # resizing each channel is three times as fast as resizing all channels at once
        coarse = np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_LINEAR) for channel in values])
        values = (own + _SURROUNDINGS_WEIGHT * coarse) / (weight + _SURROUNDINGS_WEIGHT)
    return values


def _motions(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[Motion, Motion]:
    """Return the motions from the first to the second gray frame ``(h, w)`` and back."""
    forward, backward = _flow(first, second), _flow(second, first)
    return (
        Motion(forward, _trust(first, second, forward, backward)),
        Motion(backward, _trust(second, first, backward, forward)),
    )


def _trust(gray: NDArray[np.uint8], other: NDArray[np.uint8], flow: Array, reverse: Array) -> Array:
    """Return the confidence ``(h, w)`` of a flow in [0, 1].

    The confidence is an unnormalized Gaussian of two errors: the distance between a pixel and the end of its
    path to the adjacent frame and back, and the difference in gray. It is 0 where the flow leaves the frame.

    Args:
        gray: ``(h, w)`` frame in 8 bits.
        other: ``(h, w)`` adjacent frame in 8 bits.
        flow: ``(h, w, 2)`` flow from the frame to the adjacent frame in pixels.
        reverse: ``(h, w, 2)`` flow from the adjacent frame to the frame in pixels.
    """
    height, width = gray.shape
    targets = _targets(flow)
    # four channels, because OpenCV samples them twice as fast as three
    other_maps = cv2.merge([*cv2.split(reverse), other.astype(np.float32), np.zeros_like(gray, np.float32)])
    back_x, back_y, other_gray, _ = cv2.split(_sample(other_maps, targets))
    error_x, error_y = back_x + flow[..., 0], back_y + flow[..., 1]
    gray_error = other_gray - gray
    flow_factor = np.float32(-0.5 / _FLOW_ERROR**2)
    tolerated_gray_error = 2.55 * _LIGHTNESS_ERROR  # in gray levels, see `SteadyColors.add`
    gray_factor = np.float32(-0.5 / tolerated_gray_error**2)
    exponent = flow_factor * error_x**2 + flow_factor * error_y**2 + gray_factor * gray_error**2
    x, y = cv2.split(targets)
    inside_x = (x > -_EDGE) & (x < width - 1 + _EDGE)
    inside_y = (y > -_EDGE) & (y < height - 1 + _EDGE)
    return cv2.exp(exponent) * (inside_x & inside_y)


def _weighted(values: Array, weight: Array) -> Array:
    """Multiply values ``(h, w, C)`` by weights ``(h, w)``."""
    return cv2.multiply(values, cv2.merge([weight] * values.shape[2]))


def _targets(flow: Array) -> Array:
    """Return the target coordinates x and y ``(h, w, 2)`` of the vectors of a flow."""
    return _grid(*flow.shape[:2]) + flow


def _sample(values: Array, coordinates: Array) -> Array:
    """Sample values ``(h, w[, C])`` bilinearly at coordinates ``(h, w, 2)``, with border replication."""
    return cv2.remap(values, coordinates, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@cache
def _grid(height: int, width: int) -> Array:
    """Return x and y of each pixel ``(h, w, 2)``."""
    rows, columns = np.indices((height, width), np.float32)
    return np.dstack([columns, rows])


def _flow(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Array:
    """Estimate the flow ``(h, w, 2)`` with dense inverse search (Kroeger et al. 2016)."""
    if min(first.shape) < 16:  # a frame smaller than the patches of the method
        return np.zeros((*first.shape, 2), np.float32)
    search: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
    search.setFinestScale(_FINEST)
    return search.calc(np.ascontiguousarray(first), np.ascontiguousarray(second), None)
