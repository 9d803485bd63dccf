"""Open photo of a drawing pad: its file, and downscaled maps for fast edits."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from colorzoo.apps.studio.protocol import Limits
from colorzoo.color.lab import lightness_to_luminance
from colorzoo.color.levels import encoded, lightness_of_levels
from colorzoo.drawing import is_line_art, is_text
from colorzoo.errors import ImageError
from colorzoo.guidance import DrawingSettings, Recipe, Stroke
from colorzoo.guidance.border import BorderSetting
from colorzoo.guidance.objects import Division, Rectangle
from colorzoo.image_io import IN_COLOR, RasterImage, chroma_note, fill_hidden, quantized, read_file
from colorzoo.inference import (
    FullLightness,
    check_inside,
    select_part,
    shrink_lightness,
    working_size,
)
from colorzoo.inference.steps import Drawing, divide_regions, heal, read_drawing
from colorzoo.pixels.decode import MAX_PIXELS
from colorzoo.pixels.raster import Levels, composite_on_paper, composite_on_white

_IN_COLOR = "the colors of this photo are ignored; “Before” shows them"
_TINTED = "the tint of the paper is ignored; “Before” shows it"
_THUMBNAIL = 512
_QUALITY = 90
_SAME_THING = 25.0  # maximum difference in L from adjacent pixels in `lightness_around`
_NETWORK = 256  # shorter side of most network inputs in pixels
_LONGEST_MAP = 2048  # maximum side of a map of the whole photo in pixels
T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """Position, within the photo, of the area inside a scan border.

    Attributes:
        inside: Rectangle of the inner area in photo pixels.
        size: Width and height of the photo in pixels.
    """

    inside: Rectangle
    size: tuple[int, int]

    def surrounded(self, values: NDArray[Any], *, edge: bool = False) -> NDArray[Any]:
        """Extend a map of the inner area to the size of the whole photo.

        Args:
            values: Map ``(h, w)`` or ``(h, w, C)`` of the inner area, at any resolution.
            edge: Whether to fill pixels outside the inner area with the nearest edge value instead of 0.
        """
        left, top, width, height = self.inside
        photo_width, photo_height = self.size
        right, bottom = photo_width - left - width, photo_height - top - height
        longest = max(values.shape[1] / width * photo_width, values.shape[0] / height * photo_height)
        if longest > _LONGEST_MAP:
            # each pixel keeps the value of an original pixel
            rows, columns = (max(1, int(side * (_LONGEST_MAP / longest))) for side in values.shape[:2])
            small = cv2.resize(
                values.astype(np.float32), (columns, rows), interpolation=cv2.INTER_NEAREST_EXACT
            )
            values = np.asarray(small).astype(values.dtype)
        across, down = values.shape[1] / width, values.shape[0] / height  # map pixels per photo pixel
        added_rows = round(top * down), round(bottom * down)
        added_columns = round(left * across), round(right * across)
        padding = (added_rows, added_columns, (0, 0))[: values.ndim]  # none for channels
        return np.pad(values, padding, mode="edge" if edge else "constant")


@dataclass(frozen=True, repr=False)  # the default repr would print the content of files
class OpenedImage:
    """Photo that is open in a drawing pad.

    The photo is stored as its file and as downscaled maps. Exports decode the file again at full size. If the
    photo is a scan with a border, `part` returns the part inside the border.

    Attributes:
        name: File name for display and exports, without folders.
        data: Content of the image file.
        sha256: SHA-256 of the image file.
        size: Width and height in pixels.
        kind: ``"sketch"`` for line art, ``"gray"`` or ``"color"`` for other images.
        notes: Notes for the user, such as that the colors of the photo are ignored.
        lightness: Lightness ``(1, 1, h, w)`` at the size of the preview.
        network_lightnesses: Results of `network_lightness`, by the shorter side.
        gray: JPEG of the lightness at the size of the preview.
        source: JPEG of the photo in its original colors at the size of the preview.
        alpha: PNG of the alpha channel at the size of the preview; empty if the photo is opaque.
        border: Rectangle inside the border of a scanned photo; None if no border was detected.
        window: Position in the whole photo, if this object is a part of a photo; otherwise None.
        whole: Whole photo, if this object is a part of a photo; otherwise None.
        healing: Strokes over dust and scratches; their pixels are inpainted.
        opaque: Whether the photo has no transparent pixels, or its transparent pixels were filled with paper.
        last_results: Arguments and result of the last call of each method that `_cached` caches.
    """

    name: str
    data: bytes
    sha256: str
    size: tuple[int, int]
    kind: str
    notes: tuple[str, ...]
    lightness: Tensor
    network_lightnesses: dict[int, Tensor]
    gray: bytes
    source: bytes
    alpha: bytes = b""
    border: Rectangle | None = None
    window: Window | None = None
    whole: OpenedImage | None = None
    healing: tuple[Stroke, ...] = ()
    opaque: bool = True
    last_results: dict[str, tuple[Hashable, Any]] = field(default_factory=dict)

    @property
    def view(self) -> tuple[int, int]:
        """Width and height of the preview."""
        return int(self.lightness.shape[3]), int(self.lightness.shape[2])

    @property
    def nbytes(self) -> int:
        """Memory used by the uploaded file and the cached results, in bytes."""
        files = sum(map(len, (self.data, self.gray, self.source, self.alpha)))
        size = files + nbytes_of([self.lightness, *self.network_lightnesses.values()])
        for _, result in list(self.last_results.values()):
            size += nbytes_of(result)
            if isinstance(result, OpenedImage):
                size -= files  # shared with this object
        return size

    def _cached(self, method: str, arguments: Hashable, compute: Callable[[], T]) -> T:
        """Return the result of a method, which is computed only if the arguments have changed."""
        last_arguments, result = self.last_results.get(method, (None, None))
        if result is None or last_arguments != arguments:
            result = compute()
            self.last_results[method] = (arguments, result)
        return cast(T, result)

    def decode(self) -> RasterImage:
        """Decode the file at full size and inpaint the pixels under healing strokes."""
        image = read_file(io.BytesIO(self.data), self.name, MAX_PIXELS)
        if self.opaque:
            image = composite_on_paper(image)
        return replace(image, levels=heal(image.levels, self.healing, image.alpha))

    def healed(self, strokes: tuple[Stroke, ...]) -> OpenedImage:
        """Return the photo with inpainted pixels under healing strokes.

        The detected border and the original image (*Before* in the drawing pad) do not change. If the strokes
        differ from the previous call, the file is decoded again.

        Args:
            strokes: Strokes over dust and scratches, in pixels of the photo.
        """
        if not strokes:
            return self
        return self._cached("healed", strokes, lambda: self._changed(healing=strokes))

    def on_paper(self) -> OpenedImage:
        """Return the photo with transparent pixels filled with paper, for sketch models."""
        if self.opaque:
            return self
        return self._cached("on_paper", (), lambda: self._changed(opaque=True))

    def _changed(self, **changes: Any) -> OpenedImage:
        """Return a copy with changed fields; compute its maps from the file again."""
        opened = replace(self, last_results={}, **changes)
        width, height = self.size
        levels = fill_hidden(opened.decode()).levels
        full = FullLightness(levels)
        networks = {size: full.shrunk(working_size(height, width, size)) for size in self.network_lightnesses}
        view = lightness_of_levels(shrink_levels(levels, (self.view[1], self.view[0])))
        return replace(opened, lightness=view[None, None], network_lightnesses=networks)

    def drawing(self, recipe: Recipe) -> Drawing:
        """Return the lines and regions of the photo at full size, for sketch models.

        The regions are computed again if their settings in the recipe have changed. New divisions change the
        regions of the previous call.
        """
        settings, divisions = recipe.drawing or DrawingSettings(), recipe.divisions
        sizes = settings.gap, settings.specks
        undivided = self._cached(
            "drawing",
            sizes,
            lambda: read_drawing(self.decode().levels, settings.gap, specks=settings.specks),
        )
        last_arguments, last = self.last_results.get("divided", ((sizes, ()), undivided))
        last_sizes, last_divisions = cast(tuple[tuple[float, float], tuple[Division, ...]], last_arguments)
        count = len(last_divisions)
        is_continued = last_sizes == sizes and divisions[:count] == last_divisions
        start, added = (last, divisions[count:]) if is_continued else (undivided, divisions)
        return self._cached("divided", (sizes, divisions), lambda: divide_regions(start, added))

    def part(self, setting: BorderSetting) -> OpenedImage:
        """Return the part of a scanned photo inside its border.

        The coordinates of the part start at its top-left corner. If the setting selects the whole photo, the
        photo is returned unchanged.

        Args:
            setting: Border setting of a recipe: ``"automatic"`` for the detected border, the rectangle inside
                the border, or ``"none"`` for the whole photo.

        Raises:
            GuidanceError: The rectangle does not lie within the photo.
        """
        inside = self.border if setting == "automatic" else None
        if isinstance(setting, Rectangle):
            inside = check_inside(setting, self.size)
        if inside is None:
            return self
        view_slices = inside.scaled(self.size, *self.view).slices
        return self._cached(
            "part",
            inside,
            lambda: replace(
                self,
                size=(inside.width, inside.height),
                lightness=self.lightness[..., *view_slices],
                network_lightnesses={},
                window=Window(inside, self.size),
                whole=self,
                last_results={},
            ),
        )

    def network_lightness(self, size: int) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` at the size of a network input.

        The result is cached. The first call for each size decodes the file.

        Args:
            size: Shorter side of the network input in pixels; see `working_size`.
        """
        if size not in self.network_lightnesses:
            width, height = self.size
            levels = fill_hidden(self.decode()).levels
            full = FullLightness(levels if self.window is None else levels[self.window.inside.slices])
            self.network_lightnesses[size] = full.shrunk(working_size(height, width, size))
        return self.network_lightnesses[size]

    def approximate_lightness(self, size: int) -> Tensor:
        """Approximate `network_lightness` from the preview, without decoding the file.

        Args:
            size: Shorter side of the network input in pixels; see `working_size`.
        """
        shape = working_size(self.size[1], self.size[0], size)
        method = f"approximate_lightness {size}"
        return self._cached(method, (), lambda: shrink_lightness(self.lightness, shape))

    def lightness_around(self, place: tuple[float, float]) -> float:
        """Return the median lightness near a location; see the function `lightness_around`.

        Args:
            place: Location ``(x, y)`` in photo pixels.
        """
        row, column = self.map_pixel(place, self.lightness.shape[2:])
        return lightness_around(self.lightness[0, 0], row, column)

    def map_pixel(self, place: tuple[float, float], shape: Sequence[int]) -> tuple[int, int]:
        """Return the row and column of a location in a map of the photo.

        Args:
            place: Location ``(x, y)`` in photo pixels.
            shape: Height and width of the map.
        """
        (x, y), (width, height), (rows, columns) = place, self.size, shape
        row, column = int(y * rows / height), int(x * columns / width)
        return min(max(row, 0), rows - 1), min(max(column, 0), columns - 1)

    def photo_location(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert x and y to pixels of the whole photo, if this object is a part of a photo."""
        return place if self.window is None else self.window.inside.outer(place)

    def part_location(self, place: tuple[float, float]) -> tuple[float, float]:
        """Convert x and y from pixels of the whole photo, if this object is a part of a photo."""
        return place if self.window is None else self.window.inside.inner(place)

    def describe(self, network: int) -> dict[str, Any]:
        """Return the fields of the ``photo`` message.

        Args:
            network: Usual shorter side of a network input in pixels.
        """
        width, height = self.size
        return {
            "name": self.name,
            "width": width,
            "height": height,
            "image": {"width": width, "height": height, "sha256": self.sha256},
            "network": network,
            "border": None if self.border is None else list(self.border),
            "view": list(self.view),
            "kind": self.kind,
            "notes": list(self.notes),
        }


def open_upload(data: bytes, name: str, limits: Limits, network: int) -> OpenedImage:
    """Open an image file of any format.

    Args:
        data: Content of the image file.
        name: File name on the client.
        limits: Limits on the number of pixels and on the size of the preview.
        network: Usual shorter side of a network input in pixels.

    Raises:
        ImageError: The file is not an image, is damaged, or has too many pixels.
    """
    image = read_upload(data, name, limits)
    drawing = composite_on_paper(image)
    is_gray_lines = chroma_note(drawing) != IN_COLOR and is_line_art(drawing.levels)
    is_sketch = is_gray_lines and not is_text(drawing.levels)  # as in `colorzoo colorize`
    filled = fill_hidden(image)  # the colors of visible pixels must not depend on hidden colors
    displayed = drawing if is_sketch else filled
    # kind of the photo, and a note on ignored colors
    tint = chroma_note(drawing if is_sketch else image)
    kind = "gray" if tint is None else "color"
    notes = image.notes
    if tint is not None:
        notes = (*notes, _IN_COLOR if tint == IN_COLOR else _TINTED)
    # previews of the lightness, of the original colors and of the alpha channel
    width, height = image.size
    view_size = fit_size(height, width, limits.view_side)
    small = shrink_levels(displayed.levels, view_size)
    luminance = encoded(lightness_to_luminance(lightness_of_levels(small)))
    gray = jpeg(Image.fromarray(np.rint(luminance.numpy() * np.float32(255)).astype(np.uint8)))
    source = gray if displayed.levels.ndim == 2 else jpeg(_rgb_image(small))
    alpha = b""
    if image.alpha is not None and not is_sketch:
        small_alpha = cv2.resize(image.alpha, view_size[::-1], interpolation=cv2.INTER_AREA)
        if small_alpha.dtype == np.uint16:
            small_alpha = small_alpha // 257
        alpha = png(small_alpha.astype(np.uint8))
    network_input = FullLightness(filled.levels).shrunk(working_size(height, width, network))
    return OpenedImage(
        name=safe_name(name),
        data=data,
        sha256=sha256(data).hexdigest(),
        size=image.size,
        kind="sketch" if is_sketch else kind,
        notes=notes,
        lightness=lightness_of_levels(shrink_levels(filled.levels, view_size))[None, None],
        border=select_part(filled, "automatic"),
        network_lightnesses={network: network_input},
        gray=gray,
        source=source,
        alpha=alpha,
        opaque=image.alpha is None,
    )


def nbytes_of(value: object) -> int:
    """Return the size in bytes of the tensors and arrays in a result."""
    if isinstance(value, partial):
        value = value.args
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, tuple | list):
        return sum(map(nbytes_of, value))
    size = getattr(value, "nbytes", None)
    if isinstance(size, int):
        return size
    if is_dataclass(value):
        return sum(nbytes_of(getattr(value, field.name)) for field in fields(value))
    return 0


def read_upload(data: bytes, name: str, limits: Limits) -> RasterImage:
    """Decode an uploaded image file.

    Raises:
        ImageError: The file is not an image, is damaged, or has too many pixels.
    """
    name = safe_name(name)
    if not data:
        raise ImageError(f"{name} is empty (0 bytes)")
    try:
        return read_file(io.BytesIO(data), name, limits.pixels)
    except ImageError as error:
        raise ImageError(error.problem) from error  # the drawing pad has no options


def safe_name(name: str) -> str:
    """Return a file name without folders and control characters, limited to 120 characters."""
    name = name.encode("utf-8", "replace").decode()  # an HTTP header cannot contain a lone surrogate
    name = PurePosixPath(name.replace("\\", "/")).name
    name = re.sub(r'[\x00-\x1f\x7f"<>|:*?]', "_", name).strip(". ")
    stem, dot, end = name.rpartition(".")
    return (f"{stem[:100]}{dot}{end[:12]}" if dot else name[:112]) or "image"


def lightness_around(lightness: Tensor, row: int, column: int) -> float:
    """Return the median lightness around a pixel, excluding pixels across an edge.

    Pixels of the surroundings are excluded if their lightness differs from the median of the adjacent pixels.
    Specks of a texture and pixels across an edge therefore do not affect the result.

    Args:
        lightness: ``(h, w)`` in [0, 100].
        row: Row of the pixel.
        column: Column of the pixel.
    """
    near = max(1, int(min(lightness.shape) / _NETWORK + 0.5))

    def window(reach: int) -> Tensor:
        rows = slice(max(0, row - reach), row + reach + 1)
        return lightness[rows, max(0, column - reach) : column + reach + 1].flatten()

    around = window(8 * near)
    return float(around[(around - window(near).median()).abs() <= _SAME_THING].median())


def fit_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Return height and width, scaled down to a longer side of at most ``side`` pixels."""
    scale = min(1.0, side / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def thumbnail(image: RasterImage) -> bytes:
    """Return a JPEG of an image on white, scaled down to a longer side of at most 512 pixels."""
    levels = composite_on_white(image).levels
    return jpeg(_rgb_image(shrink_levels(levels, fit_size(*image.size[::-1], _THUMBNAIL))))


def shrink_levels(levels: Levels, size: tuple[int, int]) -> Levels:
    """Downscale an image to ``size`` (height, width) by area averaging."""
    # an integer factor first, because fractional factors take ten times as long; the last rows and columns
    # are dropped if the size is not a multiple of the factor
    height, width = levels.shape[:2]
    factor = max(1, min(height // (2 * size[0]), width // (2 * size[1])))
    rows, columns = height // factor, width // factor
    reduced = _averaged(levels[: rows * factor, : columns * factor], (rows, columns))
    return _averaged(reduced, size)


def _averaged(levels: Levels, size: tuple[int, int]) -> Levels:
    """Resize an image to ``size`` (height, width) by area averaging, unless it has this size."""
    if levels.shape[:2] == size:
        return levels
    return np.asarray(cv2.resize(levels, size[::-1], interpolation=cv2.INTER_AREA))


def _rgb_image(levels: Levels) -> Image.Image:
    """Convert levels of any bit depth to an 8-bit RGB image."""
    return Image.fromarray(quantized(levels, None, 8)).convert("RGB")


def png(levels: NDArray[np.uint8]) -> bytes:
    """Encode 8-bit gray, RGB or RGBA levels as a PNG."""
    memory = io.BytesIO()
    Image.fromarray(levels).save(memory, "PNG")
    return memory.getvalue()


def jpeg(image: Image.Image) -> bytes:
    """Encode a preview as a JPEG without chroma subsampling, which blurs small points."""
    memory = io.BytesIO()
    image.save(memory, "JPEG", quality=_QUALITY, subsampling=0)
    return memory.getvalue()
