"""Colorization of single video frames before temporal stabilization."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.abilities import VideoModel
from colorzoo.apps.video.frames import VideoError, VideoFrame
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Recipe, Rectangle
from colorzoo.image_io import RasterImage, fill_hidden
from colorzoo.inference import Colorizer, ReadReference, colorize_task, require_color

_ASPECT_TOLERANCE = 0.02  # tolerance for key frame images whose size was rounded to whole pixels


class FrameColorer:
    """Colorizer of single video frames, without temporal stabilization.

    Args:
        colorizer: Colorizer with the loaded model.
        keys: Frames colorized by the user, by frame number. Each key frame is the reference for the frames up
            to the next key frame. If ``reference`` is None, the first key frame is also the reference for
            earlier frames.
        reference: Reference for the frames before the first key frame, or for all frames without key frames.
        strength: Multiplier for the chroma.

    Attributes:
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
    ) -> None:
        if colorizer.is_sketch_model:
            raise VideoError(
                f"--model must be a model for photographs, got {colorizer.name}, a sketch model. To color "
                f"frames one by one, run `colorzoo colorize FRAMES -o OUT --model {colorizer.name}`."
            )
        self._colorizer, self._strength = colorizer, strength
        self._keys = dict(sorted((keys or {}).items()))
        for number, image in self._keys.items():
            require_color(image, f"of frame {number}")
            self._keys[number] = fill_hidden(image)
        self._exemplars = {
            number: colorizer.exemplar([ReadReference(image)]) for number, image in self._keys.items()
        }
        self._reference = reference
        self._previous: Tensor | None = None  # colorized previous frame of this shot in Lab
        # colorized part of the frames of this shot, and width and height of the frames; None: whole frames
        self._part: tuple[Rectangle, tuple[int, int]] | None = None
        self.notes: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Shorter side of the network input in pixels."""
        return self._colorizer.size

    @property
    def needs_every_frame(self) -> bool:
        """Whether frames must be processed sequentially, without omitting any frame.

        This is the case if a reference is set and the model uses the colors of the previous frame.
        """
        has_reference = self._reference is not None or bool(self._exemplars)
        return has_reference and isinstance(self._colorizer.model, VideoModel)

    def start_shot(self, part: tuple[Rectangle, tuple[int, int]] | None = None) -> None:
        """Reset the previous frame and the notes at the start of a shot.

        Args:
            part: Colorized part of the frames, and width and height of the frames; None colorizes whole
                frames. The methods of this class receive the lightness of this part. Key images are images of
                whole frames.
        """
        self._part, self._previous, self.notes = part, None, {}

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
        if self.is_key(frame, lightness):
            image = self._keys[frame.number]
            key_rgb = image.rgb
            if self._part is not None:
                inside, frame_size = self._part
                key_rgb = key_rgb[inside.scaled(frame_size, *image.size).slices]
            rgb = torch.from_numpy(key_rgb).permute(2, 0, 1)[None]
            small = F.interpolate(rgb, size=tuple(lightness.shape[-2:]), mode="bicubic", antialias=True)
            ab = rgb_to_lab(small.clamp(0, 1))[:, 1:] * self._strength
        else:
            ab = self.predict(lightness, frame.number)
        self._previous = torch.cat([lightness, ab], dim=1)
        return ab

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
            device = self._colorizer.device
            previous = None if self._previous is None else self._previous.to(device)
            ab = self._colorizer.model.color_frames(lightness.to(device), exemplar.to(device), previous)
            return ab.float().cpu() * self._strength
        height, width = lightness.shape[-2:]
        recipe = Recipe(strength=self._strength)
        task = self._colorizer.prepare_lightness(lightness, (width, height), recipe, exemplar)
        result = colorize_task(task, detect_pages=False)
        self.notes |= dict.fromkeys(result.notes)
        return result.ab[None]
