"""Colored, gray and locked areas, and their soft edges."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Area, Guidance, PointHint, Recipe, RegionColor
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.edit import proposed_regions
from colorzoo.inference.steps.areas import (
    decode_locked_colors,
    draw_areas,
    encode_locked_colors,
    locked_share,
)
from colorzoo.inference.steps.regions import filled_regions
from colorzoo.prediction import AbPrediction
from inference.by_hand import Results, color_again
from inference.flood_model import LEFT, RIGHT, SIDE, Flood, red, two_walls
from inference.test_drawing import drawing

PATH = ((0.0, 0.0), (SIDE / 2, 0.0), (SIDE / 2, float(SIDE)), (0.0, float(SIDE)))  # the dark wall
FAR = red(80, 50, "everywhere")


class ConstantColor(Flood):
    """Predicts one color regardless of the guidance."""

    accepts = ()

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        self.runs.append(None)
        return AbPrediction(ab=torch.full((1, 2, *lightness.shape[2:]), 20.0))


def area(action: str, path: tuple[tuple[float, float], ...] = PATH, **more: object) -> Area:
    return Area(action, path, **({"color": "#2060c0"} if action == "color" else {}), **more)


def ab_of(
    colorizer: Colorizer, *areas: Area, points: tuple[PointHint, ...] = (), results: Results | None = None
) -> Tensor:
    recipe = Recipe.from_json(Recipe(areas=areas, points=points).to_json())
    return color_again(colorizer, read_image(two_walls(1)), recipe, {} if results is None else results).ab


@pytest.fixture
def colorizer() -> Colorizer:
    Flood.runs.clear()
    return Colorizer(Flood(), device="cpu")


def test_color_area_changes_only_its_pixels_and_reuses_cached_predictions(colorizer: Colorizer) -> None:
    results: Results = {}
    before, after = (ab_of(colorizer, *areas, results=results) for areas in ((), (area("color"),)))
    assert torch.equal(after[:, :, 52:], before[:, :, 52:])
    inside = after[:, :, :44]
    assert inside[1].max() < -15
    assert inside.std(dim=(1, 2)).max() < 3
    assert len(Flood.runs) == 2  # without the area and with it
    ab_of(colorizer, area("color"), points=(red(80, 50, 0.2),), results=results)
    assert len(Flood.runs) == 3  # the seeds are the same without a point of small reach


def test_color_area_adds_points_for_point_models_and_is_filled_for_others() -> None:
    received: list[Tensor] = []

    class RecordsPoints(Flood):
        def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
            if guidance is not None and guidance.points is not None:
                received.append(guidance.points.mask[0, 0])
            return super().forward(lightness, guidance)

    ab_of(Colorizer(RecordsPoints(), device="cpu"), area("color"))
    (mask,) = received
    assert 4 * 25 <= mask[LEFT].sum() <= 8 * 25
    assert mask[:, SIDE // 2 :].sum() == 0
    after = ab_of(Colorizer(ConstantColor(), device="cpu"), area("color"))
    assert after[1, :, :44].max() < -15
    assert (after[:, :, 52:] == 20).all()


@pytest.mark.parametrize("model", [Flood, ConstantColor])
def test_gray_lock_and_only_areas_limit_changes_for_every_model(model: type[Flood]) -> None:
    colorizer = Colorizer(model(), device="cpu")
    points = (FAR,)
    free, own = ab_of(colorizer, points=points), ab_of(colorizer)
    gray = ab_of(colorizer, area("gray"), points=points)
    assert gray[:, :, :44].abs().max() < 1e-3
    lock = ab_of(colorizer, area("lock"), points=points)
    only = ab_of(colorizer, area("only"), points=points)
    for held, kept, changed in ((gray, None, RIGHT), (lock, LEFT, RIGHT), (only, RIGHT, LEFT)):
        assert torch.equal(held[:, changed[0], changed[1]], free[:, changed[0], changed[1]])
        if kept is not None:
            torch.testing.assert_close(held[:, kept[0], kept[1]], own[:, kept[0], kept[1]])


def test_lock_area_with_kept_colors_is_unchanged_by_added_hints_and_areas(colorizer: Colorizer) -> None:
    image, lock = read_image(two_walls(1)), area("lock")
    first = colorizer.colorize(image, Recipe(points=(red(20, 20, "everywhere"),)))
    drawn = draw_areas(colorizer.resolve(image, Recipe()).lightness, areas=[lock], image_size=image.size)
    kept = encode_locked_colors(
        torch.cat([torch.zeros(1, SIDE, SIDE), first.ab]), locked_share(drawn, "lock")
    )
    locked = replace(lock, kept=kept)
    images = []
    for points in ((), (FAR,), (FAR, PointHint(50, 30, 6, "#20c040"), PointHint(10, 50, 3, "#20c040"))):
        recipe = Recipe.from_json(Recipe(points=points, areas=(locked, area("color"))).to_json())
        images.append(colorizer.colorize(image, recipe).levels().astype(int))
    inside = np.s_[:, : SIDE // 2 - 4]
    assert all(np.array_equal(levels[inside], images[0][inside]) for levels in images)
    assert np.abs(images[0][inside] - first.levels().astype(int)[inside]).max() <= 1
    assert np.abs(images[2] - images[0])[:, 60:].max() > 10


def test_draw_areas_edges_follow_image_edges_and_are_soft_elsewhere() -> None:
    lightness = rgb_to_lab(torch.from_numpy(two_walls(1))[None, None].expand(1, 3, -1, -1) / 255)[:, :1]
    rough = ((0.0, 0.0), (SIDE / 2 + 2, 0.0), (SIDE / 2 - 2, float(SIDE)), (0.0, float(SIDE)))
    rough_wall = {"areas": [area("gray", rough)], "image_size": (SIDE, SIDE)}
    (wall,) = draw_areas(lightness, **rough_wall)
    flat = draw_areas(torch.full_like(lightness, 50), **rough_wall)[0].share
    left, right = np.s_[:, SIDE // 2 - 1], np.s_[:, SIDE // 2]
    assert (wall.share[left] - wall.share[right]).mean() > (flat[left] - flat[right]).mean() + 0.2
    assert ((flat > 0.05) & (flat < 0.95)).sum() > 3 * SIDE  # no hard border where the image has none
    assert (wall.share[:, :40] == 1).all()
    assert (wall.share[:, 56:] == 0).all()


def test_decode_locked_colors_is_exact_to_half_a_step_and_rejects_bad_images() -> None:
    lab = torch.randn(3, 20, 30) * 30
    kept = encode_locked_colors(lab, torch.ones(20, 30))
    assert (decode_locked_colors(kept, (20, 30)) - lab).abs().max() <= max(
        kept.step
    ) / 2 + 2e-3  # low and step are rounded
    corner = torch.zeros(20, 30)
    corner[0, 0] = 1
    near = decode_locked_colors(encode_locked_colors(lab, corner), (20, 30))
    low = lab[:, :5, :5].flatten(1).min(dim=1).values  # only pixels within a distance of four are kept
    torch.testing.assert_close(near[:, 5:], low.view(3, 1, 1).expand(3, 15, 30), rtol=0, atol=1e-4)
    assert (near - lab)[:, :5, :5].abs().max() < 0.5
    for mode, form in (("L", "PNG"), ("RGB", "JPEG"), ("RGB", "BMP")):
        Image.new(mode, (30, 20)).save(file := BytesIO(), form)
        with pytest.raises(GuidanceError, match="kept"):
            decode_locked_colors(replace(kept, png=b64encode(file.getvalue()).decode()), (20, 30))
    for text in ("aGVsbG8=", "x"):
        with pytest.raises(GuidanceError, match="kept"):
            decode_locked_colors(replace(kept, png=text), (20, 30))


def test_lock_area_excludes_region_colors_of_a_sketch() -> None:
    colorizer = Colorizer("cho2023_small", device="cpu", size=64)
    image = read_image(drawing(64, 64))
    found = filled_regions(proposed_regions(colorizer.resolve(image, Recipe())))
    recipe = Recipe(regions=tuple(RegionColor(number, "#d02020") for number in found))
    lock = replace(recipe, areas=(Area("lock", ((0, 0), (64, 0), (64, 40), (0, 40))),))
    plain, colored, locked = (colorizer.colorize(image, given).rgb for given in (Recipe(), recipe, lock))
    assert np.abs(colored - plain)[:30].max() > 0.01
    assert np.abs(locked - plain)[:30].max() < 1e-3
    assert np.abs(locked - colored)[52:].max() < 1e-3
