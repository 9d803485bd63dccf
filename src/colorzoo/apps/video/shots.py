"""Detection of shots: cuts, fades and dissolves.

A small temporal network (`BoundaryNetwork`) predicts from similarities of frames, at distances of 1 to 47
frames, whether a shot starts and whether a frame shows two shots. ``python -m benchmarks transitions``
measures its recall.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.apps.video.frames import NO_FRAMES, VideoError, VideoFrame
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.weights.load import read_weights

BOUNDARY_FILE = "shot_boundaries.safetensors"
LOOK_AHEAD = 144
"""Number of later frames from which a boundary is known: a block, its context, and a long dissolve."""
TESTED = 5
"""Position in a shot of the frame that is compared with key frames of other shots."""
SMALL_SIZE = (64, 36)
"""Width and height of the frames that `frame_measures` compares."""
_BINS = 32
_HALVES = (1, 2, 4, 6, 9, 13, 18, 24)  # half the distances of compared frames
_CHANGE = slice(3, 5)  # measures of the difference from the previous frame
_SURE_CHANGE, _SURE_CORRELATION = 0.4, 0.3
_MIN_CHANGE, _MAX_CORRELATION = 0.1, 0.9  # smallest and largest values of these measures at a cut
_CHANNELS = 61  # number of measures of each frame
_WIDTH = 16  # channels of the network
_BLOCK, _CONTEXT = 64, 36  # frames that are processed together, and frames beside them that influence them
_BOUNDARY, _CERTAIN, _POSSIBLE = 0.5, 0.8, 0.2  # probabilities
_LEAST_MIXED = 3  # frames of the shortest dissolve
_MIXED = 0.5  # probability above which a frame shows two shots
_MOST_MIXED = 48  # frames of a dissolve whose colors are mixed
_UNIFORM = 8.0  # contrast in 8-bit levels below which a frame is black, white or gray
_DARK = 0.35  # contrast of the darkest frame of a fade, relative to the frames beside the fade


@dataclass(frozen=True)
class Boundary:
    """Start of a shot.

    Attributes:
        start: Number of the first frame.
        mixed: Number of frames from ``start`` on that also show the previous shot, in a dissolve.
        is_doubtful: Whether the shot may continue the previous shot.
    """

    start: int
    mixed: int = 0
    is_doubtful: bool = False


@dataclass(frozen=True)
class ShotSpan:
    """Frame numbers of a shot.

    Attributes:
        frames: Numbers of the frames.
        mixed: Number of frames at the start that also show the previous shot, in a dissolve.
        is_doubtful: Whether the shot may continue the previous shot.
    """

    frames: range
    mixed: int = 0
    is_doubtful: bool = False

    @property
    def clear(self) -> range:
        """Numbers of the frames that show only this shot."""
        return self.frames[self.mixed :]

    @property
    def tested(self) -> int:
        """Number of the frame that is compared with key frames of other shots."""
        return self.clear[min(TESTED, len(self.clear) - 1)]


class BoundaryNetwork(nn.Module):
    """Temporal convolutions over the measures of frames; see `frame_measures`."""

    def __init__(self) -> None:
        super().__init__()
        self.mean, self.scale = (nn.Parameter(torch.zeros(_CHANNELS), requires_grad=False) for _ in range(2))
        self.first = nn.Conv1d(_CHANNELS, _WIDTH, 1)
        self.second = nn.Conv1d(_WIDTH, _WIDTH, 9, padding=4)
        self.third = nn.Conv1d(_WIDTH, _WIDTH, 9, padding=8, dilation=2)
        self.last = nn.Conv1d(_WIDTH, 2, 1)

    def forward(self, measures: Tensor) -> Tensor:
        """Return the logits ``(T, 2)`` that a shot starts at a frame, and that the frame shows two shots.

        Args:
            measures: ``(T, C)``; see `frame_measures`.
        """
        maps = ((measures - self.mean) / self.scale).clamp(-4, 4).T[None]
        maps = F.relu(self.first(maps))
        for layer in (self.second, self.third):
            maps = maps + F.relu(layer(maps))
        return self.last(maps)[0].T


@cache
def _network() -> BoundaryNetwork:
    network = BoundaryNetwork()
    network.load_state_dict(read_weights(EMBEDDED_FOLDER / BOUNDARY_FILE).state_dict)
    return network.eval()


class ShotFinder:
    """Detector of the first frame of each shot. Frames must be passed in order."""

    def __init__(self) -> None:
        self._shape: tuple[int, ...] = ()
        self._reset()

    def _reset(self) -> None:
        """Forget all frames, because frames of different sizes are not compared."""
        self._small: list[NDArray[np.uint8]] = []  # the last frames at 64 x 36 pixels
        # numbers, probabilities (T, 2), and more about the frames whose boundaries are not decided
        self._numbers: list[int] = []
        self._probabilities = np.zeros((0, 2), np.float32)
        # difference of the histograms to the previous frame, and correlation with it, (T, 2)
        self._changes = np.zeros((0, 2), np.float32)
        self._contrasts: list[float] = []
        self._tiny: list[NDArray[np.uint8]] = []  # frames at 16 x 9 pixels

    def add(self, frame: VideoFrame) -> list[Boundary]:
        """Add a frame, and return the boundaries that are now known, in order.

        A shot starts at the first frame and when the frame size changes, and after a cut, a fade or a
        dissolve, which are known at most `LOOK_AHEAD` frames later.
        """
        gray, found = frame.gray(), list[Boundary]()
        if gray.shape != self._shape:
            found = [*self.finish(), Boundary(frame.number)]
            self._shape = gray.shape
        small = cv2.resize(gray, SMALL_SIZE, interpolation=cv2.INTER_AREA)
        self._small.append(small)
        self._numbers.append(frame.number)
        self._contrasts.append(float(small.std()))
        self._tiny.append(cv2.resize(small, (16, 9), interpolation=cv2.INTER_AREA))
        if len(self._numbers) - len(self._probabilities) >= _BLOCK + _CONTEXT:
            self._predict(_CONTEXT)
            found += self._decide(is_end=False)
        return found

    def finish(self) -> list[Boundary]:
        """Return the remaining boundaries at the end of the film."""
        self._predict(0)
        found = self._decide(is_end=True)
        self._reset()
        return found

    @torch.inference_mode()
    def _predict(self, context: int) -> None:
        """Predict the probabilities of the frames, except the last ``context`` frames."""
        known, count = len(self._probabilities), len(self._numbers)
        if count > known:
            before = len(self._small) - (count - known)  # frames of earlier blocks
            measures = frame_measures(np.stack(self._small))
            new = slice(before, len(self._small) - context)
            predicted = _network()(torch.from_numpy(measures)).sigmoid().numpy()[new]
            # cuts between shots of a few frames, which the network misses
            contrast = np.exp(measures[new, :2]).min(1)
            difference, correlation = measures[new, _CHANGE].T
            is_cut = (difference > _SURE_CHANGE) & (correlation < _SURE_CORRELATION) & (contrast > _UNIFORM)
            predicted[is_cut, 0] = np.maximum(predicted[is_cut, 0], _CERTAIN)
            self._probabilities = np.concatenate([self._probabilities, predicted])
            self._changes = np.concatenate([self._changes, measures[new, _CHANGE]])
            self._small = self._small[-_CONTEXT - context :]

    def _decide(self, *, is_end: bool) -> list[Boundary]:
        """Return the boundaries up to the last frame that is not part of a transition, and forget them."""
        start, mixed = (self._probabilities > (_POSSIBLE, _MIXED)).T
        quiet = np.flatnonzero(~(start | mixed))
        end = len(start) if is_end else int(quiet[-1]) if len(quiet) else 0
        found = dict[tuple[int, int], int]()  # frame with the highest probability of each transition
        for first, last in _runs(start[:end]):
            peak = first + int(np.argmax(self._probabilities[first:last, 0]))
            if self._probabilities[peak, 0] < _BOUNDARY:
                continue
            near = (run for run in _runs(mixed[:end]) if run[0] <= peak + 1 and peak < run[1] + 1)
            key = next(near, (peak, peak))
            other = found.setdefault(key, peak)
            found[key] = max(peak, other, key=lambda each: float(self._probabilities[each, 0]))
        boundaries = list[Boundary]()
        for (first, last), peak in found.items():
            # black frames between a fade-out and a fade-in
            while first > 0 and self._contrasts[first - 1] < _UNIFORM:
                first -= 1
            while last + 1 < len(self._contrasts) and self._contrasts[last] < _UNIFORM:
                last += 1
            contrasts = self._contrasts[max(0, first - 1) : last + 1]
            is_dark = min(contrasts) < _DARK * min(contrasts[0], contrasts[-1])
            if is_dark:  # a fade; the darkest frame has the least color
                beside = [self._tiny[max(0, first - 1)], self._tiny[min(last, len(self._tiny) - 1)]]
                if np.corrcoef(beside[0].ravel(), beside[1].ravel())[0, 1] > _MAX_CORRELATION:
                    continue  # back to the same scene
                peak = max(0, first - 1) + int(np.argmin(contrasts))
            if is_dark or last - first < _LEAST_MIXED:
                first, last = peak, peak
                difference, correlation = self._changes[peak]
                if not is_dark and (difference < _MIN_CHANGE or correlation > _MAX_CORRELATION):
                    continue  # motion, of thin lines for example
            extra = max(0, last - first - _MOST_MIXED)
            first, last = first + extra // 2, last - (extra + 1) // 2
            boundaries.append(
                Boundary(
                    self._numbers[first],
                    self._numbers[min(last, len(self._numbers) - 1)] - self._numbers[first],
                    is_doubtful=bool(self._probabilities[peak, 0] < _CERTAIN) and first == last,
                )
            )
        del self._numbers[:end], self._contrasts[:end], self._tiny[:end]
        self._probabilities, self._changes = self._probabilities[end:], self._changes[end:]
        return boundaries


def _runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the start and the end of each run of True."""
    edges = np.flatnonzero(np.diff(np.pad(mask, 1).astype(np.int8)))
    return [(int(first), int(end)) for first, end in edges.reshape(-1, 2)]


