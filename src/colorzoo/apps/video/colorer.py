"""Colorization of single video frames before temporal stabilization."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import MatchingModel, VideoModel
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.apps.video.memory import Cells, ColorMemory
from colorzoo.apps.video.shots import ShotSpan
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io import RasterImage, fill_hidden
from colorzoo.inference import (
    Colorizer,
    ReadReference,
    colorize_edit,
    require_color,
    shrink_lightness,
    working_size,
)
from colorzoo.pixels.raster import as_rgb

# measured with `python -m benchmarks film`; the error of propagated colors grows with the number of frames
_RECALL_EVERY = 8  # frames from one frame that recalls key colors to the next
_RECALL_STEADY = 0.8
_ASPECT_TOLERANCE = 0.02  # tolerance for key frame images whose size was rounded to whole pixels


class FrameColorer:
    """Colorizer of single video frames, without temporal stabilization.

    Args:
        colorizer: Colorizer with the loaded model.
        keys: Frames colorized by the user, by frame number. Pixels that are transparent in a key frame get
            automatic colors. A model with `MatchingModel` recalls the colors of all key frames
            (`ColorMemory`). For other models, each key frame is the reference for the frames up to the next
            key frame, and the first key frame is also the reference for earlier frames.
        reference: Reference for all frames. For models without `MatchingModel`, the key frames
            replace this reference after the first key frame.
        strength: Multiplier for the chroma.
        corrections: Corrected frames, by frame number. Only opaque pixels are corrected. A model with
            `MatchingModel` finds the corrected objects in other frames. For other models, a correction
            follows the optical flow.
        apply_matches: Whether corrections are also applied in other shots that match.
        memory_references: Color images of any size whose colors a model with `MatchingModel` recalls in all
            shots.
        recipe: Guidance for all frames, such as text.

    Attributes:
        matches: First frames of the other shots that match each correction, by its frame number.
        notes: Notes for the user about the current shot: the keys of a dict, whose values are not used.

    Raises:
        VideoError: The model colorizes sketches instead of photographs.
        GuidanceError: A key frame has no color.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        keys: Mapping[int, RasterImage] | None = None,
        reference: Exemplar | None = None,
        strength: float = 1.0,
        memory_references: Sequence[RasterImage] = (),
        corrections: Mapping[int, RasterImage] | None = None,
        *,
        apply_matches: bool = False,
        recipe: Recipe | None = None,
    ) -> None:
        if colorizer.is_sketch_model:
            raise VideoError(
                f"--model must be a model for photographs, got {colorizer.name}, a sketch model. To color "
                f"frames one by one, run `colorzoo colorize FRAMES -o OUT --model {colorizer.name}`."
            )
        self._colorizer, self._strength = colorizer, strength
        self._recipe = recipe or Recipe()
        self._keys = dict(sorted((keys or {}).items()))
        self._exemplars: dict[int, Exemplar] = {}
        self._memory: ColorMemory | None = None
        self._corrections = dict(sorted((corrections or {}).items()))
        # negative numbers of the references in the memory
        self._references = range(-1, -1 - len(memory_references), -1)
        if isinstance(colorizer.model, MatchingModel):
            self._memory = ColorMemory(colorizer)
            for number, image in zip(self._references, memory_references, strict=True):
                filled = replace(fill_hidden(image), alpha=image.alpha)
                self._memory.add(number, *self._read_entry(filled))
            for number, image in self._corrections.items():
                self._memory.add(number, *self._read_entry(image))
        for number, image in self._keys.items():
            require_color(image, f"of frame {number}")
            filled = fill_hidden(image)
            if self._memory is None:
                self._keys[number] = filled
                self._exemplars[number] = colorizer.exemplar([ReadReference(filled)])
            else:
                self._keys[number] = replace(filled, alpha=image.alpha)
                self._memory.add(number, *self._read_entry(self._keys[number]))
        self._reference = reference
        self._apply_matches = apply_matches
        self.matches: dict[int, list[int]] = {}
        # first frames of the shots whose stored frame is recalled, and key frames, by the start of each shot
        self._shots: dict[int, tuple[list[int], set[int]]] = {}
        self._recalled: Sequence[int] = []  # numbers of the keys and corrections that influence this shot
        self._span = range(0)  # frame numbers of this shot
        self._carried: tuple[Cells, Tensor] | None = None  # see `carry`
        self._previous: Tensor | None = None  # colorized previous frame of this shot in Lab
        # colorized part of the frames of this shot, and width and height of the frames; None: whole frames
        self._part: tuple[Rectangle, tuple[int, int]] | None = None
        self.notes: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Shorter side of the network input in pixels."""
        return self._colorizer.size

    def has_images(self, keys: Sequence[int]) -> bool:
        """Return whether one of the numbers of key frames and corrections is a key image."""
        return any(number in self._keys for number in keys)

    @property
    def _recalls(self) -> bool:
        """True if the frames of this shot recall the colors of key frames or references."""
        return self._memory is not None and (self.has_images(self._recalled) or bool(self._references))

    @property
    def every(self) -> int | None:
        """Number of frames from one frame that the model colorizes to the next; see `SteadyColors`."""
        if self._recalls:
            return _RECALL_EVERY
        has_reference = self._reference is not None or bool(self._exemplars)
        return 1 if has_reference and isinstance(self._colorizer.model, VideoModel) else None

    @property
    def max_steady(self) -> float:
        """Largest weight of propagated colors in frames that the model colorizes; see `SteadyColors`."""
        return _RECALL_STEADY if self._recalls else 1.0

    def _read_entry(self, image: RasterImage) -> tuple[Tensor, Tensor, Tensor]:
        """Return the lightness, ab and opacity of a color image; see `ColorMemory.add`."""
        width, height = image.size
        lab, opacity = _resize_key(image, working_size(height, width, self.size))
        return lab[:, :1], lab[:, 1:], opacity

    def keys_of(self, span: ShotSpan, lightness: Tensor) -> list[int]:
        """Return the numbers of the key frames and corrections that influence a shot.

        These are the key frames and corrections of the shot. With a memory, also key images of other shots
        to which this shot returns, and corrections with a trusted match if they are applied to other shots.
        Without a memory, also the reference for the first frames of the shot.

        If key images or references influence the shot, the colors of the frame are stored, and recalled in
        later shots of this kind. The method must be called for all shots in order.

        Args:
            span: Frame numbers of the shot.
            lightness: ``(1, 1, H, W)`` lightness of a frame of the shot.
        """
        numbers = {*self._keys, *self._corrections}
        start = span.frames.start
        inside = {number for number in numbers if number in span.frames}
        if self._memory is None:  # corrections of other shots are not found
            earlier = [number for number in self._keys if number <= start]
            first = [earlier[-1]] if earlier else list(self._keys)[:1]
            return sorted(inside.union(first))
        if inside == numbers and not inside & self._keys.keys() and not self._references:
            return sorted(inside)
        height, width = lightness.shape[-2:]
        small = shrink_lightness(lightness, working_size(height, width, self.size))
        automatic, states = self._automatic(small, self._reference)
        cells = Cells.of(self._colorizer, small, states)
        found = inside.copy()
        for number, (is_match, is_return) in self._memory.matches(cells, numbers - inside).items():
            if is_return if number in self._keys else is_match and self._apply_matches:
                found.add(number)
            if is_match and (number in self._corrections or not is_return):
                self.matches.setdefault(number, []).append(start)
        if found & self._keys.keys() or self._references:
            similar_shot = self._memory.matching_shot(cells, start)
            shots = [] if similar_shot is None else [similar_shot]
            found.update(*(self._shots[shot][1] for shot in shots))
            keys = [*sorted(found & self._keys.keys()), *self._references]
            self._memory.add_weak(start, cells, self._memory.recall(small, automatic, keys, shots, states))
            self._shots[start] = [*shots, start], found & self._keys.keys()
        return sorted(found)

    def start_shot(
        self,
        part: tuple[Rectangle, tuple[int, int]] | None = None,
        keys: Sequence[int] | None = None,
        span: ShotSpan | None = None,
    ) -> None:
        """Reset the previous frame and the notes at the start of a shot.

        Args:
            part: Colorized part of the frames, and width and height of the frames; None colorizes whole
                frames. The methods of this class receive the lightness of this part. Key images are images of
                whole frames.
            keys: Numbers of the key frames and corrections that are recalled in this shot; None for all.
            span: Frame numbers of the shot; only required for corrections.
        """
        self._recalled = [*self._keys, *self._corrections] if keys is None else keys
        self._part, self._previous, self.notes = part, None, {}
        self._span = range(0) if span is None else span.frames
        self._carried = None

    def carry(self, lightness: Tensor, ab: Tensor) -> None:
        """Recall the colors of the previous shot in this shot, because the cut between them is doubtful.

        Args:
            lightness: ``(1, 1, h, w)`` lightness of the last frame of the previous shot.
            ab: ``(1, 2, H, W)``, its colors in CIE units.
        """
        if self._memory is not None and self._strength:
            self._carried = Cells.of(self._colorizer, lightness), ab / self._strength

    def is_key(self, frame: VideoFrame, lightness: Tensor) -> bool:
        """Return whether the user colorized a frame (key image), at the frame's aspect ratio.

        If the aspect ratio differs, a note is added and the key image is only used as a reference.

        Args:
            frame: Frame of the video.
            lightness: ``(1, 1, h, w)`` lightness of the frame at any size.
        """
        if frame.number not in self._keys:
            return False
        key_width, key_height = self._keys[frame.number].size
        height, width = lightness.shape[-2:]
        if self._part is not None:
            _, (width, height) = self._part
        if abs(key_width / key_height * height / width - 1) < _ASPECT_TOLERANCE:
            return True
        self.notes[
            f"the key image for frame {frame.number} has another aspect ratio; it was used only as a "
            "reference"
        ] = None
        return False

    def color(self, frame: VideoFrame, lightness: Tensor) -> Tensor:
        """Return the ab ``(1, 2, h, w)`` of a frame.

        If `is_key` returns True, the ab comes from the key image. Otherwise the model predicts it.

        Args:
            frame: Frame to colorize.
            lightness: ``(1, 1, h, w)`` lightness of the frame at the size of the network input.
        """
        if not self.is_key(frame, lightness):
            ab = self.predict(lightness, frame.number)
        else:
            image = self._keys[frame.number]
            lab, opacity = self._part_of(image, (lightness.shape[2], lightness.shape[3]))
            ab = lab[:, 1:] * self._strength
            if image.alpha is not None:  # transparent pixels have no key color
                ab = torch.lerp(self.predict(lightness, frame.number), ab, opacity)
        self._previous = torch.cat([lightness, ab], dim=1)
        return ab

    def is_corrected(self, frame: VideoFrame) -> bool:
        """Return whether the user corrected a frame."""
        return frame.number in self._corrections

    def corrects(self) -> bool:
        """Return whether a correction influences the current shot."""
        return any(number in self._corrections for number in self._recalled)

    def correct(self, frame: VideoFrame, lightness: Tensor) -> Tensor:
        """Return the correction of a frame: ab, multiplied by the opacity, and opacity, ``(1, 3, h, w)``.

        Args:
            frame: Frame of the video.
            lightness: ``(1, 1, h, w)`` lightness of the frame at the size of the network input.
        """
        found = lightness.new_zeros(1, 3, *lightness.shape[2:])
        others = [each for each in self._recalled if each in self._corrections and each != frame.number]
        if self._memory is not None and others:
            found = self._memory.correct(lightness, others, self._span)
        if frame.number in self._corrections:
            image = self._corrections[frame.number]
            lab, opacity = self._part_of(image, (lightness.shape[2], lightness.shape[3]))
            found = torch.lerp(found, torch.cat([lab[:, 1:], torch.ones_like(opacity)], dim=1), opacity)
        return torch.cat([found[:, :2] * self._strength, found[:, 2:]], dim=1)

    def correct_with(self, number: int, lightness: Tensor, *, is_same_shot: bool) -> Tensor:
        """Return a frame in gray, and in color where one correction is found, Lab ``(1, 3, h, w)``.

        Args:
            number: Number of the corrected frame; the model must be a `MatchingModel`.
            lightness: ``(1, 1, h, w)`` lightness of a frame at the size of the network input.
            is_same_shot: Whether the frame is in the shot of the corrected frame; see `ColorMemory.correct`.
        """
        assert self._memory is not None, "matches are found by the memory"
        found = self._memory.correct(lightness, [number], [number] if is_same_shot else [])
        return torch.cat([lightness, found[:, :2] * self._strength], dim=1)

    def _part_of(self, image: RasterImage, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return Lab and opacity of the colorized part of a key image; see `_resize_key`."""
        if self._part is not None:
            inside, frame_size = self._part
            rows_and_columns = inside.scaled(frame_size, *image.size).slices
            alpha = None if image.alpha is None else image.alpha[rows_and_columns]
            image = RasterImage(image.levels[rows_and_columns], alpha)
        return _resize_key(image, size)

    def predict(self, lightness: Tensor, number: int) -> Tensor:
        """Predict the ab ``(1, 2, h, w)`` of a frame with the model.

        Args:
            lightness: ``(1, 1, h, w)`` lightness of the frame.
            number: Frame number, which selects the reference.
        """
        # the last key frame is the reference; see the arguments of the class
        exemplar = self._reference or next(iter(self._exemplars.values()), None)
        key_numbers = [key for key in self._exemplars if key <= number]
        if key_numbers:
            exemplar = self._exemplars[key_numbers[-1]]
        if exemplar is not None and isinstance(self._colorizer.model, VideoModel):
            return self._colorizer.color_frames(lightness, exemplar, self._previous) * self._strength
        ab, states = self._automatic(lightness, exemplar)
        if self._memory is None or not (self._recalls or self._carried):
            return ab * self._strength
        keys = [*(number for number in self._recalled if number in self._keys), *self._references]
        shots, _ = self._shots.get(self._span.start, ([], set()))
        return self._memory.recall(lightness, ab, keys, shots, states, self._carried) * self._strength

    def _automatic(self, lightness: Tensor, exemplar: Exemplar | None) -> tuple[Tensor, Any]:
        """Return the automatic ab ``(1, 2, h, w)`` of a frame, and results for `Cells.of`."""
        height, width = lightness.shape[-2:]
        edit = self._colorizer.resolve_lightness(
            lightness, (width, height), self._recipe, exemplar, detects_pages=False
        )
        result = colorize_edit(edit)
        self.notes |= dict.fromkeys(result.notes)
        return result.ab[None], edit.states


def _resize_key(image: RasterImage, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """Return Lab ``(1, 3, h, w)`` and opacity ``(1, 1, h, w)`` in [0, 1] of a key image at another size."""
    rgb = torch.from_numpy(image.rgb).permute(2, 0, 1)[None]
    lab = rgb_to_lab(F.interpolate(rgb, size, mode="bicubic", antialias=True).clamp(0, 1))
    if image.alpha is None:
        return lab, torch.ones_like(lab[:, :1])
    opacity = torch.from_numpy(as_rgb(image.alpha)[..., 0].copy())[None, None]
    return lab, F.interpolate(opacity, size, mode="bilinear", antialias=True)
