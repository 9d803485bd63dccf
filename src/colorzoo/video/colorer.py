"""Colorize single frames at the network's size, before temporal stabilization."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import ColorsFrames
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.pipeline import colorize
from colorzoo.inference.references import ReadReference, require_color
from colorzoo.inference.task import Part
from colorzoo.video.frames import VideoError, VideoFrame

_ASPECT_TOLERANCE = 0.02  # the size of a colored key frame may be rounded by one pixel


class FrameColorer:
    """Colorize the frames of a video one after the other.

    Args:
        colorizer: The model.
        keys: Key frames: images colored by the user, by frame number. Each is the reference from its frame
            on; the first one is also the reference for the frames before it.
        reference: Reference for the frames before the first key frame, or for all frames.
        strength: Factor on the chroma.

    Attributes:
        notes: Remarks about the current shot, as keys.

    Raises:
        VideoError: The model colorizes sketches.
        GuidanceError: The model does not accept references.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        keys: Mapping[int, RasterImage] | None = None,
        reference: Exemplar | None = None,
        strength: float = 1.0,
    ) -> None:
        if colorizer.is_sketch_model:
            raise VideoError(f"{colorizer.name} colorizes sketches; choose a model for grayscale photographs")
        self._colorizer, self._strength = colorizer, strength
        self._keys = dict(sorted((keys or {}).items()))
        for number, image in self._keys.items():
            require_color(image, f"of frame {number}")
        self._exemplars = {
            number: colorizer.exemplar([ReadReference(image)]) for number, image in self._keys.items()
        }
        self._reference = reference
        self._previous: Tensor | None = None  # Lab of the previous frame of this shot, as colorized
        self.notes: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Shorter side in pixels of the frames that the network receives."""
        return self._colorizer.size

    @property
    def needs_every_frame(self) -> bool:
        """Whether frames must be colorized sequentially, because the model uses the previous frame."""
        has_reference = self._reference is not None or bool(self._exemplars)
        return has_reference and isinstance(self._colorizer.model, ColorsFrames)

    def start_shot(self) -> None:
        """Reset the previous frame and the notes at the start of a shot."""
        self._previous, self.notes = None, {}

    def is_key(self, frame: VideoFrame, lightness: Tensor) -> bool:
        """Return whether the frame is a key frame whose image has the same aspect ratio."""
        if frame.number not in self._keys:
            return False
        width, height = self._keys[frame.number].size
        if abs(width / height * lightness.shape[-2] / lightness.shape[-1] - 1) < _ASPECT_TOLERANCE:
            return True
        self.notes[f"the image for frame {frame.number} has another shape and is only a reference"] = None
        return False

    def color(self, frame: VideoFrame, lightness: Tensor) -> Tensor:
        """Return ab ``(1, 2, h, w)`` in CIE units.

        Args:
            frame: The frame.
            lightness: Its lightness ``(1, 1, h, w)`` at the network's size.
        """
        if self.is_key(frame, lightness):
            rgb = torch.from_numpy(self._keys[frame.number].rgb).permute(2, 0, 1)[None]
            small = F.interpolate(rgb, size=tuple(lightness.shape[-2:]), mode="bicubic", antialias=True)
            ab = rgb_to_lab(small.clamp(0, 1))[:, 1:] * self._strength
        else:
            ab = self.predict(lightness, frame.number)
        self._previous = torch.cat([lightness, ab], dim=1)
        return ab

    def predict(self, lightness: Tensor, number: int) -> Tensor:
        """Return the model's ab ``(1, 2, h, w)`` for the frame ``number`` with this lightness."""
        exemplar = self._exemplar_for(number)
        model = self._colorizer.model
        if exemplar is not None and isinstance(model, ColorsFrames):
            device = self._colorizer.device
            previous = None if self._previous is None else self._previous.to(device)
            ab = model.color_frames(lightness.to(device), exemplar.to(device), previous)
            return ab.float().cpu() * self._strength
        height, width = lightness.shape[-2:]
        part = Part(lightness, (width, height), is_frame=True)
        colored = colorize(self._colorizer.prepare_part(part, Recipe(strength=self._strength), exemplar))
        self.notes |= dict.fromkeys(colored.notes)
        return colored.ab[None]

    def _exemplar_for(self, number: int) -> Exemplar | None:
        passed = [key for key in self._exemplars if key <= number]
        if passed:
            return self._exemplars[passed[-1]]
        return self._reference or next(iter(self._exemplars.values()), None)
