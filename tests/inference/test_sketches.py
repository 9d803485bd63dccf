"""Sketches: cleaning, region colors, full-size results, and invalid input."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from colorzoo.color import clean_line_art
from colorzoo.data.decode import decode_rgb
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Recipe, RegionColor
from colorzoo.image_io.read import read_image
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import full_lightness
from colorzoo.inference.pipeline import proposed_regions
from colorzoo.inference.steps.regions import filled_regions, proposal_hash
from colorzoo.inference.steps.sketch import draw_sketch, upsample_predicted_lightness
from colorzoo.lru_cache import LRUCache
from inference.by_hand import task_on
from tiny_model import tiny_painter


def drawing(height: int = 60, width: int = 80, *, paper: int = 255, ink: int = 0) -> np.ndarray:
    """Return a framed cross on paper."""
    image = np.full((height, width, 3), paper, np.uint8)
    image[8:-8, 10:12] = image[8:-8, -12:-10] = image[8:10, 10:-10] = image[-10:-8, 10:-10] = ink
    image[height // 2, 10:-10] = image[8:-8, width // 2] = ink
    return image


def lightness_of(image: np.ndarray) -> torch.Tensor:
    return full_lightness(image.astype(np.float32) / 255)


@pytest.fixture(scope="module")
def colorizer() -> Colorizer:
    return Colorizer(tiny_painter(), device="cpu", precision="float32", size=64)


def test_draw_sketch_keeps_a_clean_sketch() -> None:
    image = drawing()
    lines, notes = draw_sketch(lightness_of(image))
    assert not notes
    assert torch.allclose(lines[0, 0], torch.from_numpy(image[..., 0] / 255).float(), atol=1e-4)


def test_draw_sketch_whitens_scanned_paper_and_darkens_lines() -> None:
    for paper, ink in [(150, 40), (190, 110), (235, 90)]:
        image = drawing(paper=paper, ink=ink)
        noise = np.random.default_rng(0).normal(0, 3, image.shape[:2])[..., None]
        light = np.linspace(0, -25, image.shape[1])[None, :, None]  # darker towards the right, as scans are
        scan = np.clip(image + noise + light, 0, 255).astype(np.uint8)
        lines, notes = draw_sketch(lightness_of(scan))
        is_ink = image[..., 0] == ink
        assert not notes
        assert (lines[0, 0][torch.from_numpy(is_ink)] < 0.5).float().mean() > 0.95
        far = ~np.asarray(Image.fromarray(is_ink).resize((80, 60))) & (
            np.abs(np.gradient(is_ink * 1.0)[0]) == 0
        )
        assert (lines[0, 0][torch.from_numpy(far)] > 0.5).float().mean() > 0.85


def test_clean_line_art_equals_the_reference_formula() -> None:
    """Division by the local paper level; the darkest percentile, at most 0.7, becomes black."""
    for height, side in [(50, 31), (20, 19), (19, 19)]:
        gray = torch.rand(2, 1, height, 40, generator=torch.Generator().manual_seed(0)) ** 0.3
        gray[1] = 0.6 + 0.3 * gray[1]
        for clean, level in zip(clean_line_art(gray).double(), gray[:, 0].double().numpy(), strict=True):
            within, paper = np.ones_like(level), ndimage.maximum_filter(level, side, mode="constant")
            within, paper = (ndimage.uniform_filter(each, side, mode="constant") for each in (within, paper))
            share = np.minimum(level * within / paper, 1)
            ink = min(float(np.sort(share.ravel())[share.size // 100]), 0.7)
            wanted = ((share - ink) / (0.92 - ink)).clip(0, 1)
            np.testing.assert_allclose(clean[0].numpy(), wanted, atol=1e-4)


def test_sketch_model_colorizes_sketches_of_any_size(colorizer: Colorizer) -> None:
    for size in [(37, 1000), (1, 1), (9, 300), (130, 70)]:
        image = np.full((*size, 3), 255, np.uint8)
        image[size[0] // 2] = 0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            painted = np.asarray(colorizer(image))
        assert painted.shape[:2] == size
        assert np.ptp(painted) > 0 or size == (1, 1)


def test_upsample_predicted_lightness_keeps_the_line_contrast() -> None:
    large = lightness_of(drawing(240, 320))
    seen = torch.nn.functional.interpolate(large, scale_factor=0.25, mode="area")
    painted = 0.3 * seen + 60
    result = upsample_predicted_lightness(large, seen, painted)
    ink = large[0, 0] < 50
    assert result.shape == large.shape
    assert result[0, 0][~ink].mean() - result[0, 0][ink].mean() > 40  # enlarged alone: about 20
    assert torch.equal(upsample_predicted_lightness(seen, seen, painted), painted)


def test_region_color_edits_reuse_the_cached_segmentation(colorizer: Colorizer) -> None:
    image = read_image_of(drawing())
    runs: list[int] = []
    cache = LRUCache()
    handle = colorizer.model.network.segmenter.register_forward_hook(lambda *_: runs.append(1))
    lightness = lightness_of(drawing())
    regions = proposed_regions(task_on(colorizer, lightness))
    numbers = filled_regions(regions)
    assert len(numbers) > 1
    colors = [RegionColor(numbers[0], "#ff0000"), RegionColor(numbers[1], "#0000ff")]
    one, two = (
        colorizer.colorize(
            image, Recipe(regions=tuple(colors[:count]), proposal=proposal_hash(regions)), cache=cache
        )
        for count in (1, 2)
    )
    recipe = Recipe(regions=(RegionColor(numbers[0], "#00ff00"), colors[1]))
    revised = colorizer.colorize(image, recipe, cache=cache)
    handle.remove()
    assert len(runs) == 2  # once for `proposed_regions` above, without the cache
    assert not np.array_equal(one.rgb, two.rgb)
    assert not np.array_equal(two.rgb, revised.rgb)
    assert not any("region colors" in note for note in (*one.notes, *two.notes))


def read_image_of(image: np.ndarray) -> object:
    return read_image(Image.fromarray(image))


def test_recipe_with_another_proposal_hash_adds_a_note(colorizer: Colorizer) -> None:
    recipe = Recipe(regions=(RegionColor(0, "#ff0000"),), proposal="0" * 64)
    notes = colorizer.colorize(read_image_of(drawing()), recipe).notes
    assert "region colors may be misplaced" in " ".join(notes)


def test_region_colors_with_invalid_index_or_color_raise(colorizer: Colorizer) -> None:
    with pytest.raises(GuidanceError, match=r"recipe\.regions: index must be from 0 to 29 .*got 30"):
        colorizer.colorize(read_image_of(drawing()), {"regions": [{"index": 30, "color": "#ff0000"}]})
    with pytest.raises(GuidanceError, match="#rrggbb"):
        colorizer.colorize(read_image_of(drawing()), {"regions": [{"index": 0, "color": "#ff00000"}]})


def test_transparent_line_art_is_colorized_on_white_paper(tmp_path: Path) -> None:
    """The color of fully transparent pixels has no effect."""
    for hidden in [0, 90]:
        for mode in ["RGBA", "LA", "P"]:
            cover = np.zeros((64, 64), np.uint8)
            cover[8:56, 20:23] = cover[30:33, 8:56] = 255
            cover[50:54, 40:44] = 128
            gray = np.where(cover > 0, 0, hidden).astype(np.uint8)
            path = tmp_path / "a.png"
            image = Image.merge("LA", [Image.fromarray(gray), Image.fromarray(cover)])
            if mode == "P":
                image = Image.fromarray(np.digitize(cover, [1, 200]).astype(np.uint8), "P")
                image.putpalette([hidden] * 3 + [0] * 6)
                image.save(path, transparency=bytes([0, 128, 255]))
            else:
                image.convert("RGBA" if mode == "RGBA" else "LA").save(path)
            paper = Image.fromarray(255 - cover)
            colorizer = Colorizer(tiny_painter(), device="cpu", allow_untrained=True)
            expected, found = colorizer(paper), colorizer.colorize(path)
            np.testing.assert_allclose(found.rgb, np.asarray(expected) / 255, atol=3 / 255)
            assert any("white paper" in note for note in found.notes)
            source = found.source(read_image(path))
            assert source.alpha is None
            assert colorizer(Image.open(path)).mode == "RGB"
            lines = decode_rgb(path.read_bytes())
            np.testing.assert_allclose(lines.numpy(), np.broadcast_to(255 - cover, (3, 64, 64)), atol=1)


def test_zhang2017_keeps_the_alpha_channel(tmp_path: Path) -> None:
    rgba = np.dstack([np.full((48, 64, 3), 90, np.uint8), np.full((48, 64), 7, np.uint8)])
    result = Colorizer("zhang2017_local_small", device="cpu")(rgba)
    assert result.mode == "RGBA"
    assert np.asarray(result)[..., 3].tolist() == rgba[..., 3].tolist()
