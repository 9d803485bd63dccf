"""Results of all recipe kinds compared with stored results."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from colorzoo import Colorizer
from colorzoo.guidance import PointHint
from inference.by_hand import Results
from inference.recipes import CASES, SIZE, STORED, Case, drawing, photo, reference
from labeled_model import Labeled

MOST, SHARE = 1, 0.001  # maximum difference in levels, and maximum fraction of differing pixels


@pytest.fixture(scope="module")
def stored() -> dict[str, NDArray[Any]]:
    with np.load(STORED) as file:
        return dict(file)


def assert_same(name: str, found: NDArray[Any], expected: NDArray[Any]) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape), name
    levels = 1 if found.dtype == np.uint8 else 257
    away = np.abs(found.astype(np.int64) - expected.astype(np.int64)).max(axis=-1)
    assert away.max() <= MOST * levels, name
    assert (away > levels // 2).mean() <= SHARE, name


KINDS = sorted({CASES[name].model for name in CASES})


def test_every_case_is_stored(stored: dict[str, NDArray[Any]]) -> None:
    assert list(CASES) == list(stored)


@pytest.mark.parametrize("model", KINDS)
def test_results_equal_stored_results(model: str, stored: dict[str, NDArray[Any]]) -> None:
    for name in CASES:
        if CASES[name].model == model:
            assert_same(name, CASES[name].result(), stored[name])


@cache
def special_colorizer(name: str) -> Colorizer:
    """Return a colorizer for labels, or one that random weights make insensitive to scribbles."""
    model = Labeled()
    model.trained = True
    return Colorizer(model if name == "labels" else name, device="cpu", precision="float32", size=SIZE)


@pytest.mark.parametrize("model", KINDS)
def test_edits_with_a_cache_equal_fresh_results(model: str, stored: dict[str, NDArray[Any]]) -> None:
    results: Results = {}
    for name in reversed(CASES):
        if CASES[name].model == model:
            CASES[name].result(results=results)
            assert_same(name, CASES[name].result(results=results), stored[name])


# documents that differ in one field
POINT = {"x": 28.0, "y": 58.0, "radius": 3.0, "color": "#2050c0", "reach": 1.5, "strength": 0.8}
POINT_CHANGES: dict[str, Any] = {
    "x": 66.0,
    "y": 20.0,
    "radius": 9.0,
    "color": "#c04020",
    "ab": [30.0, 40.0],
    "reach": "everywhere",
    "strength": 0.3,
}
THING = {"action": "thing", "path": [[45, 15], [95, 15], [95, 60], [45, 60]]}
BOX = {"x": 50, "y": 20, "width": 40, "height": 36}
LOOP = {"path": [[60, 30], [80, 30], [80, 50], [60, 50]], "closed": True}
RED_REGION = {"index": 0, "color": "#c04020"}
EDITS: tuple[tuple[str, dict[str, Any], dict[str, Any]], ...] = (
    *(
        ("hints", {"points": [POINT]}, {"points": [POINT | {name: value}]})
        for name, value in POINT_CHANGES.items()
    ),
    ("su2020_small", {"boxes": []}, {"boxes": [BOX]}),
    ("su2020_small", {"boxes": [BOX]}, {"boxes": [BOX | {"width": 20}]}),
    ("su2020_small", {"areas": [THING]}, {"areas": [THING | {"path": LOOP["path"]}]}),
    ("kim2021_small", {}, {"areas": [THING]}),
    ("kim2021_small", {"areas": [THING]}, {"areas": [THING | {"path": LOOP["path"]}]}),
    ("kim2021_small", {}, {"scribbles": [{"path": [[50, 5], [55, 75]], "width": 4}]}),
    ("painter", {"regions": [RED_REGION]}, {"regions": [RED_REGION | {"index": 1}]}),
    ("painter", {"regions": [RED_REGION]}, {"regions": [RED_REGION], "divisions": [LOOP]}),
    ("alike", {"exemplar": {"alpha": 0.5}}, {"exemplar": {"alpha": 0.9}}),
    ("alike", {"statistics": {"saturation": 0.8}}, {"statistics": {"saturation": 0.2}}),
    ("labels", {"label": 0}, {"label": 2}),
)


@pytest.mark.parametrize(("model", "before", "after"), EDITS)
def test_edit_of_one_field_with_a_cache_equals_a_fresh_result(
    model: str, before: dict[str, Any], after: dict[str, Any]
) -> None:
    image = drawing if model == "painter" else photo
    known = reference if "exemplar" in before else None
    first, second = (Case(model, guidance, image, known) for guidance in (before, after))
    by = special_colorizer(model) if model in ("labels", "kim2021_small") else None
    results: Results = {}
    first.result(by, results)
    edited, fresh = second.result(by, results), second.result(by)
    assert np.array_equal(edited, fresh)
    assert not np.array_equal(fresh, first.result(by))


def test_edits_cover_every_field_of_a_point() -> None:
    without_effect = {"stroke", "extra", "divisions"}  # of the last only in drawings; see `test_edit_rows`
    assert {each.name for each in fields(PointHint)} - without_effect == POINT_CHANGES.keys()
