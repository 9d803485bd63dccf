"""colorzoo2026_drawing: region colors, hints, second views, and cells without ink."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from colorzoo.color import rgb_to_lab
from colorzoo.drawing.region_colors import contrasting_colors, likely_color, vivid_color
from colorzoo.factory import build_model
from colorzoo.prediction import RgbPrediction
from colorzoo.registry import load_task_class, model_card
from colorzoo.zoo.colorzoo2026_drawing.model import COLORS, Maps, observed_points, scale_lab
from colorzoo.zoo.colorzoo2026_drawing.task import (
    Colorzoo2026DrawingTask,
    cell_colors,
    random_hints,
    random_reference_cells,
    random_views,
)
from knobs.knob import Knobs

DEFAULTS = {"hinted": 0.55, "copied": 0.75, "recolored": 0.4, "paired": 1 / 3, "paired_hinted": 0.25}
PLAIN = {**DEFAULTS, "hinted": 0, "paired": 0, "recolored": 0}
STOP = 0.14  # default probability of the last hint


def drawings(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return framed drawings in two random colors ``(B, 3, 64, 64)`` and their lines ``(B, 1, 64, 64)``."""
    generator = torch.Generator().manual_seed(0)
    colors = 0.1 + 0.8 * torch.rand(count, 3, 2, generator=generator)
    rgb = torch.repeat_interleave(colors, 32, dim=2)[..., None].expand(-1, -1, -1, 64).clone()
    sketch = torch.ones(count, 1, 64, 64)
    sketch[:, :, 30:34] = sketch[:, :, :, 30:34] = 0
    return rgb * sketch, sketch


def task(**settings) -> Colorzoo2026DrawingTask:
    torch.manual_seed(0)
    card = model_card("colorzoo2026_drawing")
    built = build_model(load_task_class(card), {**card.contract_test.hparams, **settings})
    built.log_losses = lambda losses, images: built.__dict__.update(losses=losses, images=images)
    return built.train()


def batch_of(rgb: torch.Tensor, sketch: torch.Tensor) -> dict:
    return {"rgb": rgb, "sketch": sketch, "seed": torch.arange(len(rgb)), "name": [""] * len(rgb)}


def test_colors_of_ink_do_not_change_the_loss() -> None:
    model, (rgb, sketch) = task(hinted=0.5, paired=0.0, recolored=0.0), drawings(6)
    expected = model.training_step(batch_of(rgb, sketch), 0)
    noise = torch.rand(rgb.shape, generator=torch.Generator().manual_seed(1))
    same = model.training_step(batch_of(torch.where(sketch == 0, noise, rgb), sketch), 0)
    other = model.training_step(batch_of(torch.where(sketch == 1, noise, rgb), sketch), 0)
    assert same.item() == pytest.approx(expected.item(), abs=1e-5)
    assert abs(other - expected) > 1e-2


def test_hints_are_discs_in_true_colors_on_paper() -> None:
    rgb, sketch = drawings(200)
    views = random_views(rgb, sketch, torch.arange(200), **{**PLAIN, "hinted": 0.5})
    hints = random_hints(views, STOP)
    mask = hints[:, 3] > 0
    assert 0.4 < mask.flatten(1).any(1).float().mean() < 0.6
    assert not mask[sketch[:, 0] == 0].any()
    true = scale_lab(rgb_to_lab(rgb).movedim(1, -1))
    assert torch.allclose(hints[:, :3].movedim(1, -1)[mask], true[mask])
    assert (hints[:, :3].movedim(1, -1)[~mask] == 0).all()
    pixels = mask.flatten(1).sum(1)
    assert pixels[pixels > 0].min() < 15  # a single disc
    assert pixels.max() > 150


def test_drawings_have_one_hint_if_the_stop_probability_is_1() -> None:
    views = random_views(*drawings(20), torch.arange(20), **{**PLAIN, "hinted": 1})
    mask = random_hints(views, 1)[:, 3]
    pixels = mask.flatten(1).sum(1)
    assert 0 < pixels.max() <= 29  # a disc with a radius of 3 pixels


