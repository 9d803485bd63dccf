"""Hints as immutable dataclasses of tensors, with one class per kind of hint.

`Guidance` combines the hints for an image. All maps have the height and width of the image.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.export import register_dataclass
from torch.nn import functional as F

from colorzoo.color.lab import lab_to_rgb, linear_rgb_to_lab
from colorzoo.color.levels import linear_of
from colorzoo.errors import GuidanceError
from colorzoo.guidance.fields import format_hex, hex_color
from colorzoo.guidance.objects import BoxHint, PointHint, StatisticsHint, Stroke

_MAX_WIDTH = 1e5  # stroke width in pixels; covers any image
_ROUNDING = 1e-6  # tolerance in pixels for pixel centers on the border of a stroke
_SHOWN_LIGHTNESS = 60.0  # lightness at which an exact ab is written as #rrggbb


@dataclass(frozen=True)
class TensorFields:
    """Base class of hints, whose tensors are moved or sliced along the batch together."""

    def to(self, device: torch.device | str) -> Self:
        """Return a copy with all tensors on ``device``, including the tensors of nested hints."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in values.items() if hasattr(v, "to")})

    def __getitem__(self, index: slice) -> Self:
        """Return the hints for a slice of the batch."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(
            self, **{k: v[index] for k, v in values.items() if isinstance(v, Tensor | TensorFields)}
        )

    def equals(self, other: object) -> bool:
        """Return whether another object has the same type and equal fields."""
        if type(self) is not type(other):
            return False
        return all(_equal(getattr(self, each.name), getattr(other, each.name)) for each in fields(self))


def _equal(value: object, other: object) -> bool:
    """Return whether two tensors, hints or other values are equal."""
    if value is other:
        return True
    if isinstance(value, TensorFields):
        return value.equals(other)
    if isinstance(value, Tensor):
        return isinstance(other, Tensor) and torch.equal(value, other)
    if isinstance(value, Mapping) and isinstance(other, Mapping):
        return value.keys() == other.keys() and all(_equal(value[name], other[name]) for name in value)
    return value == other


@dataclass(frozen=True)
class Points(TensorFields):
    """Colors of single pixels (Zhang et al. 2017).

    Examples:
        >>> ab, mask = torch.zeros(1, 2, 32, 32), torch.zeros(1, 1, 32, 32)
        >>> ab[..., 10:16, 10:16], mask[..., 10:16, 10:16] = 40.0, 1.0
        >>> Guidance(points=Points(ab, mask)).kinds()
        ('points',)

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units; ignored where ``mask`` is 0.
        mask: ``(B, 1, H, W)`` in {0, 1}: 1 for pixels with a color.
        lightness: ``(B, 1, H, W)`` lightness in [0, 100] of the chosen colors, or None.
        exact: ``(B, 1, H, W)`` in {0, 1}, or None for 1 everywhere. Where ``exact`` is 1, ``ab`` is used
            unchanged. Where ``exact`` is 0, the color is adapted from ``lightness`` to the lightness of the
            image.
    """

    ab: Tensor
    mask: Tensor
    lightness: Tensor | None = None
    exact: Tensor | None = None

    def __post_init__(self) -> None:
        batch, _, height, width = _check_map("Points.ab", self.ab, 2)
        if _check_map("Points.mask", self.mask, 1) != (batch, 1, height, width):
            raise GuidanceError(
                f"Points.ab {tuple(self.ab.shape)} and Points.mask {tuple(self.mask.shape)} must have "
                "the same batch size, height and width"
            )

    @classmethod
    def none(cls, like: Tensor) -> Self:
        """Return `Points` without hinted pixels for a batch of images ``(B, C, H, W)``."""
        batch, _, height, width = like.shape
        return cls(like.new_zeros(batch, 2, height, width), like.new_zeros(batch, 1, height, width))


@dataclass(frozen=True)
class Scribbles(TensorFields):
    """Strokes without color, drawn along edges where color bleeds (Kim et al. 2021).

    Examples:
        >>> Scribbles(torch.ones(1, 1, 32, 32)).mask.shape
        torch.Size([1, 1, 32, 32])

    Attributes:
        mask: ``(B, 1, H, W)`` in {0, 1}: 1 for pixels of a stroke.
    """

    mask: Tensor

    def __post_init__(self) -> None:
        _check_map("Scribbles.mask", self.mask, 1)


@dataclass(frozen=True)
class Regions(TensorFields):
    """Regions that a model proposes for coloring, the most useful first (Cho et al. 2023).

    Examples:
        >>> index = torch.zeros(1, 1, 32, 32, dtype=torch.int64)
        >>> regions = Regions(index, rgb=torch.rand(1, 5, 3), given=torch.ones(1, 5))
        >>> regions.rgb.shape
        torch.Size([1, 5, 3])

    Attributes:
        index: ``(B, 1, H, W)`` int64: region index of each pixel.
        rgb: ``(B, N, 3)`` color of each region in [0, 1].
        given: ``(B, N)`` in {0, 1}: 1 for regions colored by the user.
        segments: ``(B, 1, H, W)`` int64: index of each pixel's original segment, before segments were changed
            to regions. None if the regions are the original segments.
    """

    index: Tensor
    rgb: Tensor
    given: Tensor
    segments: Tensor | None = None

    def __post_init__(self) -> None:
        _check_map("Regions.index", self.index, 1)

    @property
    def original_segments(self) -> Tensor:
        """Index ``(B, 1, H, W)`` int64 of each pixel's original segment."""
        return self.index if self.segments is None else self.segments


