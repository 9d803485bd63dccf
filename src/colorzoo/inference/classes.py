"""The classes of a photo, found and shown over it."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from colorzoo.capabilities import FindsClasses
from colorzoo.inference.full_size import FullLightness, working_size
from colorzoo.inference.steps.classes import find_classes
from colorzoo.pictures.picture import Picture

_GOLDEN = 0.618034  # successive hues lie far apart
_BLEND = 0.55
_ROW, _BOX, _LEGEND = 22, 14, 120  # pixels


@dataclass(frozen=True)
class Segmented:
    """Classes of a photo.

    Examples:
        >>> Segmented(np.zeros((32, 48), dtype=np.int64), shares={0: 1.0}).labels.shape
        (32, 48)

    Attributes:
        labels: ``(H, W)`` int64, at the photo's size.
        shares: Share of the pixels by class, the largest first.
    """

    labels: NDArray[np.int64]
    shares: dict[int, float]


def segment_picture(model: FindsClasses, picture: Picture, size: int) -> Segmented:
    """Segment a photo.

    Examples:
        >>> from colorzoo.pictures import read_picture
        >>> model = colorzoo.create_model("chen2023_small").model
        >>> segment_picture(model, read_picture("photo.png"), size=64).labels.shape
        (32, 48)

    Args:
        model: The model.
        picture: The photo.
        size: Its shorter side for the model.
    """
    width, height = picture.size
    small = find_classes(model, FullLightness(picture.levels).shrunk(working_size(height, width, size)))
    whole: Tensor = torch.nn.functional.interpolate(small.double(), size=(height, width), mode="nearest")
    labels = whole[0, 0].long().numpy()
    numbers, counts = np.unique(labels, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return Segmented(labels, {int(numbers[i]): float(counts[i] / labels.size) for i in order})


def draw_classes(picture: Picture, found: Segmented) -> Image.Image:
    """Draw the classes over the photo, each with its number, and a legend to the right."""
    rgb = picture.rgb
    gray = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    overlay = np.zeros_like(rgb)
    for number in found.shares:
        overlay[found.labels == number] = np.array(class_color(number)) / 255
    mixed = (1 - _BLEND) * gray[..., None] + _BLEND * overlay
    height, width = found.labels.shape
    canvas = Image.new("RGB", (width + _LEGEND, max(height, _ROW * len(found.shares) + 8)), "white")
    canvas.paste(Image.fromarray((mixed * 255).round().astype(np.uint8)), (0, 0))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for row, (number, share) in enumerate(found.shares.items()):
        top = 4 + row * _ROW
        draw.rectangle((width + 8, top, width + 8 + _BOX, top + _BOX), fill=class_color(number))
        draw.text((width + 16 + _BOX, top - 1), f"{number}  {share:.0%}", fill="black", font=font)
        x, y = _central_pixel(found.labels == number)
        draw.text(
            (x, y), str(number), fill="white", font=font, anchor="mm", stroke_width=2, stroke_fill="black"
        )
    return canvas


def class_color(number: int) -> tuple[int, int, int]:
    """Return the color of a class, the same in every picture."""
    red, green, blue = colorsys.hsv_to_rgb((number * _GOLDEN) % 1, 0.75, 0.95 if number % 2 else 0.75)
    return round(red * 255), round(green * 255), round(blue * 255)


def _central_pixel(mask: NDArray[np.bool_]) -> tuple[int, int]:
    """Return x and y of the pixel of a mask nearest to its center of mass."""
    rows, columns = np.nonzero(mask)
    away = (rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2
    best = int(away.argmin())
    return int(columns[best]), int(rows[best])
