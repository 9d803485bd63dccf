"""Click and outline selections: stored results on two images, and properties of the masks."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage import data
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.guidance.areas import Mask
from colorzoo.image_io.read import read_image
from colorzoo.inference.selection import (
    find_parts,
    resize_mask,
    segmenter_features,
    select_at,
    select_outlined,
)

IMAGES = Path(__file__).parents[1] / "data" / "images"
PLACES = ((0.3, 0.3), (0.5, 0.5), (0.7, 0.8))
SIZES = (0.64, 1.0, 1.25, 3.0)
# area, row and column of the selection at each place and size
STORED = {
    ("chelsea_cat.jpg", "clicks"): """
.0049 .3216 .3179 .7471 .4901 .3994 .7561 .4915 .4022 .8540 .5054 .4266 .0023 .4931 .5055 .6928 .4696 .3826
.7062 .4715 .3868 .7658 .4922 .4035 .0170 .8439 .6749 .7729 .5058 .4143 .7840 .5076 .4182 .8545 .5201 .4478
""",
    ("chelsea_cat.jpg", "outlines"): """
.0842 .2936 .3086 .1081 .5016 .5084 .1003 .8041 .7073
""",
    ("coffee.jpg", "clicks"): """
.0117 .2809 .3177 .2531 .4130 .4811 .2908 .4468 .4857 .5627 .5382 .4464 .0036 .4929 .4917 .1469 .2835 .4856
.3061 .4823 .4889 .5212 .5538 .4685 .0146 .7913 .6898 .0796 .6447 .6866 .5003 .5660 .4708 .7056 .5388 .4780
""",
    ("coffee.jpg", "outlines"): """
