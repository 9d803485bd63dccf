"""Detection of the border in a scan, and selection of the part to colorize.

A border is a film rebate, print margin or mount with a uniform tone along at least two sides of the scan.
Along each side, the detector searches for a straight line, which may be slightly tilted. At this line, most
columns change from the tone of the border to another lightness.

Borders can be nested. A dark bar beside a second exposure also belongs to the border.

If the detection is uncertain, no border is reported, because missing a border is better than cropping a night
sky, snow or a studio wall.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from colorzoo.color.levels import lightness_of_levels
from colorzoo.errors import GuidanceError, OtherImageError
from colorzoo.guidance import Recipe
from colorzoo.guidance.areas import KeptColors, Mask
from colorzoo.guidance.border import BorderSetting
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.guidance.objects import Rectangle
from colorzoo.image_io.raster_image import RasterImage
from colorzoo.pixels.formats import open_image

_LONGEST = 512  # longer side in pixels of the downscaled image in which lines are searched
_DEEPEST = 0.26  # maximum depth of a border, as a fraction of the side
_STEEPEST = 0.018  # maximum rise of a line, as a fraction of the side
_LAYERS = (2, 2, 3)  # minimum number of clear sides of nested borders, from outside
_NEAR, _FAR = 3, 8  # range of pixels inside a line that must differ from the tone outside
_EVEN = (5.0, 12.0)  # maximum deviation from the tone in CIE units, in clean and in noisy scans
_MOST_DIRT = 0.3  # maximum fraction of deviating pixels in a border: lettering, holes, stains
_CLEAR, _FAINT = 0.72, 0.25  # fraction of columns with a step: clear lines, lines beside clear lines
_FAIR = 0.45  # fraction of columns with a step, of lines on all four sides
_COVERED = 0.1  # maximum fraction of the first image row that an uneven edge of the border covers
_CLOSE = 0.6  # fraction of the maximum support above which a line further outside is preferred
_DARK, _LIGHT = 20.0, 72.0  # L of borders on fewer than four sides: at most 20 or at least 72
_ALIKE = 14.0  # maximum difference in L between the sides of a border
_SAME = 1.0  # maximum difference in L between sides for which less support is sufficient
_SOME, _SOME_MEAN = 0.4, 0.55  # fraction of columns with a step at each of three such sides, and on average
_LEAST_INSIDE = 0.35  # minimum size of the image, as a fraction of each side
_BAR = (3, 0.08)  # minimum width of a bar in pixels, and maximum width as a fraction of the side
_CROSSING = 0.97  # minimum fraction of pixels of a bar with the tone of the border
_LETTERED = 0.9  # minimum fraction near a side, where the bar may contain a frame number
_CELLS_PER_CELL = 4  # size of the cells of area masks, relative to the cells of the masks of the part
_BAR_EVEN = 8.0  # maximum deviation in L from the tone of the border
_MARGIN = 0.08  # maximum distance of a bar from a side, as a fraction of the side

Array = NDArray[Any]
Depths = tuple[int, int, int, int]  # depth in pixels at the top, left, bottom and right
_SAMPLED = 1024  # about the longer side in pixels of the subsampled image that `find_border` receives


@dataclass(frozen=True)
class _Line:
    """Line near the top of an image at which the border ends.

    Attributes:
        depth: Number of rows above the middle of the line.
        rise: Number of rows by which the right end is higher than the left end.
        support: Fraction of the columns with a lightness step at the line.
        tone: Lightness of the border.
        even: Maximum deviation of border pixels from the tone.
    """

    depth: int
    rise: int
    support: float
    tone: float
    even: float

    @property
    def inside(self) -> int:
        """First row that lies completely below the line."""
        return self.depth + round(abs(self.rise) / 2)


def find_border(lightness: Array) -> Rectangle | None:
    """Detect the border of a scan and return the rectangle inside the border.

    Examples:
        >>> print(find_border(np.full((64, 96), 50.0, dtype=np.float32)))
        None

    Args:
        lightness: ``(H, W)`` in [0, 100].

    Returns:
        Rectangle inside the border, in pixels; None if no border is detected reliably.
    """
    height, width = lightness.shape
    small: Array = lightness.astype(np.float32)
    factor = _LONGEST / max(height, width)
    if factor < 1:
        size = max(1, round(width * factor)), max(1, round(height * factor))
        small = np.asarray(Image.fromarray(small).resize(size, Image.Resampling.BOX))
    small_height, small_width = small.shape
    left, top, right, bottom = 0, 0, small_width, small_height
    for least_sides in _LAYERS:  # nested borders, from outside
        depths = _find_layer(small[top:bottom, left:right], least_sides)
        if depths is None:
            break
        top_depth, left_depth, bottom_depth, right_depth = depths
        left, right = left + left_depth, right - right_depth
        top, bottom = top + top_depth, bottom - bottom_depth
    if (left, top, right, bottom) == (0, 0, small_width, small_height):  # no border
        return None
    # remove dark bars, and the parts outside the bars
    outside = np.ones(small.shape, bool)
    outside[top:bottom, left:right] = False
    tone = float(np.median(small[outside]))
    if tone <= _DARK:
        is_border = np.abs(small - tone) < _BAR_EVEN
        left, right = _widest_part(is_border[top:bottom], left, right)
        top, bottom = _widest_part(is_border[:, left:right].T, top, bottom)
    if right - left < _LEAST_INSIDE * small_width or bottom - top < _LEAST_INSIDE * small_height:
        return None
    # convert the edges to pixels of the scan
    scale_x, scale_y = width / small_width, height / small_height
    left, right = round(left * scale_x), round(right * scale_x)
    top, bottom = round(top * scale_y), round(bottom * scale_y)
    return Rectangle(left, top, right - left, bottom - top)


def _widest_part(is_border: Array, first: int, end: int) -> tuple[int, int]:
    """Cut a range of columns at each vertical bar, and return the wider part."""
    while (bar := _find_bar(is_border[:, first:end])) is not None:
        start, stop = bar
        first, end = (first, first + start) if start >= end - first - stop else (first + stop, end)
    return first, end


def _find_bar(is_border: Array) -> tuple[int, int] | None:
    """Return the first column of a vertical bar and the column after the bar, or None."""
    shares, side = is_border.mean(axis=0), is_border.shape[1]
    for least, margin in ((_LETTERED, _MARGIN), (_CROSSING, 1.0)):
        crossing = np.pad(shares >= least, 1)
        for start, stop in np.flatnonzero(crossing[1:] != crossing[:-1]).reshape(-1, 2).tolist():
            wide = _BAR[0] <= stop - start <= _BAR[1] * side
            if wide and min(start, side - stop) < margin * side:
                return start, stop
    return None


def _find_layer(lightness: Array, least_sides: int) -> Depths | None:
    """Return the depth of a border at the top, left, bottom and right.

    The result is None if fewer than ``least_sides`` sides have a clear border with a common tone.
    """
    if min(lightness.shape) < 48:
        return None
    sides = [np.rot90(lightness, -quarter) for quarter in range(4)]  # each side at the top
    # find the line of each side, unless fewer than two lines are likely
    first_lines: list[_Line | None] = []
    for side in sides:
        first_lines.append(_find_line(side, 0, side.shape[1]))
        likely = sum(line is not None and line.support >= 0.5 for line in first_lines)
        if likely + len(sides) - len(first_lines) < 2:
            return None
    # search again between the neighboring sides, to exclude the corners of the border
    ends = [line.inside if line and line.support >= 0.5 else 0 for line in first_lines]
    lines: list[_Line | None] = []
    for number, (side, line) in enumerate(zip(sides, first_lines, strict=True)):
        start, stop = ends[(number + 1) % 4], side.shape[1] - ends[(number - 1) % 4]
        lines.append(_best_depth(side, line.rise, start, stop) if line else _find_line(side, start, stop))
    tone, alike = _of_one_tone(lines, _FAIR, _ALIKE)
    if not alike:
        return None
    # on fewer than four sides, the border must be dark or light and have enough clear sides
    if len(alike) < 4:
        clear_count = sum(line.support >= _CLEAR for line in alike)
        # weaker lines are accepted if three sides have nearly equal tones
        _, same = _of_one_tone(lines, _SOME, _SAME)
        has_same_tone = len(same) >= 3 and np.mean([line.support for line in same]) >= _SOME_MEAN
        is_extreme = tone <= _DARK or tone >= _LIGHT
        if not is_extreme or (clear_count < least_sides and not has_same_tone):
            return None
    max_deviation = max(line.even for line in alike)
    deepest = max(line.inside for line in alike)
    depths = []
    for side, line in zip(sides, lines, strict=True):
        if line is not None and line.support >= _FAINT and abs(line.tone - tone) <= _ALIKE:
            # up to the first row at the line in which few pixels are closer to the border than to the image
            first = line.depth - 2
            change = np.abs(_sheared(side, line.rise)[first : line.depth + _NEAR + 2] - line.tone)
            inner = change[-_NEAR:].mean(axis=0)
            clear = inner >= min(line.even, float(inner.max()))
            is_outside = (change < inner / 2)[:, clear].mean(axis=1) > _COVERED
            depths.append(line.inside - 2 + int(np.cumprod(is_outside).sum()))
        else:
            # the consecutive rows at the top that have the tone of the border
            rows = side[: int(_DEEPEST * len(side))]
            has_tone = np.mean(np.abs(rows - tone) < max_deviation, axis=1) > 0.9
            depths.append(min(int(np.cumprod(has_tone).sum()), deepest))
    top, left, bottom, right = depths
    return top, left, bottom, right


def _of_one_tone(lines: list[_Line | None], least: float, spread: float) -> tuple[float, list[_Line]]:
    """Return the median tone of the supported lines, and the lines with a similar tone."""
    supported = [line for line in lines if line is not None and line.support >= least]
    if not supported:
        return 0.0, []
    tone = float(np.median([line.tone for line in supported]))
    return tone, [line for line in supported if abs(line.tone - tone) <= spread]


def _find_line(image: Array, start: int, stop: int) -> _Line | None:
    """Find the best-supported line near the top of an image, with any rise up to `_STEEPEST`.

    Args:
        image: Lightness ``(h, w)`` with the side at the top.
        start: First column of the search.
        stop: Column after the search range.
    """
    most = round(_STEEPEST * image.shape[1])
    found = [_best_depth(image, step, start, stop) for step in range(-most, most + 1, 3)]
    best = _straightest(found)
    if best is None:
        return None
    return _straightest([best, *(_best_depth(image, best.rise + step, start, stop) for step in (-1, 1))])


def _straightest(lines: list[_Line | None]) -> _Line | None:
    """Return the best-supported line, and of equally supported lines the one with the smallest rise."""
    return max(filter(None, lines), key=lambda line: (line.support, -abs(line.rise)), default=None)


def _best_depth(image: Array, rise: int, start: int, stop: int) -> _Line | None:
    """Return the outermost line with a given rise and nearly maximum support.

    The border above the line must have a uniform tone. The result is None if there is no such line, or if the
    image is too small.

    Args:
        image: Lightness ``(h, w)`` with the side at the top.
        rise: Rise of the line; see `_Line`.
        start: First column of the search.
        stop: Column after the search range.
    """
    strip = _sheared(image, rise)[:, start:stop:2]  # rows are smoothed, so every second column suffices
    end_depth = len(strip) - _FAR  # each depth requires `_FAR` rows below the line
    if end_depth < 4 or strip.shape[1] < 16:
        return None
    depths = np.arange(2, end_depth)
    row_medians = np.median(strip, axis=1)
    row_noise = np.median(np.abs(strip - row_medians[:, None]), axis=1)
    # means over the rows from the top to each row
    row_counts = np.arange(1, len(strip) + 1)
    mean_tones = np.cumsum(row_medians) / row_counts
    mean_noise = np.cumsum(row_noise) / row_counts
    # tone of the rows above each depth, and maximum deviation of border pixels from the tone
    tones = mean_tones[depths - 1]
    noise = mean_noise[depths - 2]  # without the row above the line
    min_limit, max_limit = _EVEN
    limits = np.clip(4 * noise, min_limit, max_limit)
    # fraction of columns with a step from the tone of the border, for each depth
    sums = np.cumsum(np.vstack([np.zeros((1, strip.shape[1]), np.float32), strip]), axis=0)
    first = np.maximum(depths - 3, 0)
    outside = (sums[depths] - sums[first]) / (depths - first)[:, None]
    near = (sums[depths + _NEAR + 1] - sums[depths + 1]) / _NEAR
    far = (sums[depths + _FAR] - sums[depths + 1]) / (_FAR - 1)
    max_deviations = limits[:, None]
    steps = np.abs(near - outside) > max_deviations + 2
    steps &= np.abs(outside - tones[:, None]) < max_deviations
    steps &= np.abs(far - tones[:, None]) > 0.6 * max_deviations
    support = steps.mean(axis=1)
    has_support = support >= max(_CLOSE * float(support.max()), _FAINT)
    # from outside to inside, because lines further inside belong to the image or to another border
    for candidate in np.flatnonzero(has_support):
        # few pixels of the border and few medians of its rows may deviate from its tone
        end_row, tone, limit = depths[candidate] - 1, tones[candidate], limits[candidate]
        dirt = np.mean(np.abs(strip[:end_row] - tone) > limit)
        drift = np.quantile(np.abs(row_medians[:end_row] - tone), 0.9)
        if dirt > _MOST_DIRT or drift > limit:
            continue
        # use the best-supported of four adjacent depths
        peak = candidate + int(np.argmax(support[candidate : candidate + 4]))
        return _Line(
            depth=int(depths[peak]),
            rise=rise,
            support=float(support[peak]),
            tone=float(tones[peak]),
            even=float(limits[peak]),
        )
    return None


def _sheared(image: Array, rise: int) -> Array:
    """Return the top of an image, smoothed along its rows and sheared by a rise."""
    height, width = image.shape
    deepest = int(_DEEPEST * height) + _FAR
    shift = np.rint(rise * (0.5 - np.arange(width) / max(width - 1, 1))).astype(int)
    rows = np.clip(np.arange(deepest)[:, None] + shift, 0, height - 1)
    strip = image[rows, np.arange(width)] if rise else image[:deepest]
    padded = np.pad(strip, ((0, 0), (1, 1)), mode="edge")
    smooth: Array = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
    return smooth


def select_part(image: RasterImage, setting: BorderSetting) -> Rectangle | None:
    """Return the rectangle that a border setting selects; None for the whole image.

    Examples:
        >>> from colorzoo.guidance.objects import Rectangle
        >>> from colorzoo.image_io import read_image
        >>> select_part(read_image("photo.png"), Rectangle(4, 4, 40, 24))
        Rectangle(x=4, y=4, width=40, height=24)

    Args:
        image: Image, such as a scan with a print margin or mount.
        setting: Selection of the part to colorize; ``"automatic"`` runs `find_border`.

    Raises:
        OtherImageError: The rectangle extends beyond the image.
    """
    if setting == "none":
        return None
    if setting != "automatic":
        return check_inside(setting, image.size)
    step = max(1, max(image.size) // _SAMPLED)
    sampled_levels = image.levels[::step, ::step]
    found = find_border(lightness_of_levels(sampled_levels).numpy())
    if found is None:
        return None
    x, y, width, height = (step * number for number in found)
    image_width, image_height = image.size
    return Rectangle(x, y, min(width, image_width - x), min(height, image_height - y))


def check_inside(inside: Rectangle, image_size: tuple[int, int]) -> Rectangle | None:
    """Validate a rectangle in an image; return None if the rectangle covers the whole image.

    Examples:
        >>> from colorzoo.guidance.objects import Rectangle
        >>> check_inside(Rectangle(0, 0, 48, 32), image_size=(48, 32)) is None
        True

    Raises:
        OtherImageError: The rectangle extends beyond the image.
    """
    width, height = image_size
    if inside.x + inside.width > width or inside.y + inside.height > height:
        raise OtherImageError(
            f"the area inside the border (--border) must lie within the image ({width} x {height} pixels), "
            f"got {inside}"
        )
    return None if inside == Rectangle(0, 0, width, height) else inside


def crop_recipe(
    recipe: Recipe, image_size: tuple[int, int], inside: Rectangle
) -> tuple[Recipe, tuple[str, ...]]:
    """Convert the coordinates of a recipe from the whole image to a part of the image.

    Examples:
        >>> from colorzoo.guidance import PointHint
        >>> from colorzoo.guidance.objects import Rectangle
        >>> recipe = Recipe(width=48, height=32, points=(PointHint(x=20, y=10),))
        >>> recipe, notes = crop_recipe(recipe, (48, 32), Rectangle(4, 4, 40, 24))
        >>> recipe.points[0].x, recipe.points[0].y
        (16, 6)

    Args:
        recipe: Recipe with coordinates in pixels of the whole image.
        image_size: Width and height of the image.
        inside: Rectangle of the part.

    Returns:
        The recipe with coordinates in pixels of the part, and a note if points outside the part were dropped.
        Paths can extend beyond the part; they are clipped when they are rasterized.

    Raises:
        GuidanceError: The recipe does not match the image, or the recipe has a label image.
    """
    recipe.check_inside(*image_size)
    if recipe.classes.file:
        raise GuidanceError(
            "recipe.classes.file requires border 'none', because the label image covers the whole image. Set "
            "--border none."
        )
    points = tuple(
        replace(point, x=point.x - inside.x, y=point.y - inside.y)
        for point in recipe.points
        if inside.contains((point.x, point.y), image_size)
    )
    boxes = recipe.boxes
    if boxes is not None:  # otherwise the model detects objects
        cut_boxes = []
        for box in boxes:
            left, top, right, bottom = box.corners
            (left, top), (right, bottom) = inside.inner((left, top)), inside.inner((right, bottom))
            if min(right - left, bottom - top) > 0:
                cut_boxes.append(replace(box, x=left, y=top, width=right - left, height=bottom - top))
        boxes = tuple(cut_boxes)
    # cut the masks and the stored colors of areas
    areas = []
    for area in recipe.areas:
        mask = None
        if area.mask is not None:
            rows = _cells_inside(inside.y, inside.height, area.mask.height / image_size[1])
            columns = _cells_inside(inside.x, inside.width, area.mask.width / image_size[0])
            mask = Mask.of(area.mask.array()[np.ix_(rows, columns)])
        kept = None if area.kept is None else _crop_kept(area.kept, image_size, inside)
        areas.append(replace(area, path=_shift_path(area.path, inside), mask=mask, kept=kept))
    painted = tuple(replace(each, path=_shift_path(each.path, inside)) for each in recipe.classes.painted)
    # `healing` keeps coordinates of the whole image, because callers heal the image before they crop
    cropped = replace(
        recipe,
        width=inside.width,
        height=inside.height,
        border="none",
        points=points,
        scribbles=tuple(
            replace(scribble, path=_shift_path(scribble.path, inside)) for scribble in recipe.scribbles
        ),
        boxes=boxes,
        areas=tuple(areas),
        paint=tuple(replace(stroke, path=_shift_path(stroke.path, inside)) for stroke in recipe.paint),
        crop=None,  # the crop applies to the whole image
        classes=replace(recipe.classes, painted=painted),
        divisions=tuple(replace(each, path=_shift_path(each.path, inside)) for each in recipe.divisions),
        more={name: guidance_kind(name).moved(value, inside) for name, value in recipe.more.items()},
    )
    dropped_count = len(recipe.points) - len(points)
    if not dropped_count:
        return cropped, ()
    note = f"{dropped_count} of {len(recipe.points)} points were ignored, because they lie on the scan border"
    return cropped, (note,)


def _shift_path(path: Sequence[tuple[float, float]], inside: Rectangle) -> tuple[tuple[float, float], ...]:
    # not clipped, because clamped corners would change the shape of the path inside the rectangle
    return tuple(map(inside.shifted, path))


def _cells_inside(first: int, length: int, scale: float) -> NDArray[np.intp]:
    """Return the cell of a mask for each cell of the mask of the part, along one axis.

    Args:
        first: First pixel of the part.
        length: Number of pixels of the part.
        scale: Cells per pixel of the image.
    """
    # smaller cells, because the edge of the part can lie inside a cell
    count = min(length, max(1, round(_CELLS_PER_CELL * length * scale)))
    centers = first + (np.arange(count) + 0.5) * length / count
    return (centers * scale).astype(np.intp)


def _crop_kept(kept: KeptColors, image_size: tuple[int, int], inside: Rectangle) -> KeptColors:
    try:
        with open_image(io.BytesIO(base64.b64decode(kept.png))) as image:
            x, y, width, height = inside.scaled(image_size, *image.size)
            cut = image.convert("RGB").crop((x, y, x + width, y + height))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return kept  # `decode_locked_colors` raises an error
    out = io.BytesIO()
    cut.save(out, "PNG")
    return replace(kept, png=base64.b64encode(out.getvalue()).decode())
