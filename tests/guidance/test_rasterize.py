"""Rasterization of points and strokes at several sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from colorzoo.color import hull_centers, rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import (
    Boxes,
    ClassMap,
    Exemplar,
    PointHint,
    Points,
    Recipe,
    Regions,
    Scribbles,
    Stroke,
    statistics_of,
)
from colorzoo.guidance.color_statistics import ab_histogram, mean_saturation
from colorzoo.guidance.hints import rasterize_scribbles


def rasterize(
    *points: PointHint, image: tuple[int, int] = (40, 30), size: tuple[int, int] | None = None
) -> Points:
    width, height = image
    points = tuple(replace(point, reach="everywhere") for point in points)
    points_ = Recipe(points=points).to_guidance(width, height, size).points
    assert points_ is not None
    return points_


def test_point_mask_covers_pixel_centers_inside_its_square() -> None:
    mask = rasterize(PointHint(10, 20, 3)).mask[0, 0]
    assert mask.sum() == 36
    assert mask[17:23, 7:13].all()


def test_point_of_radius_zero_covers_the_pixel_that_contains_it() -> None:
    for size in ((30, 40), (1, 1), (7, 400)):
        for x, y in ((0, 0), (40, 30), (13.7, 0.2)):
            mask = rasterize(PointHint(x, y, 0), size=size).mask[0, 0]
            row, column = min(int(y * size[0] / 30), size[0] - 1), min(int(x * size[1] / 40), size[1] - 1)
            assert mask[row, column] == 1
            assert mask.sum() == 1


def test_point_rasterization_is_independent_of_recipe_scale() -> None:
    small = rasterize(PointHint(10.3, 7.1, 2.5, "#c04020"), size=(60, 80))
    large = rasterize(PointHint(20.6, 14.2, 5, "#c04020"), image=(80, 60))
    assert torch.equal(small.mask, large.mask)
    assert torch.equal(small.ab, large.ab)


def test_later_points_overwrite_earlier_points() -> None:
    points = rasterize(PointHint(10, 10, 4, ab=(50.0, 0.0)), PointHint(12, 10, 1, ab=(0.0, 60.0)))
    assert points.ab[0, :, 9, 12].tolist() == [0.0, 60.0]
    assert points.ab[0, :, 9, 7].tolist() == [50.0, 0.0]


def test_point_ab_overrides_color_and_gray_points_are_hints() -> None:
    assert rasterize(PointHint(1, 1, 0, "#ff0000", ab=(1.5, -2.25))).ab[0, :, 1, 1].tolist() == [1.5, -2.25]
    gray = rasterize(PointHint(1, 1, 0, "#808080"))
    assert gray.ab.abs().max() < 0.01
    assert gray.mask.sum() == 1


def test_stroke_width_scales_with_map_size() -> None:
    recipe = Recipe(scribbles=(Stroke(((5, 15), (35, 15)), 4),))
    for scale in (1, 3):
        scribbles = recipe.to_guidance(40, 30, (30 * scale, 40 * scale)).scribbles
        assert scribbles is not None
        thickness = scribbles.mask[0, 0, :, 20 * scale].sum().item()
        assert abs(thickness - 4 * scale) <= 1
        assert scribbles.mask[0, 0, 15 * scale, 0] == 0
    dot = Recipe(scribbles=(Stroke(((3, 4),), 0),)).to_guidance(40, 30).scribbles
    assert dot is not None
    assert dot.mask[0, 0, 4, 3] == 1


def by_distance(stroke: Stroke, radius: float, width: int, height: int) -> NDArray[np.bool_]:
    """Rasterize a stroke by the distance of each pixel center from its path."""
    y, x = np.mgrid[:height, :width] + 0.5
    distance = np.full((height, width), np.inf)
    path = np.array(stroke.path, float)
    for start, end in zip(path, path[1:] if len(path) > 1 else path, strict=False):
        along = end - start
        length = (along**2).sum()
        t = ((x - start[0]) * along[0] + (y - start[1]) * along[1]) / length if length else np.zeros_like(x)
        t = t.clip(0, 1)
        distance = np.minimum(distance, np.hypot(x - start[0] - t * along[0], y - start[1] - t * along[1]))
    return distance <= radius + 1e-6


@pytest.mark.parametrize("width", [1, 2, 3, 4, 5, 6, 7, 8, 11.5])
def test_strokes_cover_the_pixels_within_half_their_width(width: float) -> None:
    paths = [
        ((10, 20), (50, 20)),  # between two rows
        ((10, 20.5), (50, 20.5)),  # on the centers of a row
        ((20, 5), (20, 35)),
        ((5, 35), (50, 3), (52, 30)),
        ((5, 3), (50, 35)),
        ((30, 20),),
        ((30.5, 20.5),),
        ((-20, -10), (70, 50)),  # beyond the image
        ((31.2, 17.9), (31.4, 17.9), (31.4, 18.0), (31.4, 18.0)),
    ]
    for path in paths:
        stroke = Stroke(path, width)
        drawn = rasterize_scribbles([stroke], 60, 40, (40, 60))
        assert drawn is not None
        found = drawn.mask[0, 0].numpy() > 0
        expected = by_distance(stroke, width / 2, 60, 40)
        if width < 2:  # the pixels of the vertices are always covered
            for x, y in path:
                if 0 <= x < 60 and 0 <= y < 40:
                    expected[int(y), int(x)] = True
        np.testing.assert_array_equal(found, expected)


def test_strokes_of_even_width_are_centered_on_their_path() -> None:
    for width in (2, 4, 6):
        drawn = rasterize_scribbles([Stroke(((10, 20), (50, 20)), width)], 60, 40, (40, 60))
        assert drawn is not None
        rows = drawn.mask[0, 0, :, 30].nonzero().flatten().tolist()
        assert rows == list(range(20 - width // 2, 20 + width // 2))


def test_guidance_classes_raise_error_for_invalid_shapes() -> None:
    cases: list[tuple[type, list[tuple[int, ...]]]] = [
        (Points, [(1, 2, 4, 4), (1, 1, 4, 5)]),
        (Points, [(1, 3, 4, 4), (1, 1, 4, 4)]),
        (Points, [(2, 4, 4), (1, 1, 4, 4)]),
        (Scribbles, [(1, 2, 4, 4)]),
        (Regions, [(1, 2, 4, 4), (1, 3, 3), (1, 3)]),
        (Exemplar, [(1, 1, 4, 4)]),
        (ClassMap, [(1, 3, 4, 4)]),
        (Boxes, [(1, 4), (1,)]),
        (Boxes, [(1, 2, 5), (1, 2)]),
        (Boxes, [(1, 2, 4), (1, 3)]),
    ]
    for kind, shapes in cases:
        with pytest.raises(GuidanceError, match=kind.__name__):
            kind(*map(torch.zeros, shapes))


def test_statistics_of_uses_256_pixels_and_4_pixel_cells() -> None:
    ab = torch.zeros(1, 2, 4, 8)
    ab[:, 0, :, :2], ab[:, 0, :, 2:4], ab[:, 0, :, 4:] = 40, -40, 80
    (bins,) = ab_histogram(ab)[0].nonzero(as_tuple=True)
    assert sorted(hull_centers()[bins].tolist()) == [[0, 0], [80, 0]]
    noise = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    found = statistics_of(noise)
    torch.testing.assert_close(found.histogram, ab_histogram(rgb_to_lab(noise)[:, 1:]))
    torch.testing.assert_close(found.saturation, mean_saturation(noise))
    large = torch.rand(1, 3, 768, 768, generator=torch.Generator().manual_seed(0))
    smooth = mean_saturation(torch.nn.functional.avg_pool2d(large, 3))
    torch.testing.assert_close(statistics_of(large).saturation, smooth, rtol=0, atol=0.05)