def test_hue_changes_only_in_drawings_with_hints_or_a_second_view() -> None:
    rgb, sketch = drawings(300)
    true = scale_lab(rgb_to_lab(rgb).movedim(1, -1)).movedim(-1, 1)
    views = random_views(rgb, sketch, torch.arange(300), **DEFAULTS)
    moved = (views.color[:300] - true).flatten(1).abs().amax(1) > 1e-4
    paired = torch.zeros(300, dtype=torch.bool)
    paired[views.drawing[300:]] = True
    hinted = random_hints(views, STOP)[:300, 3].flatten(1).any(1)
    guided = hinted | paired
    assert not (moved & ~guided).any()
    assert 0.3 < moved[guided].float().mean() < 0.5


def test_second_views_show_the_drawing_and_have_references_in_each_other() -> None:
    rgb, sketch = drawings(60)
    views = random_views(rgb, sketch, torch.arange(60), **DEFAULTS)
    count = len(views.sketch)
    assert 10 < count - 60 < 30
    assert torch.equal(views.other[views.other], torch.arange(count))
    assert torch.equal(views.drawing[views.other], views.drawing)
    color, is_paper = cell_colors(views)
    cells, weight = random_reference_cells(views, is_paper, 1.0)
    single = views.other == torch.arange(count)
    assert (weight[single] == 0).all()
    selected = weight[~single].sum(1)
    assert selected.min() >= 16
    assert selected.max() <= 128
    assert selected.float().std() > 10
    for view in (~single).nonzero()[:, 0]:
        found = cells[view][weight[view] > 0]
        assert len(found.unique()) == len(found)
        assert (is_paper[views.other[view]][found] == 1).all()
        # the colors of the drawing, or the white paper around a warped drawing
        palette = torch.cat(
            [color[views.drawing[view]][is_paper[views.drawing[view]] == 1], color.new_tensor([[0.6, 0, 0]])]
        )
        near = torch.cdist(color[views.other[view]][found], palette).amin(1)
        assert (near < 0.3).float().mean() > 0.7


def test_views_and_hints_of_a_drawing_depend_only_on_its_seed() -> None:
    (rgb, sketch), seeds = drawings(8), torch.arange(8) + 5
    together = random_views(rgb, sketch, seeds, **{**DEFAULTS, "paired": 0.5})
    hints = random_hints(together, STOP)
    for number in range(8):
        own = slice(number, number + 1)
        alone = random_views(rgb[own], sketch[own], seeds[own], **{**DEFAULTS, "paired": 0.5})
        rows = together.drawing == number
        assert torch.allclose(alone.color, together.color[rows], atol=1e-5)
        assert torch.allclose(alone.sketch, together.sketch[rows], atol=1e-5)
        assert torch.allclose(random_hints(alone, STOP), hints[rows], atol=1e-5)


def test_observed_points_of_a_large_area_are_spread_over_the_area() -> None:
    rows = torch.arange(56.0).repeat_interleave(56)[None, :, None]  # row of each cell
    maps = Maps(torch.zeros(1, 56 * 56, 256), torch.zeros(1, 56 * 56, 3), embedding=rows)
    hints = torch.zeros(1, 4, 224, 224)
    hints[:, 3, :160] = 1  # 40 of 56 rows of cells, 2240 cells
    observed = observed_points(maps, hints)
    counts = torch.bincount(observed.embedding[0, :, 0].long(), minlength=56)
    assert observed.weight.shape == (1, 747)
    assert counts[:40].min() >= 18
    assert counts[:40].max() <= 19


def test_training_learns_to_copy_colors_from_references() -> None:
    """The colors of the drawings are random, so that only a reference predicts them."""
    model = task(hinted=0.0, paired=1.0, referenced=1.0)
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    rgb, sketch = drawings(240)
    for step in range(30):
        rows = torch.arange(8 * step, 8 * step + 8)
        loss = model.training_step({**batch_of(rgb[rows], sketch[rows]), "seed": rows}, 0)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert model.images == 8
    assert model.losses["classes"] < 0.8 * model.losses["network"]