@dataclass(frozen=True)
class Exemplar(TensorFields):
    """A reference image whose colors are transferred to the target image.

    The sizes of the two images can differ.

    Examples:
        >>> Exemplar(torch.rand(1, 3, 48, 64)).rgb.shape
        torch.Size([1, 3, 48, 64])

    Attributes:
        rgb: ``(B, 3, H', W')`` in [0, 1].
        embedding: ``(B, R, C)`` embedding of the reference, or a mix of several embeddings; None computes the
            embedding from ``rgb``. An embedding contains feature statistics (Xu et al. 2020), a vector (Zhao
            et al. 2021), or a feature and a color for each position of a feature map (``colorzoo2026``).
        alpha: Strength of the exemplar in models with embeddings, 0 to 1.
    """

    rgb: Tensor
    embedding: Tensor | None = None
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check_map("Exemplar.rgb", self.rgb, 3)

    def embed_by(
        self, compute: Callable[[Tensor], Tensor], neutral: Callable[[], Tensor] | None = None
    ) -> Tensor:
        """Return `embedding`; if it is None, compute it from the image.

        Args:
            compute: Function that maps `rgb` to an embedding.
            neutral: Function that returns the embedding at strength 0. If given, `alpha` interpolates between
                this embedding (0) and the embedding of the exemplar (1).
        """
        embedding = compute(self.rgb) if self.embedding is None else self.embedding
        if neutral is None or self.alpha == 1:
            return embedding
        return torch.lerp(neutral(), embedding, self.alpha)

    @classmethod
    def of_embedding(cls, embedding: Tensor, alpha: float = 1.0) -> Self:
        """Return an exemplar with an embedding ``(B, R, C)``; its image is one black pixel."""
        return cls(embedding.new_zeros(len(embedding), 3, 1, 1), embedding, alpha)


@dataclass(frozen=True)
class GlobalStatistics(TensorFields):
    """Color statistics of the whole image (Zhang et al. 2017, Global Hints).

    Examples:
        >>> GlobalStatistics(saturation=torch.tensor([[0.3]])).saturation.shape
        torch.Size([1, 1])

    Attributes:
        histogram: ``(B, 313)`` fraction of pixels in each color bin, or None.
        saturation: ``(B, 1)`` mean HSV saturation in [0, 1], or None.
    """

    histogram: Tensor | None = None
    saturation: Tensor | None = None


@dataclass(frozen=True)
class ClassMap(TensorFields):
    """Semantic class of each pixel, for transfer within classes (Chen et al. 2023).

    Examples:
        >>> ClassMap(torch.zeros(1, 1, 32, 32, dtype=torch.int64)).target.shape
        torch.Size([1, 1, 32, 32])

    Attributes:
        target: ``(B, 1, H, W)`` int64: classes of the image.
        exemplar: ``(B, 1, H', W')`` int64: classes of the reference, or None.
    """

    target: Tensor
    exemplar: Tensor | None = None

    def __post_init__(self) -> None:
        _check_map("ClassMap.target", self.target, 1)


