"""Single frames of a moving picture, as pictures to be colored by hand."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb
from colorzoo.inference.picture import Picture
from colorzoo.video.frame import Frame, Source
from colorzoo.video.library import VideoError


def pick_frames(source: Source, numbers: Collection[int]) -> dict[int, Picture]:
    """Return frames as gray pictures, upright and at full size, in 8 bits.

    Args:
        source: Read from its beginning, up to the last frame that is wanted.
        numbers: Of the frames, from 0.

    Raises:
        VideoError: There is no such frame, or it cannot be decoded well.
    """
    found: dict[int, Picture] = {}
    last = None
    for frame in source.frames() if numbers else ():
        last = frame
        if frame.number in numbers:
            found[frame.number] = _gray_picture(_sound(frame, source).picture.luma())
            if len(found) == len(numbers):
                return found
    for number in sorted(numbers - found.keys()):
        count = 0 if last is None else last.number + 1
        raise VideoError(f"{source.path}: there is no frame {number}; the last one is {count - 1}")
    return found


def _sound(frame: Frame, source: Source) -> Frame:
    if frame.state != "whole":
        raise VideoError(f"{source.path}: frame {frame.number} ({frame.stamp}) is broken; choose another one")
    return frame


def _gray_picture(luma: Tensor) -> Picture:
    lab = torch.cat([luma, luma.new_zeros(1, 2, *luma.shape[-2:])], dim=1)
    gray = lab_to_rgb(lab)[0, 0].clamp(0, 1)
    return Picture((gray * 255).round().numpy().astype(np.uint8))
