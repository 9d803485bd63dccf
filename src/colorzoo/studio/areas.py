"""Regions, classes and matches of a photo, as the pad shows them."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.guidance import PointHint
from colorzoo.inference.classes import FindsClasses, find_classes
from colorzoo.inference.reach import find_extent, is_limited
from colorzoo.inference.regions import filled_regions, proposal_hash, suggest_colors
from colorzoo.picture_formats import open_picture
from colorzoo.studio.coloring import Answer, Task
from colorzoo.studio.errors import StudioError
from colorzoo.studio.photo import Photo

_TINT, _TINT_ALPHA = (26, 109, 255), 150  # RGB; opacity of 255 where the color goes in full


def regions(task: Task, answer: Answer) -> tuple[dict[str, Any], bytes]:
    """Return the fields of the message ``regions`` and the uint16 map; regions without a pixel are left out.

    Args:
        task: Whose model asks for the regions.
        answer: The result so far, from which colors are suggested.

    Raises:
        GuidanceError: The model asks for no regions.
    """
    seen = task.photo.seen(task.colorizer.size)
    proposed, found = task.colorizer.propose(seen), task.colorizer.regions(seen, task.recipe)
    index = found.index[0, 0]
    suggested = suggest_colors(found, painting(task, answer))
    items = [_region(index, number, task.photo, suggested[number]) for number in filled_regions(found)]
    facts = {"count": len(items), "width": index.shape[1], "height": index.shape[0], "items": items}
    return {**facts, "proposal": proposal_hash(proposed)}, _as_uint16(index)


def painting(task: Task, answer: Answer) -> Tensor:
    """Return the result ``(1, 3, h, w)`` in [0, 1] at the network's size."""
    luma = answer.luma(task.photo.seen(task.colorizer.size))
    return lab_to_rgb_in_gamut(torch.cat([luma[0], answer.ab]))[None]


def classes(task: Task) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Return the fields of the message ``classes`` and the uint16 maps of photo and reference.

    Raises:
        StudioError: The model knows no classes.
    """
    model = task.colorizer.model
    if not isinstance(model, FindsClasses):
        raise StudioError("unsupported", f"{task.colorizer.name} knows no classes")
    names = getattr(model, "class_names", {})
    target = find_classes(model, task.photo.seen(task.colorizer.size))[0, 0]
    facts: dict[str, Any] = {**_class_facts(target, names), "reference": None}
    if task.reference is None:
        return facts, (_as_uint16(target),)
    other = find_classes(model, rgb_to_lab(task.reference)[:, :1])[0, 0]
    facts["reference"] = _class_facts(other, names)
    return facts, (_as_uint16(target), _as_uint16(other))


def extent(photo: Photo, point: PointHint, size: int) -> bytes:
    """Return a PNG that tints the photo where the color of a point goes.

    Args:
        photo: The photo.
        point: In its pixels.
        size: Shorter side at which a network sees the photo.
    """
    luma = photo.seen(size)
    weight = torch.ones(luma.shape[2:])
    if is_limited(point):
        weight = find_extent(luma, [point], photo.size).weight
    alpha = (weight * _TINT_ALPHA).round().byte().numpy()
    tint = np.dstack([np.broadcast_to(np.array(_TINT, np.uint8), (*alpha.shape, 3)), alpha])
    file = io.BytesIO()
    Image.fromarray(tint).save(file, "PNG")
    return file.getvalue()


def matched(
    match: Tensor, place: tuple[float, float], size: tuple[int, int], reference: tuple[int, int]
) -> tuple[float, float]:
    """Return the place in the reference that colored a place of the photo.

    Args:
        match: ``(2, h, w)``: x and y as shares of the reference's size.
        place: x and y in pixels of the photo.
        size: Width and height of the photo.
        reference: Those of the reference.
    """
    _, height, width = match.shape
    row = min(int(place[1] * height / size[1]), height - 1)
    column = min(int(place[0] * width / size[0]), width - 1)
    x, y = match[:, row, column].tolist()
    return x * reference[0], y * reference[1]


def source_color(photo: Photo, place: tuple[float, float]) -> str:
    """Return the color ``#rrggbb`` of the photo as it came, as its view shows it."""
    with open_picture(io.BytesIO(photo.source)) as image:
        column = min(int(place[0] * image.width / photo.size[0]), image.width - 1)
        row = min(int(place[1] * image.height / photo.size[1]), image.height - 1)
        red, green, blue = np.asarray(image.convert("RGB"))[row, column]
    return f"#{red:02x}{green:02x}{blue:02x}"


def _region(index: Tensor, number: int, photo: Photo, suggested: str) -> dict[str, Any]:
    rows, columns = (index == number).nonzero(as_tuple=True)
    # the pixel of the region nearest to its center of mass, which itself may lie outside
    away = (rows - rows.float().mean()).square() + (columns - columns.float().mean()).square()
    best = int(away.argmin())
    x = (float(columns[best]) + 0.5) * photo.size[0] / index.shape[1]
    y = (float(rows[best]) + 0.5) * photo.size[1] / index.shape[0]
    return {"index": number, "area": len(rows) / index.numel(), "x": x, "y": y, "suggested": suggested}


def _class_facts(found: Tensor, names: dict[int, str]) -> dict[str, Any]:
    values, counts = torch.unique(found, return_counts=True)
    pairs = sorted(zip(counts.tolist(), values.tolist(), strict=True), reverse=True)
    items = [
        {"id": value, "name": str(names.get(value, value)), "share": count / found.numel()}
        for count, value in pairs
    ]
    return {"width": found.shape[1], "height": found.shape[0], "items": items}


def _as_uint16(values: Tensor) -> bytes:
    return values.numpy().astype("<u2").tobytes()