def test_vivid_color_raises_only_the_chroma_of_mixed_hues() -> None:
    centers = torch.tensor([[0.2, 1.0, 0.2], [0.2, -0.8, 0.2], [0.2, 0.5, 0.5]])
    pooled = torch.tensor([[0.5, 0.4, 0.1], [0.0, 0.0, 1.0]]).clamp(min=1e-9).log()
    likely, vivid = (function(pooled, centers, 1.0) for function in (likely_color, vivid_color))
    assert vivid[0, 1:].norm() > 1.2 * likely[0, 1:].norm()
    torch.testing.assert_close(F.normalize(vivid[0, 1:], dim=0), F.normalize(likely[0, 1:], dim=0))
    torch.testing.assert_close(vivid[:, 0], likely[:, 0])
    torch.testing.assert_close(vivid[1], likely[1])


@pytest.mark.parametrize("is_dull", [True, False])
def test_dull_drawings_get_different_colors(is_dull: bool) -> None:
    """Eight regions are red or blue with equal probability, which is dull, or half of them are mostly red."""
    model, count = task().model, 8
    hues = torch.tensor([[60.0, 50.0, 20.0], [60.0, -50.0, -20.0]])
    model.centers[:] = scale_lab(hues.repeat(COLORS // 2, 1))
    hue_probabilities = torch.full((count, 2), 0.5)
    if not is_dull:
        hue_probabilities[: count // 2] = torch.tensor([0.9, 0.1])
        hue_probabilities[count // 2 :] = torch.tensor([0.1, 0.9])
    probabilities = hue_probabilities.repeat(1, COLORS // 2) / (COLORS // 2)
    embedding = torch.eye(count, 64).T.reshape(1, 64, count, 1)  # dissimilar regions, which copy no color
    extras = {"color_log_probabilities": probabilities.log().T[None, :, :, None], "embedding": embedding}
    prediction = RgbPrediction(rgb=torch.zeros(1, 3, count, 1), extras=extras)
    with torch.no_grad():
        rgb = model.region_colors(prediction, torch.eye(count))
    ab = rgb_to_lab(rgb.T[None, :, :, None])[0, 1:, :, 0]
    assert ab.std(dim=1).max() > 10
    if not is_dull:
        torch.testing.assert_close(ab[:, 0], ab[:, 1])


@pytest.mark.parametrize("seed", [0, 1])
def test_similar_regions_share_a_color_that_other_objects_do_not_have(seed: int) -> None:
    """Region 0 is red, regions 1 and 2 are one object that can be red or blue, and region 3 is paper."""
    colors = torch.tensor([[0.5, 1.0, 0.5], [0.5, -1.0, -0.5]])
    pooled = torch.tensor([[0.999, 0.001], [0.6, 0.4], [0.7, 0.3], [0.5, 0.5]]).log()
    similarity = torch.eye(4)
    similarity[1, 2] = similarity[2, 1] = 0.9
    weights = torch.tensor([0.4, 0.3, 0.3, 0.0])
    found, has_color = contrasting_colors(pooled, colors, similarity, weights, torch.arange(4), seed=seed)
    torch.testing.assert_close(found[:3], colors[[0, 1, 1]])
    assert has_color.tolist() == [True, True, True, False]


@pytest.mark.parametrize("seed", [0, 1])
def test_light_regions_join_the_most_similar_object(seed: int) -> None:
    """Regions 0 and 2 are compared; region 1 is similar to region 2, and region 3 to neither."""
    colors = torch.tensor([[0.5, 1.0, 0.5], [0.5, -1.0, -0.5]])
    pooled = torch.tensor([[0.999, 0.001], [0.5, 0.5], [0.001, 0.999], [0.5, 0.5], [0.5, 0.5]]).log()
    similarity = torch.tensor([[1.0, 0.2, 0.1, 0.3, 0.2], [0.1, 0.9, 1.0, 0.4, 0.9]])
    weights = torch.tensor([0.5, 0.1, 0.3, 0.1, 0.0])
    compared = torch.tensor([0, 2])
    found, has_color = contrasting_colors(pooled, colors, similarity, weights, compared, seed=seed)
    assert has_color.tolist() == [True, True, True, False, False]
    torch.testing.assert_close(found[:3], colors[[0, 1, 1]])


class LargestTensor(TorchDispatchMode):
    """Record the number of elements of the largest result of an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, torch.Tensor):
                self.elements = max(self.elements, each.numel())
        return result


def test_thousands_of_regions_are_not_all_compared_with_each_other() -> None:
    model, count = task().model, 3000
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(1, COLORS, 8, 8, generator=generator).log_softmax(1)
    extras = {"color_log_probabilities": probabilities, "embedding": torch.rand(1, 64, 8, 8)}
    prediction = RgbPrediction(rgb=torch.zeros(1, 3, 8, 8), extras=extras)
    votes = torch.rand(count, 64, generator=generator)
    palette = torch.rand(5, 3, generator=generator)
    with torch.no_grad(), LargestTensor() as largest:
        for settings in ({"variant": 1}, {"palette": palette}):
            rgb = model.region_colors(prediction, votes, **settings)
            assert rgb.shape == (count, 3)
        order = model.rank_regions(prediction, votes, votes.sum(1))
        model.region_similarity(prediction, votes, torch.tensor([5, 7]))
    assert sorted(order) == list(range(count))
    assert largest.elements < count * count / 2


@pytest.mark.parametrize("variant", [0, 1])
def test_regions_that_look_like_paper_are_exactly_white(variant: int) -> None:
    """Region 0 is cream, regions 1 and 2 are nearly white, and region 3 is red."""
    model, count = task().model, 4
    labs = torch.tensor([[92.0, 2.0, 14.0], [96.0, 2.0, 4.0], [91.0, 0.0, -3.0], [50.0, 60.0, 40.0]])
    model.centers[:count] = scale_lab(labs)
    logits = torch.full((count, COLORS), -30.0)
    logits[:, :count].fill_diagonal_(0)
    extras = {
        "color_log_probabilities": logits.log_softmax(1).T[None, :, :, None],
        "embedding": torch.eye(count, 64).T.reshape(1, 64, count, 1),
    }
    prediction = RgbPrediction(rgb=torch.zeros(1, 3, count, 1), extras=extras)
    with torch.no_grad():
        rgb = model.region_colors(prediction, torch.eye(count), None, variant)
        limited = model.region_colors(prediction, torch.eye(count), torch.tensor([[0.96, 0.95, 0.96]]))
    assert (rgb == 1).all(1).tolist() == [False, True, True, False]
    assert limited.max() < 0.97  # a palette also limits the color of paper


def test_equally_likely_palette_colors_are_not_mixed() -> None:
    model, count = task().model, 4
    probabilities = torch.full((count, COLORS), 1 / COLORS)
    extras = {
        "color_log_probabilities": probabilities.log().T[None, :, :, None],
        "embedding": torch.eye(count, 64).T.reshape(1, 64, count, 1),
    }
    prediction = RgbPrediction(rgb=torch.zeros(1, 3, count, 1), extras=extras)
    palette = torch.tensor([[0.8, 0.2, 0.2], [0.2, 0.2, 0.8]])
    with torch.no_grad():
        rgb = model.region_colors(prediction, torch.eye(count), palette)
    assert torch.cdist(rgb, palette).amin(1).max() < 1 / 255
    assert len(rgb.round(decimals=2).unique(dim=0)) == 2


KNOBS = {
    "colorzoo2026_drawing": Knobs(
        values={
            "stem": (8, 8), "widths": (16, 32, 64), "blocks": (1, 2, 1), "decoder": 32, "vector": 32,
            "embedding": 32, "hinted": 0.0, "stop_probability": 0.9, "copied": 0.0, "recolored": 1.0,
            "paired": 0.0, "paired_hinted": 1.0, "referenced": 0.0,
        },
        batch=16,
    ),
}  # fmt: skip
