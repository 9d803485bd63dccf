"""Color single frames at the network's size, before their colors are stabilized."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.capabilities import ColorsFrames
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.inference.answer import answer
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.job import Part
from colorzoo.inference.palette import doubt_of
from colorzoo.inference.references import ReadReference, require_color
from colorzoo.pictures.picture import Picture
from colorzoo.video.frames import VideoError, VideoFrame

_ASPECT_TOLERANCE = 0.02  # a colored frame may have been rounded by a pixel


class FrameColorer:
    """Colors frames one after the other.

    Args:
        colorizer: The model.
        keys: Key frames by number: images that the user colored. Each is the reference from its frame on,
            and the first one also before its frame.
        reference: Reference for frames before the first key frame, or for all.
        strength: Factor on the chroma.
        tells_doubt: Find the doubt of each shot, which takes a tenth of the time of the colors.

    Attributes:
        notes: Remarks on the current shot, as keys.

    Raises:
        VideoError: The model is for sketches.
        GuidanceError: The model does not use references.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        keys: Mapping[int, Picture] | None = None,
        reference: Exemplar | None = None,
        strength: float = 1.0,
        *,
        tells_doubt: bool = False,
    ) -> None:
        if colorizer.paints:
            raise VideoError(f"{colorizer.name} paints sketches; name a model for grayscale photographs")
        self._colorizer, self._strength = colorizer, strength
        self._keys = dict(sorted((keys or {}).items()))
        for number, picture in self._keys.items():
            require_color(picture, f"of frame {number}")
        self._exemplars = {
            number: colorizer.exemplar([ReadReference(picture)]) for number, picture in self._keys.items()
        }
        self._reference = reference
        self._previous: Tensor | None = None  # Lab of the previous frame of this shot, as colored
        self._tells_doubt = tells_doubt
        self._doubts: list[float] = []
        self.notes: dict[str, None] = {}

    @property
    def size(self) -> int:
        """Shorter side in pixels at which the network sees a frame."""
        return self._colorizer.size

    @property
    def needs_every_frame(self) -> bool:
        """True if the model sees the frame before, and so has to color all in order."""
        has_reference = self._reference is not None or bool(self._exemplars)
        return has_reference and isinstance(self._colorizer.model, ColorsFrames)

    def start_shot(self) -> None:
        """Forget the colors, the doubt and the notes of the previous shot."""
        self._previous = None
        self._doubts, self.notes = [], {}

    @property
    def doubt(self) -> float | None:
        """Mean doubt of what the model colored in this shot, see `doubt_of`; None if it is not known."""
        return round(sum(self._doubts) / len(self._doubts), 1) if self._doubts else None

    def is_key(self, frame: VideoFrame, lightness: Tensor) -> bool:
        """Return whether the frame is a key frame with an image of the same shape."""
        if frame.number not in self._keys:
            return False
        width, height = self._keys[frame.number].size
        if abs(width / height * lightness.shape[-2] / lightness.shape[-1] - 1) < _ASPECT_TOLERANCE:
            return True
        self.notes[f"the image for frame {frame.number} has another shape and is only a reference"] = None
        return False

    def color(self, frame: VideoFrame, lightness: Tensor) -> Tensor:
        """Return ab ``(1, 2, h, w)`` in CIE units; a broken frame takes the colors of the previous one.

        Args:
            frame: The frame.
            lightness: Its lightness ``(1, 1, h, w)`` at the network's size.
        """
        if frame.state != "whole":
            ab = (
                lightness.new_zeros(1, 2, *lightness.shape[-2:])
                if self._previous is None
                else self._previous[:, 1:]
            )
        elif self.is_key(frame, lightness):
            rgb = torch.from_numpy(self._keys[frame.number].rgb).permute(2, 0, 1)[None]
            small = F.interpolate(rgb, size=tuple(lightness.shape[-2:]), mode="bicubic", antialias=True)
            ab = rgb_to_lab(small.clamp(0, 1))[:, 1:] * self._strength
        else:
            ab = self.predict(lightness, frame.number)
        self._previous = torch.cat([lightness, ab], dim=1)
        return ab

    def predict(self, lightness: Tensor, number: int) -> Tensor:
        """Return the model's ab ``(1, 2, h, w)`` for a frame by its lightness and number."""
        exemplar = self._exemplar_for(number)
        model = self._colorizer.model
        if exemplar is not None and isinstance(model, ColorsFrames):
            device = self._colorizer.device
            previous = None if self._previous is None else self._previous.to(device)
            ab = model.color_frames(lightness.to(device), exemplar.to(device), previous)
            return ab.float().cpu() * self._strength
        height, width = lightness.shape[-2:]
        job = self._colorizer.job_of(
            Part(lightness, (width, height), is_frame=True), Recipe(strength=self._strength), exemplar
        )
        solved = answer(job)
        self.notes |= dict.fromkeys(solved.notes)
        if self._tells_doubt and (doubt := doubt_of(solved)) is not None:
            self._doubts.append(doubt)
        return solved.ab[None]

    def _exemplar_for(self, number: int) -> Exemplar | None:
        passed = [key for key in self._exemplars if key <= number]
        if passed:
            return self._exemplars[passed[-1]]
        return self._reference or next(iter(self._exemplars.values()), None)
