"""Write inputs and outputs of the steps that the static page runs in JavaScript.

``python tests/studio/step_vectors.py`` writes them, ``steps.test.mjs`` runs the JavaScript on them, and
``test_step_vectors.py`` compares the file with what Python computes now.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import grid_centers, hull_centers, hull_mask, lab_to_rgb_in_gamut, reduce_chroma
from colorzoo.color.levels import lightness_of_levels
from colorzoo.guidance import Crop, Recipe, statistics_of
from colorzoo.inference.full_size import BicubicUpsampler, join_levels, shrink_lightness, working_size
from colorzoo.inference.overlays import overlays_of
from colorzoo.inference.palette import PALETTE, Distribution, next_point, suggest_colors
from colorzoo.inference.references import as_reference
from colorzoo.inference.steps import points, reach
from colorzoo.inference.steps.area_masks import draw_areas
from colorzoo.inference.steps.areas import fill_areas, lock_areas, plant_seeds, points_inside
from colorzoo.inference.steps.colors import Colors
from colorzoo.inference.steps.cropping import cropped
from colorzoo.inference.steps.painting import places_along
from colorzoo.inference.steps.point_corrections import correct_points
from colorzoo.inference.steps.points import (
    draw_points,
    enforce_points,
    find_neighbors,
    limit_reach,
    show_base,
    squares_of,
)
from colorzoo.inference.steps.reach import (
    Extent,
    Paths,
    Places,
    by_reach,
    even_reaches,
    find_paths,
    is_limited,
    is_small,
    keep_nearer,
    limit_extent,
    on_grid,
    starting_reach,
    step_costs,
)
from colorzoo.inference.steps.strengths import weaken_points
from colorzoo.pictures.read import read_picture
from colorzoo.prediction import AbPrediction
from colorzoo.studio.photo import fit_size
from colorzoo.studio.step_constants import step_constants

FILE = Path(__file__).with_name("step_vectors.json")
WHOLE, SIZE = (40, 56), (20, 28)  # height and width of the photo, and at the network's size
CELLS = (7, 9)  # of the likeness
FEWER = {
    "points": {"most_cells": 10},
    "reach": {"grid": 15, "ring": 5, "small": 0.2, "enclosed": 2.0, "begin": 0.02},
}
"""Constants for small maps, on which as much happens as on those of a photo."""
_POINTS = [
    {"x": 10, "y": 13, "radius": 2, "color": "#c04020", "reach": 0.2},
    {"x": 39.5, "y": 27, "radius": 1, "color": "#2060d0", "ab": [10.5, -60.0], "reach": "everywhere"},
    {"x": 46, "y": 7, "radius": 1.5, "color": "#30a040", "reach": 0.25},
    {"x": 11, "y": 14, "radius": 1, "color": "#f0e010", "ab": [-10, 90], "reach": 0.6},
]
_STRENGTHS = (0.2, 0.9, 0.5, 0.2)
_REPLACEMENTS = [
    {"old": "#846f6b", "new": "#30a090", "range": 25},
    {"old": "#3050a0", "new": "#8a8a8a", "fade": 50, "opacity": 0.6},
    {"old": "#3050a0", "new": "#20c020", "range": 90, "hidden": True},
]
_PAINT = [
    {"path": [[10, 33], [29, 20], [33, 36]], "color": "#2060d0", "size": 6},
    {"path": [[38, 4], [48, 30]], "color": "#108060", "size": 16, "reach": "automatic"},
    {"path": [[20, 27], [25, 24]], "erase": True, "size": 5, "hardness": 1, "opacity": 0.7},
    {"path": [[49, 10]], "color": "#30a040", "size": 9, "hardness": 0, "opacity": 0.5},
    {"path": [[5, 5], [14, 9]], "color": "#b02080", "size": 7, "opacity": 0.4, "layer": 1},
    {"path": [[12, 3], [8, 12]], "color": "#b02080", "size": 5, "opacity": 0.4, "layer": 1},
    {"path": [[40, 30]], "color": "#f0e010", "size": 20, "hidden": True},
    {"path": [[16, 12], [30, 12]], "color": "#30c0a0", "size": 8, "blend": "hue"},
    {"path": [[24, 36], [50, 36]], "color": "#d02020", "size": 8, "opacity": 0.8, "blend": "saturation"},
]
_RUNS = "9 3 9 3 16"  # of a mask of 8 x 5 places
_AREAS = [
    {"action": "color", "path": [[3, 6], [30, 4], [26, 30], [8, 33]], "color": "#a03080"},
    {"action": "color", "mask": {"width": 8, "height": 5, "runs": _RUNS}, "color": "#c0d040", "opacity": 0.7},
    {
        "action": "color",
        "path": [[30, 8], [52, 8], [52, 34]],
        "color": "#204060",
        "lightness": "color",
        "feather": 7,
    },
    {"action": "gray", "path": [[1, 30], [20, 30], [20, 39], [1, 39]], "opacity": 0.5},
    {"action": "lock", "path": [[36, 22], [54, 22], [45, 38]], "opacity": 0.8, "feather": 2},
    {"action": "only", "path": [[0, 0], [50, 0], [50, 40], [0, 40]]},
]
_SHAPES = [
    [1, 3000, 256],
    [601, 455, 256],
    [257, 385, 128],
    [4000, 6000, 1024],
    [77, 100, 256],
    [999, 666, 256],
]


@dataclass(frozen=True)
class Vector:
    """One call of a step.

    Attributes:
        step: Name of the call in ``steps.test.mjs``, and what is special about it.
        given: Its input.
        expected: Its output: numbers and texts, nested.
        within: Largest difference of a number.
        others: Share of the numbers that may differ by more, where two points are equally near.
    """

    step: str
    given: dict[str, Any]
    expected: Any
    within: float = 0.0
    others: float = 0.0


def constants() -> dict[str, dict[str, Any]]:
    """Return the constants of the vectors."""
    return {name: values | FEWER.get(name, {}) for name, values in step_constants().items()}


@contextmanager
def fewer_cells() -> Iterator[None]:
    """Compute with the constants of the vectors."""
    with (
        patch.object(points, "POINTS", replace(points.POINTS, **FEWER["points"])),
        patch.object(reach, "REACH", replace(reach.REACH, **FEWER["reach"])),
    ):
        yield


def vectors() -> list[Vector]:
    """Return all vectors."""
    with fewer_cells():
        return [vector for make in _MAKERS for vector in make()]


def _rounded(values: ArrayLike, digits: int = 2) -> Any:
    return np.round(np.asarray(values, np.float64), digits).tolist()


def _flat(tensor: Tensor | np.ndarray, digits: int = 2) -> list[float]:
    found: list[float] = _rounded(np.asarray(tensor).ravel(), digits)
    return found


def _tensor(values: list[float], *shape: int) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).view(shape)


def _wavy(height: int, width: int) -> list[float]:
    """Return a lightness with smooth parts and hard edges."""
    rows, columns = np.mgrid[:height, :width] / np.array([height, width]).reshape(2, 1, 1)
    lightness = 50 + 25 * np.sin(9 * columns) + 15 * np.cos(7 * rows)
    lightness[height // 3 : height // 2, width // 4 : width // 2] = 85
    lightness += np.random.default_rng(3).normal(size=lightness.shape)
    return _flat(lightness.clip(0, 100), 1)


def _ab(seed: int, height: int, width: int) -> list[float]:
    coarse = torch.from_numpy(np.random.default_rng(seed).normal(size=(1, 2, 5, 6)).astype(np.float32)) * 30
    return _flat(F.interpolate(coarse, size=(height, width), mode="bilinear"), 1)


def _levels(seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (20, 25, 3), dtype=np.uint8)


def _rgba(rgb: np.ndarray) -> list[int]:
    found: list[int] = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)]).ravel().tolist()
    return found


def _colors() -> Iterator[Vector]:
    rgba = {"rgba": _rgba(_levels())}
    yield Vector("gamut.lightnessOf", rgba, _flat(lightness_of_levels(_levels())), 0.01)
    lab = _tensor(
        _rounded(np.random.default_rng(1).uniform((0, -130, -130), (100, 130, 130), (60, 3))), 60, 3
    )
    columns = lab.T[:, :, None]
    levels = (lab_to_rgb_in_gamut(columns)[:, :, 0].T * 255).round()
    given = {"lab": _rounded(lab)}
    yield Vector("gamut.toLevel", given, _rounded(levels), 1.0)
    yield Vector("gamut.reducedChroma", given, _rounded(reduce_chroma(columns)[1:, :, 0].T), 0.03)


def _sizes() -> Iterator[Vector]:
    expected = [[*working_size(h, w, s), *fit_size(h, w, s)] for h, w, s in _SHAPES]
    yield Vector("resample.workingSize", {"shapes": _SHAPES}, expected)
    whole = _tensor(_wavy(*WHOLE), 1, 1, *WHOLE)
    for size in ((12, 21), (WHOLE[0], 21)):
        given = {"map": _flat(whole), "whole": WHOLE, "size": size}
        yield Vector("resample.Downsampler", given, _flat(shrink_lightness(whole, size)), 0.01)
    small = _tensor(_ab(1, *CELLS), 2, *CELLS)
    given = {"map": _flat(small), "from": CELLS, "size": SIZE, "place": [3, 5]}
    made = BicubicUpsampler(small, SIZE)
    pixel = made.pixels(torch.tensor([3]), torch.tensor([5]))
    yield Vector("resample.Upsampler", given, [_flat(made.rows(0, SIZE[0])), _flat(pixel)], 0.01)


def _hints() -> dict[str, Any]:
    return {"recipe": {"points": _POINTS}, "whole": WHOLE, "size": SIZE, "lightness": _wavy(*SIZE)}


def _paths(hints: Any) -> list[Paths]:
    costs = step_costs(_tensor(_wavy(*SIZE), 1, 1, *SIZE))
    numbers = by_reach(tuple(hint.reach for hint in hints)).values()
    groups = [[hints[number] for number in group] for group in numbers]
    return [find_paths(costs, places=Places.of(group, WHOLE[::-1])) for group in groups]


def _extent(hints: Any, likeness: Tensor | None = None) -> Extent:
    paths = _paths(hints)
    return limit_extent(
        *paths,
        *[likeness] * len(paths),
        places=Places.of(hints, WHOLE[::-1]),
        reaches=tuple(hint.reach for hint in hints),
        size=SIZE,
    )


def _of_extent(extent: Extent) -> list[list[float]]:
    return [_flat(extent.weight, 4), extent.nearest.flatten().tolist(), extent.homes.flatten().tolist()]


def _points() -> Iterator[Vector]:
    lightness, given = _tensor(_wavy(*SIZE), 1, 1, *SIZE), _hints()
    hints = Recipe.from_json({"points": _POINTS}).points
    drawn = draw_points(lightness, squares=squares_of(hints), picture_size=WHOLE[::-1])
    yield Vector("points.drawPoints", given, [_flat(drawn.ab), _flat(drawn.mask)], 0.1)
    ab, base = (_tensor(_ab(seed, *SIZE), 1, 2, *SIZE) for seed in (1, 2))
    enforced = enforce_points(ab, drawn, find_neighbors(lightness))
    yield Vector("points.enforcePoints", given | {"ab": _flat(ab)}, _flat(enforced), 0.15)
    extent = _extent([hint for hint in hints if is_limited(hint)])
    limited = limit_reach(ab, show_base(base, lightness), lightness, drawn, extent)
    more = {"ab": _flat(ab), "base": _flat(base)}
    yield Vector("points.limitReach", given | more, _flat(limited), 0.1, 0.002)
    weak = weaken_points(ab, base, lightness, _extent(hints), strengths=_STRENGTHS)
    yield Vector("strengths.weakenPoints", given | more | {"strengths": _STRENGTHS}, _flat(weak), 0.2, 0.01)


def _reaches() -> Iterator[Vector]:
    lightness, given = _tensor(_wavy(*SIZE), 1, 1, *SIZE), _hints()
    hints = Recipe.from_json({"points": _POINTS}).points
    limited = [hint for hint in hints if is_limited(hint)]
    alike = _tensor(_flat(np.random.default_rng(4).uniform(size=CELLS)), 1, 1, *CELLS)
    likeness = {"likeness": {"map": _flat(alike), "size": CELLS}}
    costs = step_costs(lightness)
    yield Vector("reach.stepCosts", given, _flat(costs, 4), 1e-3)
    for name, more, found in (("", {}, None), (" with likeness", likeness, alike)):
        extent = _of_extent(_extent(limited, found))
        yield Vector(f"reach.limitExtent{name}", given | more, extent, 1e-3, 0.002)
        paths = find_paths(costs, places=Places.of(hints[:1], WHOLE[::-1]))
        reaches = even_reaches(paths.costs, on_grid(found, paths.costs), 9)
        yield Vector(f"reach.evenReaches{name}", given | more, reaches, 2e-3)
    small = [hint for hint in limited if is_small(hint)]
    larger = [hint for hint in limited if not is_small(hint)]
    assert small
    assert larger
    own, rivals = (_paths(group) for group in (small, larger))
    nearer = keep_nearer(_extent(small), *own, *rivals, own=len(own))
    yield Vector("reach.keepNearer", given, _flat(nearer.weight, 4), 1e-3, 0.01)
    for name, level in (("a thing", 95.0), ("a surface", 50.0)):
        thing = np.full(SIZE, 50.0, np.float32)
        thing[5:14, 10:19] = level
        like = np.full(CELLS, float(level == 50), np.float32)
        like[2:5, 3:6] = 1
        places = Places(((29.0, 19.0, 1.0),), WHOLE[::-1])
        paths = find_paths(step_costs(torch.from_numpy(thing)[None, None]), places=places)
        alike = on_grid(torch.from_numpy(like)[None, None], paths.costs)
        assert alike is not None
        more = {"likeness": {"map": _flat(like), "size": CELLS}, "place": places.squares[0]}
        found = starting_reach(paths.costs, alike)
        yield Vector(
            f"reach.startingReach of {name}", given | {"lightness": _flat(thing)} | more, found, 2e-3
        )


def _areas() -> Iterator[Vector]:
    lightness, given = _tensor(_wavy(*SIZE), 1, 1, *SIZE), _hints()
    recipe = Recipe.from_json({"points": _POINTS, "areas": _AREAS})
    ab, base = (_tensor(_ab(seed, *SIZE), 1, 2, *SIZE) for seed in (1, 2))
    drawn = draw_areas(lightness, areas=recipe.areas, picture_size=WHOLE[::-1])
    given |= {"areas": _AREAS, "ab": _flat(ab), "seeded": _flat(base), "strength": 1.2}
    shares = [_flat(each.share, 4) for each in drawn]
    yield Vector("area_masks.drawAreas", given, shares, 2e-3)
    filled = [each for each in drawn if each.area.action == "color"]
    full = tuple(hint for hint in recipe.points if hint.strength == 1)
    seeds = plant_seeds(filled, hints=full, picture_size=WHOLE[::-1])
    seeds = points.fit_points(seeds, lightness)
    yield Vector("areas.plantSeeds", given, [_flat(seeds.ab), _flat(seeds.mask)], 0.15)
    inside = [replace(hint, reach="automatic") for hint in points_inside(full, filled, WHOLE[::-1])]
    strengths = (0.7,) * len(inside)
    extent = _extent(inside) if inside else None
    colors = fill_areas(Colors(ab), lightness, filled, base, extent, strengths=strengths)
    assert colors.shift is not None
    shifted = colors.shift.apply(_tensor(_wavy(*WHOLE), 1, 1, *WHOLE))
    fill = given | {"strengths": strengths, "larger": _wavy(*WHOLE)}
    yield Vector("areas.fillAreas", fill, [_flat(colors.ab), _flat(shifted)], 0.4, 0.01)
    locks = [each for each in drawn if each.area.action != "color"]
    locked = lock_areas(Colors(ab), locks, AbPrediction(ab=base), strength=1.2)
    assert locked.locked is not None
    yield Vector("areas.lockAreas", given, [_flat(locked.ab), _flat(locked.locked)], 0.5, 0.01)


def _joining() -> Iterator[Vector]:
    lightness, ab = _tensor(_wavy(*WHOLE), *WHOLE), _tensor(_ab(1, *SIZE), 2, *SIZE)
    hints = Recipe.from_json({"points": _POINTS}).points
    above = {"points": {"points": _POINTS}, "overlays": {"paint": _PAINT, "replacements": _REPLACEMENTS}}
    base = {"ab": _flat(ab), "from": SIZE, "size": WHOLE, "lightness": _flat(lightness), "strength": 1.2}
    for name, recipe in above.items():
        read = Recipe.from_json({**recipe, "strength": 1.2}).shown()
        corrections = correct_points(hints, ab, lightness, strength=1.2) if name == "points" else []
        # every other stroke has a reach: waves of lightness as a share
        reaches = [
            None if number % 2 else _tensor(_wavy(*SIZE), *SIZE) / 100 for number in range(len(read.paint))
        ]
        overlays = overlays_of(read, WHOLE[::-1], WHOLE, None, reaches)
        levels = join_levels(lightness, ab, corrections, overlays, depth=8)
        given = base | {
            "recipe": recipe,
            "reaches": [each if each is None else _flat(each) for each in reaches],
        }
        yield Vector(f"full_size.Joiner with {name}", given, levels.ravel().tolist(), 1.0)
    strokes = Recipe.from_json({"paint": _PAINT}).paint
    along = [[[hint.x, hint.y, hint.radius] for hint in places_along(stroke)] for stroke in strokes]
    yield Vector("painting.placesAlong", {"paint": _PAINT}, along, 1e-6)


def _palette() -> Iterator[Vector]:
    draw = np.random.default_rng(5)
    logits = _tensor(_flat(draw.normal(size=(529, 4, 5)) * 3, 1), 529, 4, 5)
    shares = torch.softmax(PALETTE.sharpness * logits[hull_mask()], dim=0)
    found = Distribution(shares, grid_centers()[hull_mask()], 4)
    there = found.at(13.5, 9.2)
    taken = [(2.0, 2.0)]
    given = {
        "logits": _flat(logits),
        "size": [4, 5],
        "stride": 4,
        "centers": grid_centers().tolist(),
        "shown": hull_mask().nonzero().flatten().tolist(),
        "draws": [np.random.default_rng(seed).random(8).tolist() for seed in range(1, PALETTE.starts)],
        "place": [13.5, 9.2],
        "lightness": 55,
        "taken": taken,
    }
    colors = [
        ["#{:02x}{:02x}{:02x}".format(*s.rgb), round(s.share, 5)]
        for s in suggest_colors(there, found.centers, 55)
    ]
    entropy = round(float(torch.special.entr(there).sum()), 5)
    yield Vector("palette.suggestColors", given, [colors, entropy, next_point(found, taken), True], 1e-3)


def _references() -> Iterator[Vector]:
    levels = _levels()
    measured = statistics_of(torch.from_numpy(levels).permute(2, 0, 1)[None] / 255)
    assert measured.saturation is not None
    assert measured.histogram is not None
    expected = [round(float(measured.saturation), 4), _flat(measured.histogram, 6)]
    given = {"rgba": _rgba(levels), "whole": levels.shape[:2], "centers": hull_centers().tolist()}
    yield Vector("reference.statisticsOf", given, expected, 1e-3)
    for name, (rows, columns) in {"": (31, 43), " of many pixels": (2100, 2010)}.items():
        tiled = np.tile(levels, (rows // 20 + 1, columns // 25 + 1, 1))[:rows, :columns]
        made = as_reference(read_picture(np.ascontiguousarray(tiled)), 12)
        given = {
            "tile": levels.ravel().tolist(),
            "side": levels.shape[:2],
            "whole": [rows, columns],
            "size": 12,
        }
        yield Vector(f"reference.referenceOf{name}", given, _flat(made, 4), 2e-4)


def _cropping() -> Iterator[Vector]:
    levels = np.random.default_rng(6).integers(0, 256, (*WHOLE, 4), dtype=np.uint8)
    for name, crop in {"": Crop(3, 5, 40, 21), " of turned pictures": Crop(8, 9, 38, 19, -17.5)}.items():
        given = {"rgba": levels.ravel().tolist(), "whole": WHOLE, "crop": crop.to_dict()}
        expected = cropped(levels, crop)
        yield Vector(f"cropping.cropped{name}", given, expected.ravel().tolist(), 1.0 if crop.angle else 0.0)


_MAKERS: tuple[Callable[[], Iterator[Vector]], ...] = (
    _colors,
    _sizes,
    _points,
    _reaches,
    _areas,
    _joining,
    _palette,
    _references,
    _cropping,
)


def document() -> dict[str, Any]:
    """Return what the file holds."""
    found: dict[str, Any] = json.loads(
        json.dumps({"constants": constants(), "vectors": [asdict(vector) for vector in vectors()]})
    )
    return found


def main() -> int:
    """Write the file, a vector a line."""
    found = document()
    lines = [json.dumps(vector, separators=(",", ":")) for vector in found["vectors"]]
    head = f'{{"constants":{json.dumps(found["constants"])},\n"vectors":[\n'
    FILE.write_text(head + ",\n".join(lines) + "\n]}\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
