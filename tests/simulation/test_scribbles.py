"""Simulated scribbles: each setting, on an image with one straight color edge; and bled edges."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.randomness import image_generators
from colorzoo.simulation import BledEdgeScribbles, SessionResult, TargetImage
from colorzoo.simulation.scribbles import bled_edges, bled_runs, draw_runs, lost_edges, simulate_scribbles
from colorzoo.testing import sample_image

SIDE, EDGE = 96, 32


def truth(images: int) -> Tensor:
    ab = torch.zeros(images, 2, SIDE, SIDE)
    ab[..., EDGE:] = 40
    return ab


def stroke_masks(images: int = 24, **changes: Any) -> Tensor:
    """Return masks ``(B, H, W)`` of simulated strokes for a gray prediction."""
    true, generators = truth(images), image_generators(torch.arange(images), "test")
    settings = {"none": 0, "jitter": 0, "most": 1, **changes}
    return simulate_scribbles(torch.zeros_like(true), true, generators, **settings).mask[:, 0]


def test_draw_runs_ignores_pixels_outside_the_image() -> None:
    run = np.array([[-1, 0], [0, -1], [0, 0], [2, 3], [3, 0], [0, 4]])
    mask = draw_runs([run], 1, torch.zeros(1, 1, 3, 4))
    assert mask[0, 0].nonzero().tolist() == [[0, 0], [2, 3]]


def test_simulated_stroke_extends_by_reach_in_each_direction() -> None:
    rows = stroke_masks(reach=(20, 20), widths=(1,)).amax(dim=2).sum(dim=1)
    assert rows.max() == 41
    assert rows.min() >= 21  # the border of the image can cut off half of it


def test_simulated_stroke_width_is_one_of_the_widths() -> None:
    across = {width: stroke_masks(widths=(width,)).sum(dim=2).amax(dim=1) for width in (1, 5)}
    assert torch.equal(across[5], across[1] + 4)
    mixed = stroke_masks(widths=(1, 5)).sum(dim=2).amax(dim=1)
    assert set(mixed.tolist()) == set(across[1].tolist()) | set(across[5].tolist())


def test_simulate_scribbles_drops_short_strokes() -> None:
    assert stroke_masks(reach=(3, 3), widths=(1,), shortest=30).sum() == 0
    assert (stroke_masks(reach=(3, 3), widths=(1,), shortest=4).sum(dim=(1, 2)) > 0).all()


def test_lost_edges_contains_edges_above_the_threshold() -> None:
    for changes, kept, is_lost in [
        ({"lost": 0.1}, 0.91, False),
        ({"lost": 0.1}, 0.89, True),
        ({}, 0.71, False),
        ({}, 0.69, True),
    ]:
        other = truth(1)
        other[:, :, 60:, EDGE:] = 0  # the edge is missing there
        mixed = torch.where(torch.arange(SIDE).view(-1, 1) < 60, kept * truth(1), other)
        rows = lost_edges(mixed, truth(1), **changes)[0][0, 0].amax(dim=1)
        assert rows[90] == 1
        assert rows[5] == is_lost


def test_jitter_limits_stroke_displacement() -> None:
    straight, bent = stroke_masks(widths=(3,)), stroke_masks(widths=(3,), jitter=4.0)
    columns = bent.amax(dim=(0, 1)).nonzero()[:, 0]
    assert not torch.equal(straight, bent)
    assert EDGE - 7 <= int(columns.min()) < EDGE - 3
    assert EDGE + 2 < int(columns.max()) <= EDGE + 6


def striped_rgb() -> Tensor:
    """Return an image with three vertical color edges of growing strength."""
    rgb = torch.full((1, 3, 64, 64), 0.5)
    for column, strength in ((16, 0.05), (32, 0.12), (48, 0.3)):
        rgb[:, 0, :, column:] += strength * (1 if column != 48 else -1)
    return rgb


def test_bled_edge_scribbles_cover_the_strongest_edge_first() -> None:
    rgb = striped_rgb()
    lab = rgb_to_lab(rgb)
    gray = SessionResult(rgb, torch.zeros_like(lab[:, 1:]))
    user = BledEdgeScribbles(width=5)
    given, _ = user.begin(TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=7), gray, None)(1, gray)
    columns = given.scribbles.mask[0, 0].amax(dim=0).nonzero()[:, 0].tolist()
    assert columns
    assert all(43 <= column <= 53 for column in columns)  # only the strongest edge at column 48


def test_bled_edges_excludes_edges_of_the_prediction() -> None:
    ab = rgb_to_lab(striped_rgb())[:, 1:]
    assert bled_edges(ab, ab).sum() == 0
    kept = ab.clone()
    kept[..., :40] = 0  # removes the edge at 32 and keeps the edge at 48
    columns = bled_edges(kept, ab)[0, 0].amax(dim=0).nonzero()[:, 0]
    assert not bool(((columns > 44) & (columns < 52)).any())
    assert bled_runs(ab, ab) == []


def test_bled_runs_have_limited_length_and_do_not_overlap() -> None:
    ab = rgb_to_lab(sample_image((300, 300), seed=5))[:, 1:]
    runs = bled_runs(torch.zeros_like(ab), ab)
    assert runs
    assert all(10 <= len(run) <= 120 for run in runs)
    marked = torch.zeros(300, 300)
    for run in runs:
        marked[run[:, 0], run[:, 1]] += 1
    assert marked.max() == 1  # no pixel belongs to two strokes


def test_bled_edge_scribbles_raises_error_for_invalid_settings() -> None:
    for wrong in [{"width": 4}, {"width": -1}, {"jitter": -0.1}, {"coverage": 0}, {"coverage": 1.1}]:
        BledEdgeScribbles(width=1, jitter=0, coverage=1)
        with pytest.raises(GuidanceError, match=r"width.*jitter.*coverage"):
            BledEdgeScribbles(**wrong)


def summary(masks: Tensor) -> list[tuple[float, float, float]]:
    """Return the pixels of masks ``(B, 1, H, W)``, and their mean row and column."""
    places = (mask[0].nonzero().float() for mask in masks)
    return [(len(each), *each.mean(dim=0).tolist()) for each in places if len(each)]


def test_scribbles_of_a_seed_equal_stored_values() -> None:
    """Training and tables stay reproducible; the fourth image is one of the 10 % without strokes."""
    rgb = sample_image((60, 80), batch=6, seed=2)
    lab = rgb_to_lab(rgb)
    drawn = simulate_scribbles(lab[:, 1:] / 2, lab[:, 1:], image_generators(torch.arange(56, 62), "test"))
    wanted = [(139, 45.92, 25.76), (101, 16.51, 68.68), (401, 33.27, 50.64), (280, 28.34, 54.0)]
    assert summary(drawn.mask) == [pytest.approx(each, abs=0.01) for each in [*wanted, (79, 45.76, 14.76)]]
    target, gray = TargetImage(lab[:1, :1], rgb[:1], lab[:1, 1:], 7), SessionResult(rgb, 0 * lab[:1, 1:])
    play = BledEdgeScribbles(width=3, jitter=2.0, coverage=0.6).begin(target, gray, None)
    given = [play(count, gray) for count in (1, 2, 9)]
    assert [interactions for _, interactions in given] == [1, 2, 5]
    found = summary(torch.cat([guidance.scribbles.mask for guidance, _ in given]))
    wanted = [(114, 46.62, 28.5), (205, 40.02, 48.06), (356, 34.85, 35.27)]
    assert found == [pytest.approx(each, abs=0.01) for each in wanted]
