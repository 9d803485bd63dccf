"""What a click and an outline select: stored answers on two photos, in which every number counts."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.inference.selection import features_of, outline_mask, resize_mask, select_at, select_outlined
from colorzoo.pictures.read import read_picture

PHOTOS = Path(__file__).parents[1] / "data" / "pictures"
PLACES = ((0.3, 0.3), (0.5, 0.5), (0.7, 0.8))
# share, row and column of what is selected at each place and size
STORED: dict[tuple[str, str], list[tuple[float, float, float]]] = {
    ("chelsea_cat.jpg", "lightness"): [
        (0.0961, 0.2744, 0.3040),
        (0.4406, 0.3548, 0.3663),
        (0.1097, 0.4321, 0.5322),
        (0.5720, 0.4057, 0.5127),
        (0.1143, 0.7868, 0.7226),
        (0.4983, 0.6587, 0.6298),
    ],
    ("chelsea_cat.jpg", "features"): [
        (0.1171, 0.2816, 0.3016),
        (0.5236, 0.4013, 0.3969),
        (0.2072, 0.4260, 0.5001),
        (0.5824, 0.4104, 0.4262),
        (0.1406, 0.7684, 0.7664),
        (0.3473, 0.7184, 0.7009),
    ],
    ("chelsea_cat.jpg", "outlines"): [
        (0.0842, 0.2936, 0.3086),
        (0.1081, 0.5016, 0.5084),
        (0.1003, 0.8041, 0.7073),
    ],
    ("coffee.jpg", "lightness"): [
        (0.0989, 0.2902, 0.4087),
        (0.2944, 0.2898, 0.3788),
        (0.0832, 0.3537, 0.5005),
        (0.2600, 0.3163, 0.5381),
        (0.1538, 0.6825, 0.7320),
        (0.7059, 0.5513, 0.5580),
    ],
    ("coffee.jpg", "features"): [
        (0.1305, 0.2764, 0.4724),
        (0.3838, 0.2859, 0.4756),
        (0.1247, 0.3286, 0.5022),
        (0.2709, 0.3985, 0.5021),
        (0.1099, 0.6647, 0.7166),
        (0.6561, 0.5590, 0.5632),
    ],
    ("coffee.jpg", "outlines"): [
        (0.0855, 0.3220, 0.2988),
        (0.0942, 0.4904, 0.4889),
        (0.0923, 0.7775, 0.6861),
    ],
}


def lab_of(name: str) -> Tensor:
    """Return ``(1, 3, 240, w)`` of a photo."""
    rgb = torch.from_numpy(read_picture(PHOTOS / name).rgb).permute(2, 0, 1)[None]
    width = round(240 * rgb.shape[3] / rgb.shape[2])
    return rgb_to_lab(torch.nn.functional.interpolate(rgb, size=(240, width), mode="area"))


def summary(mask: np.ndarray) -> tuple[float, float, float]:
    """Return the share of a mask, and the center of it, as shares of the sides."""
    rows, columns = np.nonzero(mask)
    return float(mask.mean()), float(rows.mean() / mask.shape[0]), float(columns.mean() / mask.shape[1])


def answers(name: str, kind: str) -> list[tuple[float, float, float]]:
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
    features = None if kind == "lightness" else features_of(create_coloring_model("colorzoo2026"), lightness)
    return [
        summary(select_at(lightness, features, place, size, scale).array())
        for place in places
        for scale in (1.0, 2.0)
    ]


@pytest.mark.parametrize(("name", "kind"), list(STORED), ids=str)
def test_selections_are_those_of_before(name: str, kind: str) -> None:
    np.testing.assert_allclose(answers(name, kind), STORED[name, kind], rtol=0, atol=3e-3)


def test_a_mask_grows_by_a_tenth_of_its_size_per_e_fold() -> None:
    square = [(20.0, 20.0), (60.0, 20.0), (60.0, 60.0), (20.0, 60.0)]
    mask = outline_mask(torch.zeros(1, 1, 80, 80), square, (80, 80))
    side = mask.array().any(0).sum()
    for size, change in ((np.e, 4), (np.e**2, 8), (1 / np.e, -4), (1.01, 1), (1.0, 0)):
        assert resize_mask(mask, float(size)).array().any(0).sum() == side + 2 * change


def test_an_outline_of_few_pixels_is_taken_as_it_is() -> None:
    lab = lab_of("coffee.jpg")
    size = (lab.shape[3], lab.shape[2])
    for side, same in ((4, True), (40, False)):
        path = [(150.0, 100.0), (150.0 + side, 100.0), (150.0 + side, 100.0 + side), (150.0, 100.0 + side)]
        found = select_outlined(lab[:, :1], lab[0, 1:], path, size).array()
        assert np.array_equal(found, outline_mask(lab[:, :1], path, size).array()) == same