.0855 .3220 .2988 .0942 .4904 .4889 .0923 .7775 .6861
""",
}


def lab_of(name: str) -> Tensor:
    """Return Lab ``(1, 3, 240, w)`` of an image."""
    rgb = torch.from_numpy(read_image(IMAGES / name).rgb).permute(2, 0, 1)[None]
    width = round(240 * rgb.shape[3] / rgb.shape[2])
    return rgb_to_lab(torch.nn.functional.interpolate(rgb, size=(240, width), mode="area"))


def summary(mask: np.ndarray) -> tuple[float, float, float]:
    """Return the area of a mask and its center, as fractions of the image."""
    rows, columns = np.nonzero(mask)
    return float(mask.mean()), float(rows.mean() / mask.shape[0]), float(columns.mean() / mask.shape[1])


def selections(name: str, kind: str) -> list[tuple[float, float, float]]:
    lab = lab_of(name)
    lightness, ab = lab[:, :1], lab[0, 1:]
    size = (lab.shape[3], lab.shape[2])
    places = [(x * size[0], y * size[1]) for x, y in PLACES]
    if kind == "outlines":
        masks = []
        for x, y in places:
            path = [(x + 60 * np.cos(turn), y + 60 * np.sin(turn)) for turn in np.linspace(0, 6, 24)]
            masks.append(select_outlined(lightness, ab, path, size))
        return [summary(mask.array()) for mask in masks]
    features = cache(segmenter_features)
    return [
        summary(select_at(lightness, place, size, scale, features=features).array())
        for place in places
        for scale in SIZES
    ]


def test_selections_equal_stored_results() -> None:
    for name, kind in list(STORED):
        wanted = np.array(STORED[name, kind].split(), float).reshape(-1, 3)
        np.testing.assert_allclose(selections(name, kind), wanted, rtol=0, atol=1e-3)


def test_resize_mask_dilates_and_erodes() -> None:
    rows, columns = np.mgrid[:120, :120]
    disc = np.hypot(rows - 60, columns - 60) <= 30
    mask, dot = Mask.of(disc), Mask.of(np.eye(9, dtype=bool))
    for size, radius in ((1, 0), (1.01, 1), (0.99, -1), (2, 4), (0.5, -4)):
        found = resize_mask(mask, size).array()
        assert np.sqrt(found.sum() / np.pi) == pytest.approx(30 + radius, abs=0.5)
        assert ndimage.center_of_mass(found) == pytest.approx((60, 60))
    assert resize_mask(dot, 0.5) == dot


def test_select_at_excludes_objects_larger_than_the_visible_part() -> None:
    lightness = lab_of("coffee.jpg")[:, :1]
    size, features = (lightness.shape[3], lightness.shape[2]), cache(segmenter_features)
    place = (0.3 * size[0], 0.3 * size[1])
    less, whole, hidden = (
        select_at(lightness, place, size, scale, visible=visible, features=features)
        for scale, visible in ((0.8, 1), (1, 0.5), (1, 0.2))
    )
    assert hidden == less != whole


def test_select_at_area_grows_with_the_size() -> None:
    """Each mask contains the pixels around the click and is connected."""
    for place in [(150.0, 120.0), (306.0, 72.0)]:
        lightness = lab_of("chelsea_cat.jpg")[:, :1]
        size, (column, row) = (lightness.shape[3], lightness.shape[2]), (int(place[0]), int(place[1]))
        features = cache(segmenter_features)
        masks = [
            select_at(lightness, place, size, 1.25**step, features=features).array() for step in range(-5, 6)
        ]
        areas = [mask.sum() for mask in masks]
        assert areas == sorted(areas)
        assert len(set(areas)) > 5
        assert 9 <= areas[0] < areas[-1]
        for mask in masks:
            assert mask[row - 1 : row + 2, column - 1 : column + 2].all()
            assert ndimage.label(mask)[1] == 1


def test_select_at_with_smaller_sizes_selects_the_eye_of_a_cat() -> None:
    """At the whole-image resolution an eye has too few pixels for the network."""
    lightness = lab_of("chelsea_cat.jpg")[:, :1]
    features = cache(segmenter_features)
    for x, y in ((94.0, 64.0), (175.0, 75.0)):
        cat, around, eye = (
            select_at(lightness, (2 * x, 2 * y), (720, 480), size, features=features).array()
            for size in (1.0, 0.8, 0.5)
        )
        assert cat.mean() > 0.5
        for mask, least, most in ((around, 0.002, 0.02), (eye, 0.0005, 0.004)):
            assert least < mask.mean() < most
            rows, columns = np.nonzero(mask)
            assert np.hypot(rows.mean() - y, columns.mean() - x) < 8


def test_find_parts_returns_named_disjoint_masks_of_a_portrait() -> None:
    rgb = torch.from_numpy(data.astronaut()).permute(2, 0, 1)[None] / 255
    lightness = rgb_to_lab(F.interpolate(rgb, size=(384, 384), mode="area"))[:, :1]
    parts = {name: mask.array() for name, mask in find_parts(lightness).items()}
    assert {"skin", "hair"} <= set(parts)
    assert parts["skin"][100, 165], "the nose"
    assert parts["hair"][70, 130]
    total = sum(mask.astype(int) for mask in parts.values())
    assert total.max() == 1, "a pixel is in one part at most"


def test_select_at_on_lips_or_an_eye_selects_the_part_before_the_face() -> None:
    rgb = torch.from_numpy(data.astronaut()[:256, 96:352]).permute(2, 0, 1)[None] / 255
    lightness = rgb_to_lab(rgb)[:, :1]
    features = cache(segmenter_features)
    for place in ((136.0, 149.0), (149.0, 101.0)):  # the lips, and the left eye
        part, larger = (
            select_at(lightness, place, (256, 256), size, features=features).array() for size in (1.0, 2.0)
        )
        assert 0.0005 < part.mean() < 0.02
        assert larger.mean() > 4 * part.mean()  # More still leads to the face
    face = select_at(lightness, (108.0, 160.0), (256, 256), features=features).array()
    assert face.mean() > 0.02  # skin is not a part of this kind


@pytest.mark.parametrize("size", [(3, 700), (700, 3), (1, 4000)])
def test_objects_in_thin_strips_need_few_features(size: tuple[int, int]) -> None:
    lightness = torch.rand(1, 1, *size) * 100
    photo, strip = (segmenter_features(each).coarse for each in (torch.rand(1, 1, 64, 64) * 100, lightness))
    assert strip.numel() <= 8 * photo.numel()
    mask = select_at(lightness, (size[1] / 2, size[0] / 2), (size[1], size[0])).array()
    assert mask.shape == size
    assert mask[size[0] // 2, size[1] // 2]