def frame_measures(frames: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the measures ``(T, C)`` of each frame that `BoundaryNetwork` reads.

    Frames at several distances on both sides of the start of a frame are compared: the difference of their
    histograms, their correlation, and how well a mixture of both frames explains the frames between them.

    Args:
        frames: ``(T, 36, 64)`` gray frames.
    """
    count, x = len(frames), frames.astype(np.float32)
    # smoothed histograms of the quadrants, because a slow fade moves values to adjacent bins
    quadrants = x.reshape(count, 2, 18, 2, 32).transpose(0, 1, 3, 2, 4).reshape(count * 4, -1)
    bins = (quadrants * (_BINS / 256)).astype(np.int64) + np.arange(count * 4)[:, None] * _BINS
    counts = np.bincount(bins.ravel(), minlength=count * 4 * _BINS).reshape(count, 4, _BINS)
    padded = np.pad(counts / np.float32(4 * quadrants.shape[1]), ((0, 0), (0, 0), (1, 1)))
    smooth = 0.25 * padded[..., :-2] + 0.5 * padded[..., 1:-1] + 0.25 * padded[..., 2:]
    # frames without their mean, at two sizes
    mean = x.mean((1, 2))
    centered = (x - mean[:, None, None]).reshape(count, -1)
    contrast = np.sqrt(np.square(centered).mean(1))
    tiny = x.reshape(count, 9, 4, 16, 4).mean((2, 4)).reshape(count, -1)
    tiny -= tiny.mean(1, keepdims=True)
    # beyond the ends, the first and the last frame are repeated
    pad = _HALVES[-1]
    inside = np.clip(np.arange(-pad, count + pad), 0, count - 1)
    histograms = smooth.reshape(count, -1)[inside]
    mean, centered, contrast, tiny = mean[inside], centered[inside], contrast[inside], tiny[inside]
    t = np.arange(count) + pad
    found = [np.log(contrast[t] + 1), np.log(contrast[t - 1] + 1), (mean[t] - mean[t - 1]) / 32]
    for half in _HALVES:
        before, after = t - half, t + half - 1
        product = np.einsum("td,td->t", centered[before], centered[after]) / centered.shape[1]
        found.append(np.abs(histograms[before] - histograms[after]).sum(1) / 2)
        found.append(product / np.maximum(contrast[before] * contrast[after], 2))
        if half == 1:
            continue
        steps = np.linspace(-half + 1, half - 2, min(7, 2 * half - 2)).round().astype(int)
        between = t[:, None] + np.unique(steps)
        least = np.minimum(contrast[before], contrast[after])
        found.append(np.log((contrast[between].min(1) + 2) / (least + 2)))
        # least squares: u * first + v * second explains each frame between them
        first, second, middle = tiny[before], tiny[after], tiny[between]
        ff, ss, fs = np.square(first).mean(1) + 1, np.square(second).mean(1) + 1, (first * second).mean(1)
        fm = np.einsum("td,tkd->tk", first, middle) / tiny.shape[1]
        sm = np.einsum("td,tkd->tk", second, middle) / tiny.shape[1]
        mm = np.square(middle).mean(2)
        determinant = (ff * ss - fs * fs)[:, None]
        u = (fm * ss[:, None] - sm * fs[:, None]) / determinant
        v = (sm * ff[:, None] - fm * fs[:, None]) / determinant
        rest = (mm - u * fm - v * sm).clip(0)
        quarter = rest.shape[1] // 4
        inner = slice(quarter, rest.shape[1] - quarter)
        found.append(np.log((rest / (mm + 4))[:, inner].mean(1) + 0.003))
        found.append(np.log(rest[:, inner].mean(1) / (ff + ss - 2 * fs) + 0.003))
        # the fraction of the second frame, which rises evenly in a dissolve
        fraction = v / np.maximum(np.abs(u) + np.abs(v), 0.05)
        rises = np.diff(np.pad(fraction, ((0, 0), (1, 1)), constant_values=((0, 0), (0, 1))), axis=1)
        middle_fraction = fraction[:, fraction.shape[1] // 2].clip(-0.5, 1.5)
        found += [rises.max(1), rises.min(1).clip(-1), middle_fraction]
    return np.stack(found, axis=1).astype(np.float32)


def read_shots(
    frames: Iterable[VideoFrame],
    join: Sequence[int] = (),
    split: Sequence[int] = (),
    keys: Sequence[int] = (),
    visit: Callable[[VideoFrame], None] = lambda _: None,
) -> list[ShotSpan]:
    """Read a film, and return its shots.

    Args:
        frames: Frames of a video in order.
        join: Numbers of frames at which a detected shot continues the previous shot.
        split: Numbers of frames at which a shot starts that is not detected. A dissolve that contains such a
            frame becomes a cut at this frame.
        keys: Numbers of frames that a person has colorized. A dissolve ends before such a frame.
        visit: Function called with each frame, so that the film is read only once.

    Raises:
        VideoError: No shot starts at a frame of ``join``, or a frame of ``split`` does not exist.
    """
    finder, found, numbers, resized = ShotFinder(), list[Boundary](), list[int](), set[int]()
    for frame in frames:
        added = finder.add(frame)
        if added and added[-1].start == frame.number:  # boundaries within a frame size are known later
            resized.add(frame.number)
        found += added
        numbers.append(frame.number)
        visit(frame)
    found += finder.finish()
    detected = {each.start for each in found}
    for number in join:
        if number in numbers and (number not in detected or number in resized):
            reason = (
                "the frame size changes" if number in resized and number != numbers[0] else "no shot starts"
            )
            raise VideoError(f"shots.join contains frame {number}, but {reason} at this frame")
    for name, listed in (("join", join), ("split", split)):
        if missing := sorted(set(listed).difference(numbers)):
            raise VideoError(f"shots.{name} contains frame {missing[0]}, which the film does not have")
    if not numbers:
        raise VideoError(NO_FRAMES)
    return shot_spans(found, numbers[-1] + 1, join, split, keys)


def shot_spans(
    boundaries: Iterable[Boundary],
    end: int,
    join: Sequence[int] = (),
    split: Sequence[int] = (),
    keys: Sequence[int] = (),
) -> list[ShotSpan]:
    """Return the shots between boundaries; see `read_shots`.

    Args:
        boundaries: Detected boundaries in order, the start of the film included.
        end: Number of the last frame plus 1.
        join: Numbers of frames at which a detected shot continues the previous shot.
        split: Numbers of frames at which a shot starts that is not detected.
        keys: Numbers of frames that a person has colorized.
    """
    kept = [
        each
        for each in boundaries
        if each.start not in join
        and not any(each.start <= number <= each.start + each.mixed for number in split)
    ]
    starts = sorted([*kept, *map(Boundary, split)], key=lambda each: each.start)
    spans = []
    stops = [*(each.start for each in starts), end][1:]
    for each, stop in zip(starts, stops, strict=True):
        frames = range(each.start, stop)
        clear = min([each.mixed, len(frames) - 1, *(key - each.start for key in keys if key in frames)])
        spans.append(ShotSpan(frames, clear, is_doubtful=each.is_doubtful))
    return spans


def split_dissolves(spans: Sequence[ShotSpan]) -> list[ShotSpan]:
    """Return the shots of a film whose dissolves are replaced by cuts at their middle."""
    starts = [span.frames.start + span.mixed // 2 for span in spans]
    stops = [*starts[1:], spans[-1].frames.stop]
    return [ShotSpan(range(*ends)) for ends in zip(starts, stops, strict=True)]


def group_shots(frames: Iterable[VideoFrame], starts: Container[int]) -> Iterator[Iterator[VideoFrame]]:
    """Yield the frames of each shot; a shot must be consumed before the next shot is requested.

    Args:
        frames: Frames of a video in order.
        starts: Numbers of the first frame of each shot.
    """
    shot = 0

    def shot_number(frame: VideoFrame) -> int:
        nonlocal shot
        shot += frame.number in starts
        return shot

    return (group for _, group in itertools.groupby(frames, shot_number))
