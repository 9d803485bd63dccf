"""Colors of single frames at the network's size, before they are held steady."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.guide import DrawnRequest
from colorzoo.inference.picture import Picture
from colorzoo.inference.references import Reference, require_color
from colorzoo.video.frame import Frame
from colorzoo.video.library import VideoError

_SAME_ASPECT = 0.02  # a colored frame may be a pixel wider than it was


@runtime_checkable
class ColorsFrames(Protocol):
    """A model that colors a frame after the one before it, as `zhang2019` does."""

    def color_frames(self, frames: Tensor, exemplar: Exemplar, previous: Tensor | None = None) -> Tensor:
        """Return ab ``(T, 2, h, w)`` of frames ``(T, 1, h, w)``; ``previous`` is ``(1, 3, h, w)`` Lab."""
        ...


class Painter:
    """Colors frames one after the other.

    Args:
        colorizer: The model.
        keys: Frames that the user colored, by number. Each is the reference from its frame on; before the
            first one it is the first.
        reference: For frames before the first key, or for all.
        strength: Factor on the chroma.

    Raises:
        VideoError: The model paints sketches.
        GuidanceError: The model takes no reference.
    """

    def __init__(
        self,
        colorizer: Colorizer,
        keys: Mapping[int, Picture] | None = None,
        reference: Exemplar | None = None,
        strength: float = 1.0,
    ) -> None:
        if colorizer.paints:
            raise VideoError(f"{colorizer.name} paints sketches; name a model of photos")
        self._colorizer, self._strength = colorizer, strength
        self._keys = dict(sorted((keys or {}).items()))
        for number, picture in self._keys.items():
            require_color(picture, f"of frame {number}")
        self._exemplars = {
            number: colorizer.exemplar([Reference(picture)]) for number, picture in self._keys.items()
        }
        self._reference = reference
        self._before: Tensor | None = None  # Lab of the frame before in this shot, as colored
        self.notes: dict[str, None] = {}

    def begin(self) -> None:
        """Forget the colors of the shot before."""
        self._before = None

    def is_key(self, frame: Frame, luma: Tensor) -> bool:
        """Say whether the user colored this very frame, in the same shape."""
        if frame.number not in self._keys:
            return False
        width, height = self._keys[frame.number].size
        if abs(width / height * luma.shape[-2] / luma.shape[-1] - 1) < _SAME_ASPECT:
            return True
        self.notes[f"the picture for frame {frame.number} has another shape and is only a reference"] = None
        return False

    def color(self, frame: Frame, luma: Tensor) -> Tensor:
        """Return ab ``(1, 2, h, w)`` in CIE units.

        Args:
            frame: The frame.
            luma: Its lightness ``(1, 1, h, w)``, at the network's size.
        """
        if frame.state != "whole":  # what it shows says nothing, or wrong things
            ab = luma.new_zeros(1, 2, *luma.shape[-2:]) if self._before is None else self._before[:, 1:]
        elif self.is_key(frame, luma):
            ab = self._key_ab(frame.number, luma) * self._strength
        else:
            ab = self.predict(luma, frame.number)
        self._before = torch.cat([luma, ab], dim=1)
        return ab

    def predict(self, luma: Tensor, number: int) -> Tensor:
        """Return the model's ab ``(1, 2, h, w)`` for one frame; the arguments are those of `color`."""
        exemplar = self._exemplar_for(number)
        model = self._colorizer.model
        if exemplar is not None and isinstance(model, ColorsFrames):
            device = self._colorizer.device
            before = None if self._before is None else self._before.to(device)
            ab = model.color_frames(luma.to(device), exemplar.to(device), before)
            return ab.float().cpu() * self._strength
        request = DrawnRequest(Guidance(), strength=self._strength)
        solved = self._colorizer.solve(luma, request, exemplar)
        self.notes |= dict.fromkeys(solved.notes)
        return solved.ab[None]

    def _exemplar_for(self, number: int) -> Exemplar | None:
        passed = [key for key in self._exemplars if key <= number]
        if passed:
            return self._exemplars[passed[-1]]
        return self._reference or next(iter(self._exemplars.values()), None)

    def _key_ab(self, number: int, luma: Tensor) -> Tensor:
        rgb = torch.from_numpy(self._keys[number].rgb).permute(2, 0, 1)[None]
        small = F.interpolate(rgb, size=tuple(luma.shape[-2:]), mode="bicubic", antialias=True)
        return rgb_to_lab(small.clamp(0, 1))[:, 1:]
