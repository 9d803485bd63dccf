"""Colorization of the photo in a drawing pad, and encoding of previews as JPEG."""

from __future__ import annotations

import time
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.abilities import TextModel
from colorzoo.apps.studio.opened_image import OpenedImage, fit_size, jpeg
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.sessions import AttachedReference
from colorzoo.apps.studio.worker_pool import stop_if_cancelled
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.inference import (
    ColorizedImage,
    Colorizer,
    Edit,
    FullLightness,
    colorize_edit,
    shrink_lightness,
)
from colorzoo.inference.steps import Drawing

Quality = Literal["drag", "final", "full"]


@dataclass(frozen=True)
class PadRequest:
    """Photo, recipe and model of a request from a drawing pad.

    Attributes:
        colorizer: Colorizer with the loaded model.
        opened: Photo in the drawing pad, or the part of the photo within the border of a scan.
        recipe: Hints and settings, with coordinates in pixels of ``opened``.
        reference: Attached reference image, or None.
        cache: Cache of all drawing pads.
    """

    colorizer: Colorizer
    opened: OpenedImage
    recipe: Recipe
    reference: AttachedReference | None = None
    cache: MutableMapping[Hashable, Any] = field(default_factory=dict)

    @property
    def exemplar(self) -> Exemplar | None:
        """Reference image as guidance of the model, or None."""
        return None if self.reference is None else Exemplar(self.reference.rgb)

    def lightness(self) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` at the size of the network input."""
        return self.opened.network_lightness(self.colorizer.size)

    def drawing(self) -> Drawing:
        """Return the lines and regions of the photo at full size, for sketch models."""
        return self.opened.drawing(self.recipe)

    def edit(self) -> Edit:
        """Return the edit of the photo, which uses the cache of the drawing pads.

        Raises:
            GuidanceError: The recipe does not match the photo.
        """
        drawing = self.drawing() if self.colorizer.is_sketch_model else None
        edit = self.colorizer.resolve_lightness(
            self.lightness(), self.opened.size, self.recipe, self.exemplar, drawing=drawing
        )
        return replace(edit, cache=self.cache)

    def quick_edit(self, size: int) -> Edit:
        """Return the edit for a fast preview, which does not require decoding the file.

        Args:
            size: Shorter side of the network input in pixels.
        """
        lightness = self.opened.approximate_lightness(size)
        edit = self.colorizer.resolve_lightness(lightness, self.opened.size, self.recipe, self.exemplar)
        return replace(edit, cache=self.cache)


def predict(request: PadRequest) -> ColorizedImage:
    """Colorize a photo at the size of the network input.

    Raises:
        ColorzooError: The recipe does not match the photo, or the model fails.
    """
    return _run(request.edit())


def _run(edit: Edit) -> ColorizedImage:
    with torch.inference_mode():
        return colorize_edit(edit)


def color_preview(
    request: PadRequest, quality: Quality, limits: Limits
) -> tuple[dict[str, Any], tuple[bytes, ...]]:
    """Colorize a photo; return fields and buffers of the ``colored`` message.

    The first buffer is the result as a JPEG preview. For drawings, the second buffer contains the sRGB color
    of each region in three bytes.

    The fields are ``width`` and ``height`` of the preview, ``notes`` about the colorization, ``words`` of a
    text with the reasons why words have no effect, and ``timing``: the durations of the stages *network* and
    *encode* in milliseconds.

    Args:
        request: Photo, recipe and model.
        quality: ``drag`` for a small preview, ``final`` for the standard preview, or ``full`` for a preview
            at full size.
        limits: Limits on the sizes of previews.
    """
    # during a drag, the network input has half of the usual size, unless there are regions or classes,
    # which depend on the network size
    kinds = {"regions", "classes"} & set(request.recipe.kinds())
    if quality == "drag" and not kinds and not request.colorizer.is_sketch_model:
        edit = request.quick_edit(request.colorizer.size // 2)
    else:
        edit = request.edit()
    start = time.perf_counter()
    result = _run(edit)
    network_end = time.perf_counter()
    stop_if_cancelled()
    opened = request.opened
    whole = opened.whole or opened  # includes the border of a scan
    # lightness of the whole photo at the size of the preview
    width, height = whole.view
    if quality == "drag":
        shape = fit_size(height, width, limits.view_side * 3 // 8)
        lightness = shrink_lightness(whole.lightness, shape)
    elif quality == "final" or whole.view == whole.size:
        lightness = whole.lightness
    else:
        full = FullLightness(whole.decode().levels)
        width, height = whole.size
        scale = (limits.full_pixels / (width * height)) ** 0.5
        lightness = full.whole() if scale >= 1 else full.shrunk((int(height * scale), int(width * scale)))
    # join the lightness with the predicted colors
    view = lightness[0, 0]
    with torch.inference_mode():
        rows, columns = view.shape
        window = opened.window
        inside = None if window is None else window.inside.scaled(window.size, columns, rows)
        levels = result.over(view, inside).levels()
    data = jpeg(Image.fromarray(levels))
    timing = {
        "network": milliseconds(network_end - start),
        "encode": milliseconds(time.perf_counter() - network_end),
    }
    height, width = levels.shape[:2]
    fields = {"width": width, "height": height, "notes": list(result.notes), "timing": timing}
    model, text = request.colorizer.model, request.recipe.more.get("text")
    if text is not None and isinstance(model, TextModel):
        fields["words"] = model.read_text(text)
    if not request.colorizer.is_sketch_model:
        return fields, (data,)
    return fields, (data, np.rint(result.flats.colors * 255).astype(np.uint8).tobytes())


def milliseconds(seconds: float) -> float:
    """Convert a duration to milliseconds, rounded to two decimals."""
    return round(seconds * 1e3, 2)