@dataclass(frozen=True)
class Boxes(TensorFields):
    """Bounding boxes of objects (Su et al. 2020).

    Examples:
        >>> boxes = Boxes.of([torch.tensor([[0.1, 0.1, 0.5, 0.9]]), torch.zeros(0, 4)])
        >>> boxes.corners.shape, boxes.given
        (torch.Size([2, 1, 4]), tensor([[1.],
                [0.]]))

    Attributes:
        corners: ``(B, N, 4)``: left, top, right, bottom as fractions of the image width and height.
        given: ``(B, N)`` in {0, 1}: 1 for real boxes, 0 for padding.
    """

    corners: Tensor
    given: Tensor

    def __post_init__(self) -> None:
        if self.corners.ndim != 3 or self.corners.shape[2] != 4:
            raise GuidanceError(f"Boxes.corners must have shape (B, N, 4), got {tuple(self.corners.shape)}")
        if self.given.shape != self.corners.shape[:2]:
            raise GuidanceError(
                f"Boxes.given must have shape {tuple(self.corners.shape[:2])}, got {tuple(self.given.shape)}"
            )

    @classmethod
    def of(cls, corners: Sequence[Tensor]) -> Self:
        """Pad and stack the boxes ``(K, 4)`` of several images; K may differ between images."""
        count = max((len(each) for each in corners), default=0)
        padded = torch.zeros(len(corners), count, 4, device="cpu")
        given = torch.zeros(len(corners), count, device="cpu")
        for row, each in enumerate(corners):
            padded[row, : len(each)], given[row, : len(each)] = each.float().cpu(), 1
        return cls(padded, given)


def _check_map(name: str, value: Tensor, channels: int) -> tuple[int, int, int, int]:
    if value.ndim != 4 or value.shape[1] != channels:
        raise GuidanceError(f"{name} must have shape (B, {channels}, H, W), got {tuple(value.shape)}")
    batch, _, height, width = value.shape
    return batch, channels, height, width


