"""Region edits: lines that split regions or close gaps, and loops that enclose regions."""

import numpy as np
import pytest
import torch

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe, Regions
from colorzoo.guidance.objects import Division
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import divided_regions, proposed_regions
from colorzoo.inference.steps.regions import edit_regions, filled_regions
from inference.by_hand import edit_on
from tiny_model import tiny_painter

SIZE = (40, 30)
BLANK = torch.ones(1, 1, 30, 40)  # sketch without lines


def regions_of(index: np.ndarray, count: int = 6) -> Regions:
    return Regions(torch.from_numpy(index)[None, None], torch.zeros(1, count, 3), torch.zeros(1, count))


def plain() -> Regions:
    """Return two regions beside each other, 0 and 2."""
    index = np.zeros((30, 40), np.int64)
    index[:, 20:] = 2
    return regions_of(index)


def test_edit_regions_line_splits_only_the_crossed_region() -> None:
    line = Division(((0.0, 10.5), (25.0, 10.5)), closed=False)
    found = edit_regions(plain(), BLANK, [line], SIZE)
    index = found.index[0, 0]
    assert filled_regions(found) == [0, 1, 2]
    assert (index[14:, :20] == 0).all()  # the larger part keeps its number
    assert (index[:9, :20] == 1).all()
    assert (index[:, 20:] == 2).all()
    assert found.segments is not None
    assert torch.equal(found.segments, plain().index)


def test_edit_regions_line_closes_a_gap_in_the_ink() -> None:
    index = np.zeros((30, 40), np.int64)
    sketch = BLANK.clone()
    sketch[..., 20] = 0
    sketch[..., 12:16, 20] = 1  # the gap in the line
    leak = edit_regions(regions_of(index), sketch, [Division(((20.5, 10.0), (20.5, 18.0)), False)], SIZE)
    parts = leak.index[0, 0]
    assert sorted({int(parts[5, 5]), int(parts[5, 35])}) == [0, 1]
    assert len(torch.unique(parts[:, :19])) == len(torch.unique(parts[:, 22:])) == 1
    short = Division(((20.5, 13.0), (20.5, 14.0)), False)  # the gap stays open
    assert filled_regions(edit_regions(regions_of(index), sketch, [short], SIZE)) == [0]


def test_edit_regions_line_that_joins_regions_of_a_drawing_cuts_no_region() -> None:
    line = Division(((0.0, 10.5), (39.0, 10.5)), join=True)
    assert torch.equal(edit_regions(plain(), BLANK, [line], SIZE).index, plain().index)


def test_edit_regions_loop_encloses_a_new_region() -> None:
    loop = Division(((12.0, 8.0), (28.0, 8.0), (28.0, 20.0), (12.0, 20.0)), closed=True)
    found = edit_regions(plain(), BLANK, [loop], SIZE)
    assert (found.index[0, 0, 9:20, 13:28] == 1).all()
    assert found.index[0, 0, 4, 14] == 0
    assert filled_regions(found) == [0, 1, 2]
    for corners, filled in (
        ([(5, 5), (6, 5), (5, 6)], [0, 2]),
        ([(5, 5), (6, 5), (6, 6), (5, 6)], [0, 1, 2]),
    ):
        least = Division(tuple(corners), closed=True)  # of three pixels, and of four
        assert filled_regions(edit_regions(plain(), BLANK, [least], SIZE)) == filled


def test_edit_regions_uses_image_pixels_and_stops_at_the_last_free_index() -> None:
    line = Division(((0.0, 105.0), (250.0, 105.0)), closed=False)
    small = edit_regions(plain(), BLANK, [Division(((0.0, 10.5), (25.0, 10.5)), False)], SIZE)
    assert torch.equal(edit_regions(plain(), BLANK, [line], (400, 300)).index, small.index)
    lines = [Division(((0.0, float(y)), (19.0, float(y))), False) for y in range(3, 30, 4)]
    assert filled_regions(edit_regions(plain(), BLANK, lines, SIZE)) == [0, 1, 2, 3, 4, 5]
    assert edit_regions(plain(), BLANK, [Division(((900.0, 900.0), (950.0, 900.0)), False)], SIZE)


def test_recipe_rejects_invalid_divisions() -> None:
    for value in [3, [3], [{}], [{"path": []}], [{"path": [[1]]}], [{"path": [[1, 2]]}] * 101]:
        with pytest.raises(GuidanceError, match="divisions"):
            Recipe.from_json({"divisions": value})


def test_recipe_divisions_add_a_region_to_the_proposed_regions() -> None:
    colorizer = Colorizer(tiny_painter(), device="cpu", precision="float32", size=64)
    lightness = torch.full((1, 1, 60, 80), 100.0)
    lightness[..., 10:50, 12] = 0
    loop = {"path": [[30, 20], [60, 20], [60, 40], [30, 40]], "closed": True}
    recipe = Recipe.from_json({"image": {"width": 80, "height": 60}, "divisions": [loop]})
    assert recipe.to_dict()["divisions"] == [loop]
    task = edit_on(colorizer, lightness, recipe)
    before, after = (find(task) for find in (proposed_regions, divided_regions))
    new = set(filled_regions(after)) - set(filled_regions(before))
    assert len(new) == 1
    assert (after.index[0, 0, 21:40, 31:60] == new.pop()).all()
