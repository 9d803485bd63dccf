"""Keys of cached stage results, which are derived from the inputs of a stage."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from colorzoo import Colorizer
from colorzoo.guidance import Area, PointHint, Recipe
from colorzoo.image_io.read import read_image
from colorzoo.inference.pipeline import colorize_edit
from colorzoo.inference.stages import fingerprint, register_result
from inference.by_hand import Results


@dataclass(frozen=True, eq=False)
class Pair:
    left: object
    right: object


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.arange(6.0).view(2, 3), torch.arange(6.0).view(3, 2)),
        (torch.ones(3), torch.ones(3, dtype=torch.int64)),
        (np.zeros(4, np.uint8), np.array([0, 0, 0, 1], np.uint8)),
        ({"a": 1, "b": 2}, {"a": 2, "b": 1}),
        ((1, (2, 3)), (1, 2, 3)),
        (Pair(1, 2), Pair(2, 1)),
        (PointHint(1, 2, reach="automatic"), PointHint(1, 2, reach=0.5)),
    ],
)
def test_fingerprints_differ_if_the_content_differs(one: object, other: object) -> None:
    assert fingerprint(one) != fingerprint(other)


def test_fingerprints_of_equal_inputs_are_equal() -> None:
    first, second = ({"map": torch.arange(4.0), "n": [1, Pair(np.ones(2), "a")]} for _ in range(2))
    assert fingerprint(first) == fingerprint(second)
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_fingerprints_of_results_are_those_of_one_object() -> None:
    first, second = torch.ones(3), torch.ones(3)
    register_result({"maps": [first]})
    assert fingerprint(first) == fingerprint(first)
    assert fingerprint(first) != fingerprint(second)
    # another object can get the identity of a deleted object, but not its key
    keys = set()
    for _ in range(50):
        result = torch.zeros(1)
        register_result(result)
        keys.add(fingerprint(result))
        del result
    assert len(keys) == 50


def test_results_of_another_image_are_not_reused_and_equal_images_are() -> None:
    colorizer = Colorizer("zhang2017_local_small", device="cpu", precision="float32")
    recipe = Recipe(
        points=(PointHint(20, 30, color="#c04020"),),
        areas=(Area("color", path=((2, 2), (30, 2), (30, 30)), color="#2040c0"),),
        border="none",
    )
    levels = np.random.default_rng(0).integers(0, 256, (64, 48), np.uint8)
    cache: Results = {}

    def cached_names(image: np.ndarray) -> set[str]:
        edit = replace(colorizer.resolve(read_image(image), recipe), cache=cache)
        result = colorize_edit(edit)
        fresh = colorizer.colorize(read_image(image.copy()), recipe)
        np.testing.assert_array_equal(result.levels(), fresh.levels())
        return {run.name for run in result.edit.log if run.cached}

    assert "run network" not in cached_names(levels) or len(cache) > 0
    assert "run network" in cached_names(levels.copy())  # read again: equal content
    levels[0, 0] ^= 1
    first_runs = len(cache)
    cached_names(levels)
    assert len(cache) > first_runs
