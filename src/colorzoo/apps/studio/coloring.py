"""Colorization of the photo in a drawing pad, and encoding of previews as JPEG."""

from __future__ import annotations

import time
from collections.abc import Hashable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.apps.studio.opened_image import OpenedImage, Window, fit_size, jpeg
from colorzoo.apps.studio.protocol import Limits
from colorzoo.apps.studio.sessions import AttachedReference
from colorzoo.apps.studio.worker_pool import stop_if_cancelled
from colorzoo.guidance import Exemplar, Recipe
from colorzoo.inference import (
    ColorizedImage,
    Colorizer,
    ColorizeTask,
    FullLightness,
    Surroundings,
    colorize_task,
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

    def task(self) -> ColorizeTask:
        """Return the colorization task of the photo.

        Raises:
            GuidanceError: The recipe does not match the photo.
        """
        drawing = self.drawing() if self.colorizer.is_sketch_model else None
        task = self.colorizer.prepare_lightness(
            self.lightness(), self.opened.size, self.recipe, self.exemplar, drawing=drawing
        )
        return self.cached(task)

    def quick_task(self, size: int) -> ColorizeTask:
        """Return the task for a fast preview, which does not require decoding the file.

        Args:
            size: Shorter side of the network input in pixels.
        """
        lightness = self.opened.approximate_lightness(size)
        task = self.colorizer.prepare_lightness(lightness, self.opened.size, self.recipe, self.exemplar)
        return self.cached(task, "approximate")

    def cached(self, task: ColorizeTask, kind: str = "") -> ColorizeTask:
        """Return a copy of a task of this photo that uses the cache of the drawing pads.

        Args:
            task: Task of this photo and model.
            kind: Difference of the network input from the network input of `task`.
        """
        key = self.image_key, task.lightness.shape, kind
        return replace(task, results=self.cache, image_key=key)

    @property
    def image_key(self) -> Hashable:
        """Model, reference and photo of the request as a key of the cache."""
        reference = None if self.reference is None else self.reference.file.sha256
        return self.colorizer.name, reference, self.photo_key

    @property
    def photo_key(self) -> Hashable:
        """Photo of the request as a key of the cache, for results that depend on no model."""
        opened = self.opened
        inside = None if opened.window is None else opened.window.inside
        return opened.sha256, opened.opaque, inside, repr(opened.healing)


def predict(request: PadRequest) -> ColorizedImage:
    """Colorize a photo at the size of the network input.

    Raises:
        ColorzooError: The recipe does not match the photo, or the model fails.
    """
    return _run(request.task())


def _run(task: ColorizeTask) -> ColorizedImage:
    with torch.inference_mode():
        return colorize_task(task)


def color_preview(request: PadRequest, quality: Quality, limits: Limits) -> tuple[dict[str, Any], bytes]:
    """Colorize a photo; return fields of the ``colored`` message, and the result as a JPEG preview.

    The fields are ``width`` and ``height`` of the preview, ``notes`` about the colorization, and ``timing``:
    the durations of the stages *network* and *encode* in milliseconds.

    Args:
        request: Photo, recipe and model.
        quality: ``drag`` for a small preview, ``final`` for the standard preview, or ``full`` for a preview
            at full size.
        limits: Limits on the sizes of previews.
    """
    task = _preview_task(request, quality)
    start = time.perf_counter()
    result = _run(task)
    network_end = time.perf_counter()
    stop_if_cancelled()
    opened = request.opened
    whole = opened.whole or opened  # includes the border of a scan
    lightness = _preview_lightness(whole, quality, limits)
    levels = _preview_levels(result, lightness[0, 0], opened.window)
    data = jpeg(Image.fromarray(levels))
    timing = {
        "network": milliseconds(network_end - start),
        "encode": milliseconds(time.perf_counter() - network_end),
    }
    height, width = levels.shape[:2]
    fields = {"width": width, "height": height, "notes": list(result.notes), "timing": timing}
    return fields, data


def milliseconds(seconds: float) -> float:
    """Convert a duration to milliseconds, rounded to two decimals."""
    return round(seconds * 1e3, 2)


def _preview_task(request: PadRequest, quality: Quality) -> ColorizeTask:
    """Return the task of a preview; during a drag, the network input has half of the usual size."""
    # regions and classes depend on the network size, so the size is not halved
    kinds = {"regions", "classes"} & set(request.recipe.kinds())
    if quality == "drag" and not kinds and not request.colorizer.is_sketch_model:
        return request.quick_task(request.colorizer.size // 2)
    return request.task()


@torch.inference_mode()
def _preview_levels(result: ColorizedImage, lightness: Tensor, window: Window | None) -> NDArray[Any]:
    """Join the colors of a result with the lightness ``(h, w)`` of the whole photo.

    Args:
        result: Result of the photo, or of the part within the border of a scan.
        lightness: Lightness of the photo at the size of the preview.
        window: Position of the colorized part; None if the whole photo is colorized.
    """
    if window is None:
        return result.over(lightness).levels()
    rows, columns = lightness.shape
    inside = window.inside.scaled(window.size, columns, rows)
    surroundings = Surroundings(lightness, inside)
    return result.over(lightness[inside.slices], surroundings=surroundings).levels()


def _preview_lightness(opened: OpenedImage, quality: Quality, limits: Limits) -> Tensor:
    """Return the lightness ``(1, 1, h, w)`` of the whole photo at the size of the preview."""
    width, height = opened.view
    if quality == "drag":
        return shrink_lightness(opened.lightness, fit_size(height, width, limits.view_side * 3 // 8))
    if quality == "final" or opened.view == opened.size:
        return opened.lightness
    lightness = FullLightness(opened.decode().levels)
    pixels = opened.size[0] * opened.size[1]
    if pixels <= limits.full_pixels:
        return lightness.whole()
    scale = (limits.full_pixels / pixels) ** 0.5
    return lightness.shrunk((int(opened.size[1] * scale), int(opened.size[0] * scale)))