@dataclass(frozen=True)
class Guidance(TensorFields):
    """All hints for a batch of images; absent hints are None.

    Examples:
        >>> guidance = Guidance(statistics=GlobalStatistics(saturation=torch.tensor([[0.3]])))
        >>> guidance.kinds()
        ('statistics',)

    Attributes:
        points: Colors of single pixels.
        scribbles: Strokes without color along edges where color bleeds.
        regions: Colors of regions proposed by the model.
        exemplar: Reference image.
        statistics: Color histogram or mean saturation of the whole image.
        classes: Class of each pixel.
        boxes: Bounding boxes of objects.
        label: ``(B,)`` int64 class of each image; -1 for an unknown class.
        extra: Tensors, or `TensorFields`, of other kinds of guidance by name, such as ``"text"``; see
            `GuidanceKind`.
    """

    points: Points | None = None
    scribbles: Scribbles | None = None
    regions: Regions | None = None
    exemplar: Exemplar | None = None
    statistics: GlobalStatistics | None = None
    classes: ClassMap | None = None
    boxes: Boxes | None = None
    label: Tensor | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.label is not None and (self.label.ndim != 1 or self.label.dtype != torch.int64):
            found = str(self.label.dtype).removeprefix("torch.")
            raise GuidanceError(f"Guidance.label must be int64 (B,), got {found} {tuple(self.label.shape)}")

    def to(self, device: torch.device | str) -> Self:
        """Return a copy with all tensors on ``device``."""
        return self.with_hints(**{kind: self.get(kind).to(device) for kind in self.kinds()})

    def __getitem__(self, index: slice) -> Self:
        """Return the guidance for a slice of the batch."""
        return self.with_hints(**{kind: self.get(kind)[index] for kind in self.kinds()})

    def kinds(self) -> tuple[str, ...]:
        """Return the kinds of guidance that are not None, such as ``"points"``."""
        names = (each.name for each in fields(self) if each.name != "extra")
        return (*(name for name in names if getattr(self, name) is not None), *self.extra)

    def get(self, kind: str) -> Any:
        """Return the hint of a kind: an attribute, or a value of `extra`; None if it is absent."""
        return self.extra.get(kind) if kind not in TYPED_KINDS else getattr(self, kind)

    def with_hints(self, **hints: Any) -> Self:
        """Return a copy with other hints by kind; None removes a hint.

        Examples:
            >>> Guidance().with_hints(label=torch.tensor([1]), text=torch.zeros(1, 256)).kinds()
            ('label', 'text')
        """
        attributes = {kind: hint for kind, hint in hints.items() if kind in TYPED_KINDS}
        extra = {**self.extra, **{kind: hint for kind, hint in hints.items() if kind not in TYPED_KINDS}}
        return replace(
            self, **attributes, extra={kind: hint for kind, hint in extra.items() if hint is not None}
        )

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by their paths, such as ``"points.ab"`` and ``"label"``."""
        found: dict[str, Tensor] = {}
        for kind in self.kinds():
            hint = self.get(kind)
            if isinstance(hint, Tensor):
                found[kind] = hint
            else:
                values = {f"{kind}.{each.name}": getattr(hint, each.name) for each in fields(hint)}
                found |= {path: value for path, value in values.items() if isinstance(value, Tensor)}
        return found

    def check_matches(self, images: Tensor, kinds: Container[str]) -> None:
        """Raise an error if hints do not match a batch of images ``(B, C, H, W)``.

        Reference images and their class maps can have another height and width. A single reference is used
        for all images.

        Args:
            images: Images of the hints.
            kinds: Kinds of hints to check, such as ``"points"``.

        Raises:
            GuidanceError: A hint has another batch size, height or width, or a tensor of floating-point
                numbers is not float32.
        """
        for path, value in self.tensors().items():
            kind = path.split(".")[0]
            if kind not in kinds:
                continue
            is_reference = kind == "exemplar" or path == "classes.exemplar"
            is_map = value.ndim == 4 and not is_reference and kind not in self.extra
            is_shared = is_reference and len(value) == 1
            wrong_batch = len(value) != len(images) and not is_shared
            wrong_size = is_map and value.shape[2:] != images.shape[2:]
            if wrong_batch or wrong_size:
                axes = "batch size, height and width" if is_map else "batch size"
                raise GuidanceError(
                    f"guidance.{path} {tuple(value.shape)} must have the {axes} of the image "
                    f"{tuple(images.shape)}"
                )
            if value.is_floating_point() and value.dtype != torch.float32:
                found = str(value.dtype).removeprefix("torch.")
                raise GuidanceError(f"guidance.{path} must be float32, got {found}")

    def repeat_reference(self, count: int) -> Self:
        """Repeat a single reference and its class map for ``count`` images."""

        def repeated(value: Tensor) -> Tensor:
            return value.expand(count, *value.shape[1:]) if len(value) == 1 else value

        exemplar, classes = self.exemplar, self.classes
        if exemplar is not None:
            embedding = None if exemplar.embedding is None else repeated(exemplar.embedding)
            exemplar = replace(exemplar, rgb=repeated(exemplar.rgb), embedding=embedding)
        if classes is not None and classes.exemplar is not None:
            classes = replace(classes, exemplar=repeated(classes.exemplar))
        return replace(self, exemplar=exemplar, classes=classes)


TYPED_KINDS = frozenset(each.name for each in fields(Guidance)) - {"extra"}
"""Kinds of guidance with an attribute of `Guidance`."""
for _kind in (Boxes, ClassMap, Exemplar, GlobalStatistics, Guidance, Points, Regions, Scribbles):
    register_dataclass(_kind, serialized_type_name=f"colorzoo.{_kind.__name__}")  # inputs of exported graphs


def rasterize_points(
    points: Sequence[PointHint], width: int, height: int, size: tuple[int, int]
) -> Points | None:
    """Rasterize the points of a ``width`` x ``height`` image to maps of ``size`` (H, W).

    A point covers each pixel whose center lies in the square of the point. A square without a pixel center
    covers one pixel. The result is None if there are no points.
    """
    if not points:
        return None
    ab, mask, lightness, exact = (torch.zeros(1, channels, *size) for channels in (2, 1, 1, 1))
    for point in points:
        rows, columns = covered((point.x, point.y), point.radius, (width, height), size)
        chosen_lightness, *chosen_ab = color_lab(point.color)
        ab[:, :, rows, columns] = torch.tensor(point.ab or chosen_ab).view(1, 2, 1, 1)
        lightness[:, :, rows, columns] = chosen_lightness
        exact[:, :, rows, columns] = float(point.ab is not None)
        mask[:, :, rows, columns] = 1
    return Points(ab, mask, lightness, exact)


def rasterize_scribbles(
    strokes: Sequence[Stroke], width: int, height: int, size: tuple[int, int]
) -> Scribbles | None:
    """Rasterize strokes of a ``width`` x ``height`` image to a mask of ``size`` (H, W).

    A stroke covers each pixel whose center is at most half the width of the stroke away from its path, and
    the pixels that contain its vertices. A stroke is at least one pixel wide. The result is None if there are
    no strokes.
    """
    if not strokes:
        return None
    scale_x, scale_y = size[1] / width, size[0] / height
    changes = np.zeros((size[0], size[1] + 1), np.int32)  # of the number of covering segments, along each row
    for stroke in strokes:
        radius = min(max(1.0, stroke.width * (scale_x + scale_y) / 2), _MAX_WIDTH) / 2
        path = np.array(stroke.path, np.float64) * (scale_x, scale_y)
        inside = ((path >= 0) & (path <= (size[1], size[0]))).all(1)
        columns, rows = np.minimum(path[inside].astype(int), (size[1] - 1, size[0] - 1)).T
        np.add.at(changes, (rows, columns), 1)
        np.add.at(changes, (rows, columns + 1), -1)
        for start, end in itertools.pairwise(path) if len(path) > 1 else [(path[0], path[0])]:
            _add_segment(changes, start, end, radius)
    mask = changes[:, :-1].cumsum(axis=1) > 0
    return Scribbles(torch.from_numpy(mask)[None, None].float())


def boxes_of(boxes: Sequence[BoxHint] | None, width: int, height: int) -> Boxes | None:
    """Convert recipe boxes from pixels to fractions of the image size; None stays None."""
    if boxes is None:
        return None
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    return Boxes.of([torch.tensor([box.corners for box in boxes]).reshape(-1, 4) / scale])


def global_statistics(wanted: StatisticsHint) -> GlobalStatistics:
    """Convert the color statistics of a recipe to tensors.

    Raises:
        GuidanceError: All weights of the histogram are 0.
    """
    saturation = wanted.saturation
    histogram = None if wanted.histogram is None else torch.tensor(wanted.histogram)[None]
    if histogram is not None:
        if not histogram.sum() > 0:
            raise GuidanceError("recipe.statistics.histogram must have a weight above 0")
        histogram = histogram / histogram.sum()
    return GlobalStatistics(histogram, None if saturation is None else torch.tensor([[saturation]]))


def resize_points(points: Points, size: tuple[int, int]) -> Points:
    """Downscale point maps to the size ``(h, w)`` of the network input.

    Each output pixel gets the mean color of the hinted pixels that it covers.
    """
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    lightness = None if points.lightness is None else mean(points.lightness)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, lightness, exact)


def resize_maps(guidance: Guidance, size: tuple[int, int]) -> Guidance:
    """Resize points, scribbles, regions and classes to the size ``(h, w)`` of the network input."""

    def labels(values: Tensor) -> Tensor:
        return F.interpolate(values.double(), size=size, mode="nearest-exact").to(values.dtype)

    points, scribbles = guidance.points, guidance.scribbles
    regions, classes = guidance.regions, guidance.classes
    if points is not None:
        points = resize_points(points, size)
    if scribbles is not None and tuple(scribbles.mask.shape[-2:]) != size:
        share = F.interpolate(scribbles.mask, size=size, mode="area")
        scribbles = Scribbles((share > 0).to(share.dtype))
    if regions is not None and tuple(regions.index.shape[-2:]) != size:
        segments = None if regions.segments is None else labels(regions.segments)
        regions = replace(regions, index=labels(regions.index), segments=segments)
    if classes is not None and tuple(classes.target.shape[-2:]) != size:
        classes = replace(classes, target=labels(classes.target))
    return replace(guidance, points=points, scribbles=scribbles, regions=regions, classes=classes)


@lru_cache(maxsize=4096)  # while a user edits one point, the other points are unchanged
def color_lab(color: str) -> tuple[float, float, float]:
    """Return L, a and b of a ``#rrggbb`` color.

    Raises:
        GuidanceError: The text is not a ``#rrggbb`` color.
    """
    color = hex_color(color, "PointHint.color")
    rgb = np.array([[int(color[i : i + 2], 16) / 255] for i in (1, 3, 5)], np.float32)
    lightness, a, b = linear_rgb_to_lab(torch.from_numpy(linear_of(rgb))).flatten().tolist()
    return lightness, a, b


def points_to_hints(points: Points) -> Iterator[PointHint]:
    """Convert the point maps of one image to `PointHint` squares that do not overlap.

    Rasterizing the squares reproduces ``points``.
    """
    # Lab `(3, H, W)` of the points, and a map `(H, W)`: 1 where ab is exact
    ab = points.ab[0].float()
    exact = torch.ones_like(ab[0]) if points.exact is None or points.lightness is None else points.exact[0, 0]
    lightness = torch.full_like(ab[:1], _SHOWN_LIGHTNESS)
    if points.lightness is not None:
        lightness = torch.where(exact[None] > 0, lightness, points.lightness[0])
    lab = torch.cat([lightness, ab])
    keys = torch.cat([lab, exact[None]])
    free = points.mask[0, 0] > 0  # pixels that no square covers so far
    for row, column in free.nonzero().tolist():
        if not free[row, column]:
            continue
        # find the side of the largest free square of equal keys at this top-left pixel
        key, side = keys[:, row, column].view(-1, 1, 1), 1
        while row + side < free.shape[0] and column + side < free.shape[1]:
            rows, columns = slice(row, row + side + 1), slice(column, column + side + 1)
            has_equal_keys = (keys[:, rows, columns] == key).all()
            if not (has_equal_keys and free[rows, columns].all()):
                break
            side += 1
        free[row : row + side, column : column + side] = False
        color = lab[:, row, column]
        levels = (lab_to_rgb(color.view(3, 1, 1)).flatten() * 255).round().int().tolist()
        _, a, b = color.tolist()
        yield PointHint(
            x=column + side / 2,
            y=row + side / 2,
            radius=side / 2,
            color=format_hex(levels),
            ab=(a, b) if exact[row, column] else None,
            reach="everywhere",
        )


def covered(
    center: tuple[float, float], radius: float, image_size: tuple[int, int], size: tuple[int, int]
) -> tuple[slice, slice]:
    """Return the rows and the columns of a map that the square of a point covers.

    The square covers the pixels whose centers lie in the square. If there is no such row or column, the row
    or column that contains the point is covered. The result is clamped to the map and never empty.

    Args:
        center: Center (x, y) of the square in image pixels.
        radius: Half the side of the square in image pixels.
        image_size: Width and height of the image.
        size: Height and width of the map.
    """
    (x, y), (width, height), (map_height, map_width) = center, image_size, size
    slices = []
    for coordinate, image_length, map_length in ((y, height, map_height), (x, width, map_width)):
        scale = map_length / image_length
        reach = min(radius, map_length / scale)  # covers the axis; larger numbers could overflow
        # the center of pixel i is at i + 0.5; the tolerance 1e-6 includes centers on the border of the square
        first = math.ceil((coordinate - reach) * scale - 0.5 - 1e-6)
        last = math.floor((coordinate + reach) * scale - 0.5 + 1e-6)
        if last < first:  # the square contains no pixel center
            first = last = math.floor(coordinate * scale)
        first, last = (min(max(index, 0), map_length - 1) for index in (first, last))
        slices.append(slice(first, last + 1))
    rows, columns = slices
    return rows, columns


def _add_segment(
    changes: NDArray[np.int32], start: NDArray[np.float64], end: NDArray[np.float64], radius: float
) -> None:
    """Add a line segment with round ends to a map of covering segments, in place.

    In each row, the segment covers one interval, because it is convex. The right end of the interval is the
    maximum of ``x + sqrt(radius^2 - offset^2)`` over the path, where ``offset`` is the vertical distance of
    the row from a position on the path.

    Args:
        changes: ``(H, W + 1)``: 1 at the first covered column of a row, and -1 after the last column.
        start: Start ``(x, y)`` in pixels.
        end: End ``(x, y)`` in pixels.
        radius: Half the width of the segment in pixels.
    """
    height, width = changes.shape[0], changes.shape[1] - 1
    (top_x, top_y), (bottom_x, bottom_y) = sorted((start, end), key=lambda place: place[1])
    first = max(math.ceil(top_y - radius - 0.5 - _ROUNDING), 0)
    last = min(math.floor(bottom_y + radius - 0.5 + _ROUNDING), height - 1)
    y = np.arange(first, last + 1) + 0.5
    dx, dy = bottom_x - top_x, bottom_y - top_y
    length = math.hypot(dx, dy)
    ends = []
    for sign in (-1, 1):
        if dy < _ROUNDING:  # horizontal
            t = np.full(len(y), float(sign * dx > 0))
        else:
            nearest, farthest = (y - top_y - radius) / dy, (y - top_y + radius) / dy
            best = (y - top_y + sign * radius * dx / length) / dy  # the derivative over t is 0
            t = best.clip(nearest, farthest).clip(0, 1)
        offset = y - top_y - t * dy
        ends.append(top_x + t * dx + sign * np.sqrt(np.maximum(radius**2 - offset**2, 0)))
    left = np.ceil(ends[0] - 0.5 - _ROUNDING).clip(0, width).astype(int)
    right = np.floor(ends[1] + 0.5 + _ROUNDING).clip(0, width).astype(int)
    is_covered = left < right
    rows = np.arange(first, last + 1)[is_covered]
    changes[rows, left[is_covered]] += 1
    changes[rows, right[is_covered]] -= 1
