"""Temporally stable colors by propagation along the optical flow.

The model colorizes only a few selected frames. Optical flow propagates their colors to the other frames. If
the colors of several selected frames reach a pixel, the pixel gets the mean color. The pixel keeps this color
as long as it can be tracked.

Propagation stops at occluded pixels. A pixel counts as occluded if the forward and backward flow are
inconsistent or if the lightness does not match.

If the light changes, such as in a fade, the chroma of propagated colors changes with the light, and colors of
well exposed frames replace colors of dark or overexposed frames.
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

from colorzoo.apps.video.exposure import exposed, exposure_ratio

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

_SAME_LIGHT, _OTHER_LIGHT = 1.2, 1.5  # ratios of light that have no effect, and the full effect
_CELLS = 6  # cells in which light is compared, along the shorter side
_MAX_GAIN = 3.0  # largest factor for the chroma of colors from darker frames
_WELL_LIT = 60.0  # mean light (L* = 44) above which a frame is not better exposed
_BLACK_LIGHT = 6.0  # smallest light (L* = 2), because the ratio of two black pixels is noise

# Colors ``(h, w, 4)`` have the channels a and b, the weight, and the light of the frame with these colors. In
# corrections, the last channel is the opacity instead. All but the weight are multiplied by the weight.
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
        light: ``(h, w)`` light at the size of the colors; see `_light`.
        input_light: ``(h, w)`` light of the network input, whose exposure is stabilized.
        predict: Function that runs the model on the frame.
        is_fixed: Whether the user colorized the frame.
        to_previous: Motion to the previous frame; None for the first frame of a shot.
        to_next: Motion to the next frame; None for the last frame of a window.
        prediction: Predicted colors ``(h, w, 4)`` with weight 1; None if the model was not run.
        correction: Correction ``(h, w, 4)`` with weight 1; None if it is propagated from other frames.
        is_corrected: Whether the user corrected this frame.
    """

    gray: NDArray[np.uint8]
    light: Array
    input_light: Array
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
        factor: float = 1.0,
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
            factor: Factor for `exposed` that stabilizes the exposure of the network input.
            fixed: Whether the user colorized this frame. Its colors are then kept and propagated to other
                frames.
            correct: Function that returns a correction, which is composited over the colors; None if there is
                no correction in this shot. It is called for every eighth frame.
            corrected: Whether the user corrected this frame. Its correction is then kept and propagated.
        """
        if self._strength == 0:
            return [_composite(predict(), None if correct is None else correct())]
        stabilized = exposed(lightness, factor)
        gray = (stabilized[0, 0] * 2.55).round().clamp(0, 255).byte().numpy()
        height, width = gray.shape
        half_size = (max(1, width // 2), max(1, height // 2))
        half_size_gray = cv2.resize(gray, half_size, interpolation=cv2.INTER_AREA)
        light = _light(lightness)
        frame = _Frame(half_size_gray, light, light if fixed else _light(stabilized), predict, fixed)
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
        _colorize_selected(self._frames, previous)
        predictions = [(frame.prediction, frame.is_fixed) for frame in self._frames]
        ab_maps, previous = _propagate(self._frames, predictions, previous, self._strength, self._every or 1)
        corrections = [(frame.correction, frame.is_corrected) for frame in self._frames]
        if previous_correction is not None or any(each is not None for each, _ in corrections):
            layers, previous_correction = _propagate(
                self._frames,
                corrections,
                previous_correction,
                _CORRECTION_STRENGTH,
                _CORRECT_EVERY,
                is_correction=True,
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
    *,
    is_correction: bool = False,
) -> tuple[list[Tensor], Array | None]:
    """Propagate colors along the optical flow.

    Args:
        frames: Frames of a window.
        predictions: Predicted colors ``(h, w, 4)`` of each frame or None, and whether a person set them.
        previous: Colors ``(h, w, 4)`` of the frame before the window; None at the start of a shot.
        strength: Weight of propagated colors in frames with a prediction.
        every: Number of frames from one prediction to the next, over which this weight is distributed, so
            that colors change gradually; 1 applies the weight only to frames with a prediction.
        is_correction: Whether the last channel of colors is the opacity.

    Returns:
        ab, or ab and opacity, ``(1, C, h, w)`` of each frame, and the colors ``(h, w, 4)`` of the last frame.
    """
    found, colors = list[Tensor](), previous
    later_sums = _propagate_backward(frames, predictions, is_correction=is_correction)
    for frame, (prediction, is_fixed), later_colors in zip(frames, predictions, later_sums, strict=True):
        if is_fixed and prediction is not None:
            colors = prediction
            values = np.stack([cv2.extractChannel(prediction, channel) for channel in (0, 1, 3)])
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
                later_colors = _weighted(later_colors, later_weight)
                if not is_correction:
                    propagated, later_colors = _prefer_lit(propagated, later_colors)
                remaining = 1 - cv2.extractChannel(propagated, 2)
                colors = propagated + _weighted(later_colors, remaining)
            values = _fill_uncovered(colors)
            if not is_correction:
                weight, light = cv2.extractChannel(colors, 2), cv2.extractChannel(colors, 3)
                gain = _chroma_gain(weight, light, frame.light)
                values = np.stack([*(values[:2] * gain), frame.light])
            # add the filled colors at pixels of low confidence
            missing = np.maximum(np.float32(_FILLED_CONFIDENCE) - cv2.extractChannel(colors, 2), 0)
            a, b, last = values * missing
            colors = cv2.add(colors, cv2.merge([a, b, missing, last]))
        found.append(torch.from_numpy(values if is_correction else values[:2])[None])
    return found, colors


def _run_model(frame: _Frame) -> None:
    """Predict the colors of a frame and store them in the frame."""
    ab = frame.predict()[0].numpy()
    frame.prediction = cv2.merge([*ab, np.ones_like(ab[0]), frame.input_light])


def _propagate_backward(
    frames: Sequence[_Frame], predictions: Sequence[tuple[Array | None, bool]], *, is_correction: bool
) -> list[Array]:
    """Return, for each frame, the sum of its colors and the propagated colors of later frames."""
    sums = []
    colors: Array | None = None
    for frame, (prediction, is_fixed) in zip(reversed(frames), reversed(predictions), strict=True):
        if colors is None or frame.to_next is None:
            colors = np.zeros((*frame.light.shape, 4), np.float32)
        else:
            colors = frame.to_next.warp(colors)
        if prediction is not None:
            if not is_correction:
                colors, prediction = _prefer_lit(colors, prediction)
            colors = colors + np.float32(_FIXED if is_fixed else 1.0) * prediction
        sums.append(colors)
    return sums[::-1]


def _colorize_selected(frames: Sequence[_Frame], previous: Array | None) -> None:
    """Select frames of a window and colorize them with the model.

    The frame with the most uncovered pixels is selected repeatedly, until propagated colors cover nearly all
    pixels of the window or the maximum number of frames is colorized. Frames that are darker than others, or
    overexposed, are selected last.

    Args:
        frames: Frames of the window.
        previous: Colors ``(h, w, 4)`` of the frame before the window; None at the start of a shot.
    """
    # confidence in [0, 1] with which colors propagate to each pixel of the frames, and coarse motions
    shape = frames[0].gray[::_COARSE, ::_COARSE].shape
    confidences = [np.zeros(shape, np.float32) for _ in frames]
    lights = [cv2.resize(frame.light, shape[::-1], interpolation=cv2.INTER_AREA) for frame in frames]
    levels = np.array([light.mean() for light in lights])
    best = levels[np.argmax(_usable(levels))]
    exposures = _reliability(levels, best)
    to_previous = [frame.to_previous.coarse() if frame.to_previous else None for frame in frames]
    to_next = [frame.to_next.coarse() if frame.to_next else None for frame in frames]

    def spread(
        confidence: Array,
        light: Array,
        numbers: Iterable[int],
        motions: Sequence[tuple[Array, Array] | None],
    ) -> None:
        """Propagate colors with a confidence and light ``(h, w)`` to adjacent frames, in this order."""
        for number in numbers:
            motion = motions[number]
            assert motion is not None
            targets, weight = motion
            confidence, light = cv2.split(_sample(cv2.merge([confidence, light]), targets))
            confidence *= weight
            means = _mean_light(confidence, light * confidence, lights[number] * confidence)
            reliable = cv2.resize(_reliability(*means), shape[::-1], interpolation=cv2.INTER_LINEAR)
            confidences[number] = np.maximum(confidences[number], confidence * reliable)

    def cover(number: int) -> None:
        """Propagate the colors of a colorized frame to the later and earlier frames."""
        confidences[number] = full = np.ones(shape, np.float32)
        spread(full, lights[number], range(number + 1, len(frames)), to_previous)
        spread(full, lights[number], range(number - 1, -1, -1), to_next)

    # colors of the frame before the window, and of frames that are colorized in any case
    if previous is not None:
        small = cv2.resize(previous, shape[::-1], interpolation=cv2.INTER_AREA)
        spread(
            small[..., 2], small[..., 3] / np.maximum(small[..., 2], 1e-6), range(len(frames)), to_previous
        )
    colorized = [number for number, frame in enumerate(frames) if frame.prediction is not None]
    if previous is None and not colorized:
        # the middle frame of a short window, and the first and the last frame of a longer window
        lit = np.flatnonzero(exposures > 0.9).tolist()
        colorized = [lit[(len(lit) - 1) // 2]] if len(frames) <= _FEW else sorted({lit[0], lit[-1]})
        for number in colorized:
            _run_model(frames[number])
    for number in colorized:
        cover(number)
    # colorize the frame with the most uncovered pixels
    max_count = max(2, round(len(frames) / _FEWEST_BETWEEN))
    for _ in range(max_count - len(colorized)):
        uncovered = exposures * [float(np.mean(confidence < 0.5)) for confidence in confidences]
        worst = int(np.argmax(uncovered))
        if uncovered[worst] <= _UNREACHED:
            return
        _run_model(frames[worst])
        cover(worst)


def _light(lightness: Tensor) -> Array:
    """Return the light ``(h, w)`` of a lightness map ``(1, 1, h, w)``, to which ab is proportional in a fade.

    ab and L* + 16 are cube roots of the luminance. Below L* = 8, they are proportional to the luminance.
    """
    values = lightness[0, 0].numpy()
    return np.minimum(values + 16, 3 * values)


def _mean_light(weight: Array, *lights: Array) -> list[Array]:
    """Return means of light maps ``(h, w)``, each multiplied by the same weight, in a grid of large cells."""
    height, width = weight.shape
    scale = min(1.0, _CELLS / min(height, width))
    size = (round(width * scale), round(height * scale))
    sums = [cv2.resize(each, size, interpolation=cv2.INTER_AREA) for each in (weight, *lights)]
    # cells without a weight get the mean of the frame
    count, *others = (each + _SURROUNDINGS_WEIGHT * each.mean() for each in sums)
    return [(each / np.maximum(count, 1e-9)).clip(_BLACK_LIGHT) for each in others]


def _usable(light: Array) -> Array:
    """Return the part of mean light that helps to predict colors; overexposed pixels lose their colors."""
    return np.minimum(light, 2.5 * (116 - light)).clip(_BLACK_LIGHT, _WELL_LIT)


def _reliability(light: Array, other: Array) -> Array:
    """Return the weight in [0, 1] of colors from frames with mean light, compared with other colors."""
    return np.minimum(_SAME_LIGHT * _usable(light) / _usable(other), 1) ** 4


def _prefer_lit(first: Array, second: Array) -> tuple[Array, Array]:
    """Reduce the weight of colors ``(h, w, 4)`` where other colors come from a better exposed frame."""
    size = (first.shape[1], first.shape[0])
    weights = [cv2.extractChannel(colors, 2) for colors in (first, second)]
    lights = [cv2.extractChannel(colors, 3) for colors in (first, second)]
    means = _mean_light(weights[0] * weights[1], lights[0] * weights[1], lights[1] * weights[0])
    for mine, other in ((0, 1), (1, 0)):
        loss = 1 - _reliability(means[mine], means[other])
        if loss.any():
            loss = cv2.resize(loss, size, interpolation=cv2.INTER_LINEAR) * np.minimum(weights[other], 1)
            if mine:
                second = _weighted(second, 1 - loss)
            else:
                first = _weighted(first, 1 - loss)
    return first, second


def _chroma_gain(weight: Array, source: Array, light: Array) -> Array:
    """Return the factor ``(h, w)`` for ab of colors from frames with other light, 1 for equal light."""
    before, after = _mean_light(weight, source, light * weight)
    change = np.log(after / before)
    same, other = np.log(_SAME_LIGHT), np.log(_OTHER_LIGHT)
    counted = ((np.abs(change) - same) / (other - same)).clip(0, 1)
    gain = np.exp(change * counted).clip(None, _MAX_GAIN).astype(np.float32)
    return cv2.resize(gain, light.shape[::-1], interpolation=cv2.INTER_LINEAR)


def _fill_uncovered(colors: Array) -> Array:
    """Return a, b and the last channel ``(3, h, w)``, where pixels of low confidence get nearby colors.

    An image pyramid is processed from coarse to fine. Each level adds the colors of the coarser level with a
    low weight.

    Args:
        colors: ``(h, w, 4)`` propagated colors with their confidence.
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
    values = np.zeros((3, 1, 1), np.float32)
    for level in reversed(levels):
        planes = cv2.split(level)
        weight, own = planes[2], np.stack([planes[0], planes[1], planes[3]])
        size = (level.shape[1], level.shape[0])
        # resizing each channel is three times as fast as resizing all channels at once
        coarse = np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_LINEAR) for channel in values])
        values = (own + _SURROUNDINGS_WEIGHT * coarse) / (weight + _SURROUNDINGS_WEIGHT)
    return values


def _motions(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> tuple[Motion, Motion]:
    """Return the motions from the first to the second gray frame ``(h, w)`` and back."""
    # in a change of the lighting, the darker frame gets the exposure of the other frame
    ratio = exposure_ratio(first / np.float32(2.55), second / np.float32(2.55))
    if ratio > _SAME_LIGHT:
        first = _relit(first, ratio)
    elif ratio < 1 / _SAME_LIGHT:
        second = _relit(second, 1 / ratio)
    forward, backward = _flow(first, second), _flow(second, first)
    return (
        Motion(forward, _trust(first, second, forward, backward)),
        Motion(backward, _trust(second, first, backward, forward)),
    )


def _relit(gray: NDArray[np.uint8], factor: float) -> NDArray[np.uint8]:
    """Change the exposure of a gray frame; see `exposed`."""
    lightness = exposed(torch.from_numpy(gray) / 2.55, factor)
    return (lightness * 2.55).round().byte().numpy()


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
