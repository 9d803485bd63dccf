"""colorzoo2026: points, references, statistics, pooling, edits with cached results, and training losses."""

from __future__ import annotations

import math
from itertools import combinations
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.color import rgb2lab
from torch import Tensor
from torch.nn import functional as F

from colorzoo import Guidance
from colorzoo.card import ModelCard
from colorzoo.color import hull_centers, lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import ClassMap, Exemplar, GlobalStatistics, Points, statistics_of
from colorzoo.guidance.color_statistics import mean_saturation
from colorzoo.networks.blocks import take_cells
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model, sample_call
from colorzoo.testing.samples import sample_batch
from colorzoo.zoo.colorzoo2026.model import (
    Blocks,
    Colorzoo2026,
    condition,
    match_histogram,
    match_saturation,
    observe_references,
    reference_embedding,
)
from colorzoo.zoo.colorzoo2026.points import (
    Cells,
    Observations,
    boost_chroma,
    cell_covariance,
    observe,
    pool_logits,
)
from colorzoo.zoo.colorzoo2026.task import Colorzoo2026Task, random_cells
from knobs.knob import Knobs
from steps.step import gradients, same, small

SIZE = (64, 96)
CLICKS = ((10, 20, 30.0, 20.0), (50, 90, -20.0, 40.0), (40, 60, 0.0, -45.0))
CENTERS = hull_centers() / 50
BINS = len(CENTERS)
GRID = (8, 8)
GRID_CELLS = GRID[0] * GRID[1]
WARM, COLD = 0.5, 3.6  # hues
STATISTICS_CELLS = 200
ALPHA = 0.8
SIDE, CLASSES = 64, 5
CPU = torch.device("cpu")
CELLS = (SIDE // 4) ** 2
WEIGHTS = {"classes": 1.0, "colors": 3.0, "points": 2.0, "variance": 0.01, "labels": 0.05}
DELTA = 0.2

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return model_card("colorzoo2026")


@pytest.fixture(scope="module")
def model(card: ModelCard) -> Colorzoo2026:
    found = contract_test_model(card).model
    assert isinstance(found, Colorzoo2026)
    return found


@pytest.fixture(scope="module")
def trained() -> Colorzoo2026:
    found = create_coloring_model("colorzoo2026", offline=True).eval()
    assert isinstance(found, Colorzoo2026)
    return found


@pytest.fixture(scope="module")
def lightness() -> Tensor:
    return rgb_to_lab(sample_image(SIZE))[:, :1]


def points(*clicks: tuple[int, int, float, float], size: tuple[int, int] = SIZE) -> Guidance:
    ab, mask = torch.zeros(1, 2, *size), torch.zeros(1, 1, *size)
    for row, column, a, b in clicks:
        ab[0, :, row, column] = torch.tensor([a, b])
        mask[0, 0, row, column] = 1
    return Guidance(points=Points(ab, mask))


@torch.no_grad()
def test_posterior_has_the_observed_colors_at_points(model: Colorzoo2026, lightness: Tensor) -> None:
    seen = model.analyze(lightness)
    observed = observe(torch.randn(1, 2, *SIZE), points(*CLICKS).points.mask, seen.grid)
    across = cell_covariance(seen.cells, seen.cells.take(observed.cell))
    change = take_cells(model.covariance.posterior(across, observed).change, observed.cell)
    assert torch.allclose(change, observed.residual, atol=0.02)
    with pytest.raises(torch.linalg.LinAlgError):  # an error instead of NaN colors
        model.covariance.posterior(-across, observed)


@torch.no_grad()
def test_point_with_the_predicted_color_changes_nothing(model: Colorzoo2026, lightness: Tensor) -> None:
    plain = model(lightness).ab
    clicks = [(row, column, *map(float, plain[0, :, row, column])) for row, column, _, _ in CLICKS]
    assert (model(lightness, points(*clicks)).ab - plain).abs().max() < 1e-3


def reference(hue: float, alpha: float = 1.0) -> Exemplar:
    """Return the image of the fixture in one hue."""
    lab = rgb_to_lab(sample_image(SIZE))
    lab[:, 1:] = 25 * torch.tensor([math.cos(hue), math.sin(hue)]).view(1, 2, 1, 1)
    return Exemplar(lab_to_rgb(lab).clamp(0, 1), alpha=alpha)


@torch.no_grad()
def test_points_are_combined_with_a_reference(trained: Colorzoo2026, lightness: Tensor) -> None:
    both = Guidance(points=points(*CLICKS).points, exemplar=reference(0.5))
    ab = trained(lightness, both).ab
    for row, column, a, b in CLICKS:
        assert (ab[0, :, row, column] - torch.tensor([a, b])).norm() < 14
    plain = trained(lightness, Guidance(exemplar=both.exemplar)).ab
    clicks = [(row, column, *map(float, plain[0, :, row, column])) for row, column, _, _ in CLICKS]
    same = Guidance(points=points(*clicks).points, exemplar=both.exemplar)
    assert (trained(lightness, same).ab - plain).abs().max() < 1e-3


@torch.no_grad()
def test_edit_with_a_reference_reuses_the_cached_match(
    trained: Colorzoo2026, lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = None
    for alpha in (1.0, 0.5):
        guidance = Guidance(points(*CLICKS).points, exemplar=reference(0.5, alpha=alpha))
        want = trained(lightness, guidance).ab
        encoded = trained.encode_image(lightness, Guidance(exemplar=reference(0.5, alpha=alpha)), encoded)
        with monkeypatch.context() as patch:
            patch.setattr(trained, "encode_reference", lambda _: pytest.fail("the network ran again"))
            assert trained.encode_image(lightness, guidance, encoded) is encoded
            assert torch.equal(trained.decode_image(lightness, guidance, encoded).ab, want)


@torch.no_grad()
def test_encoding_with_another_reference_keeps_the_earlier_encoding(
    trained: Colorzoo2026, lightness: Tensor
) -> None:
    one, other = (Guidance(exemplar=reference(hue)) for hue in (0.5, 0.9))
    encoded = trained.encode_image(lightness, one)
    again = trained.encode_image(lightness, other, encoded)
    for guidance, found in ((one, encoded), (other, again)):
        expected = trained(lightness, guidance).ab
        assert torch.equal(trained.decode_image(lightness, guidance, found).ab, expected)


@torch.no_grad()
def test_edit_equals_forward_without_running_the_network(
    model: Colorzoo2026, lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded = model.encode_image(lightness, points(*CLICKS[:1]))
    want = model(lightness, points(*CLICKS))
    monkeypatch.setattr(model.network, "forward", lambda _: pytest.fail("the network ran again"))
    assert model.encode_image(lightness, points(*CLICKS), encoded) is encoded
    found = model.decode_image(lightness, points(*CLICKS), encoded)
    assert torch.equal(found.ab, want.ab)
    torch.testing.assert_close(found.color_logits, want.color_logits)
    plain, without_points = (
        model.decode_image(lightness, guidance, encoded).ab for guidance in (Guidance(), points())
    )
    assert torch.equal(plain, without_points)


@torch.no_grad()
def test_similarity_is_one_at_the_masked_cells(model: Colorzoo2026, lightness: Tensor) -> None:
    encoded = model.encode_image(lightness, Guidance())
    mask = points(*CLICKS).points.mask
    found = model.similarity(encoded, mask)[0, 0]
    assert 0 <= found.min() < 0.9
    assert found.max() <= 1 + 1e-5
    singly = [model.similarity(encoded, points(click).points.mask)[0, 0] for click in CLICKS]
    assert all(abs(found[row // 4, column // 4] - 1) < 1e-5 for row, column, _, _ in CLICKS)
    torch.testing.assert_close(found, torch.stack(singly).amax(0))


def test_observe_averages_points_per_cell_and_pads_the_batch() -> None:
    missing, mask = torch.zeros(2, 2, 8, 8), torch.zeros(2, 1, 8, 8)
    mask[0, 0, 0, :2] = mask[0, 0, 7, 7] = mask[1, 0, 4, 0] = 1
    missing[0, :, 0, 0], missing[0, :, 0, 1], missing[1, :, 4, 0] = 2.0, 4.0, 5.0
    found = observe(missing, mask, (2, 2))
    assert isinstance(found, Observations)
    assert found.cell[0].tolist() == [0, 3]
    assert found.residual[0, 0].tolist() == [3, 3]
    assert found.valid.tolist() == [[1, 1], [1, 0]]
    assert (int(found.cell[1, 0]), found.residual[1, 0].tolist()) == (2, [5, 5])


def test_observe_subsamples_each_image_of_a_batch_on_its_own() -> None:
    many, few = torch.ones(1, 1, 160, 160), torch.zeros(1, 1, 160, 160)  # 1600 cells of 4 x 4 pixels
    few[..., :4, :16] = 1  # four cells, fewer than the limit
    found = observe(torch.ones(2, 2, 160, 160), torch.cat([many, few]), (40, 40))
    assert found.valid.sum(1).tolist() == [800, 4]
    assert found.cell[0].tolist() == list(range(0, 1600, 2))
    assert found.cell[1, :4].tolist() == [0, 1, 2, 3]


def two_groups() -> Cells:
    """Return equal cells in each half of the grid. The halves are not correlated."""
    coordinates = torch.zeros(1, GRID_CELLS, 2, 5)
    coordinates[:, GRID_CELLS // 2 :] = 20
    return Cells(coordinates, torch.ones(1, GRID_CELLS, 2))


@pytest.fixture
def predicted() -> tuple[torch.Tensor, torch.Tensor]:
    """Return random mean colors and logits of the cells."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, GRID_CELLS, 2, generator=generator), torch.randn(
        1, GRID_CELLS, BINS, generator=generator
    )


def test_pooled_color_of_equal_cells_is_the_mean_of_their_distribution(predicted) -> None:
    logits = predicted[1][:, :1].expand(1, GRID_CELLS, BINS)
    mean = torch.ones(1, GRID_CELLS, 2)
    found = pool_logits(mean, logits, two_groups(), GRID, CENTERS)
    torch.testing.assert_close(found, (logits.softmax(-1) @ CENTERS), atol=1e-4, rtol=1e-4)


def test_pooled_colors_preserve_differences_and_ignore_uncorrelated_cells(predicted) -> None:
    mean, logits = predicted
    found = pool_logits(mean, logits, two_groups(), GRID, CENTERS)[0, : GRID_CELLS // 2]
    differences = (mean[0] - mean[0, 0])[: GRID_CELLS // 2]
    torch.testing.assert_close(found - found[0], differences, atol=1e-4, rtol=1e-4)
    other = logits.clone()
    other[:, GRID_CELLS // 2 :] += 3 * torch.arange(BINS) / BINS
    again = pool_logits(mean, other, two_groups(), GRID, CENTERS)[0]
    torch.testing.assert_close(again[: GRID_CELLS // 2], found, atol=1e-4, rtol=1e-4)
    assert (
        again[GRID_CELLS // 2 :]
        - pool_logits(mean, logits, two_groups(), GRID, CENTERS)[0, GRID_CELLS // 2 :]
    ).abs().min() > 0


def test_pooled_color_excludes_a_bin_that_one_of_the_correlated_blocks_excludes() -> None:
    logits = torch.full((1, GRID_CELLS, BINS), -60.0)
    logits[..., [10, 300]] = 0.0
    logits[:, 0, 10] = -1000.0
    found = pool_logits(torch.zeros(1, GRID_CELLS, 2), logits, two_groups(), GRID, CENTERS)[0]
    torch.testing.assert_close(
        found[: GRID_CELLS // 2], CENTERS[300].expand(GRID_CELLS // 2, 2), atol=1e-3, rtol=0
    )
    torch.testing.assert_close(found[-1], CENTERS[[10, 300]].mean(0), atol=1e-3, rtol=0)


def test_boost_chroma_raises_pale_colors_most_and_keeps_hue_and_order() -> None:
    chroma = torch.tensor([0.02, 0.1, 0.3, 1.0])
    hue = torch.tensor([0.8, -0.6])
    boosted = boost_chroma((chroma[:, None] * hue)[None])[0]
    torch.testing.assert_close(boosted, boosted.norm(dim=-1, keepdim=True) * hue)
    assert (boosted.norm(dim=-1).diff() > 0).all()
    factors = boosted.norm(dim=-1) / chroma
    assert (factors.diff() < 0).all()
    assert factors[:3].min() > 1
    assert boost_chroma(torch.zeros(1, 1, 2)).count_nonzero() == 0


def test_analyze_returns_pooled_and_boosted_colors() -> None:
    torch.manual_seed(0)
    model = Colorzoo2026(stem=(4, 8), widths=(16, 32, 32), blocks=(1, 1, 1), decoder=16, vector=16)
    lightness = 100 * torch.rand(1, 1, 64, 96)
    with torch.no_grad():
        maps = model.network(lightness)
        raw = model.embed(maps, lightness)
        found = model.analyze(lightness)
        wanted = boost_chroma(pool_logits(raw.mean, raw.logits, raw.cells, raw.grid, model.centers))
    torch.testing.assert_close(found.mean, wanted)
    assert not torch.allclose(found.mean, raw.mean)


@torch.inference_mode()
def test_edit_equals_forward_for_every_combination_of_guidance() -> None:
    card, size = model_card("colorzoo2026"), (48, 64)
    model: Any = contract_test_model(card).model
    lightness, every = sample_call(card, size)
    encoded: Any = None
    answers: dict[frozenset[str], Any] = {}
    for count in range(len(card.guidance) + 1):
        for kinds in combinations(card.guidance, count):
            guidance = Guidance(**{kind: getattr(every, kind) for kind in kinds})
            answers[frozenset(kinds)] = model(lightness, guidance).ab
            encoded = model.encode_image(lightness, guidance, encoded)
            found = model.decode_image(lightness, guidance, encoded).ab
            assert (found - answers[frozenset(kinds)]).abs().max() < 1e-3, kinds
    full = answers[frozenset(card.guidance)]
    for kind in card.guidance:  # each kind has an effect besides all others
        assert (full - answers[frozenset(card.guidance) - {kind}]).abs().max() > 0.1, kind


def scene(hue: float, seed: int = 0) -> Tensor:
    """Return a sample image in one hue."""
    lab = rgb_to_lab(sample_image(SIZE, seed=seed))
    lab[:, 1:] = 25 * torch.tensor([math.cos(hue), math.sin(hue)]).view(1, 2, 1, 1)
    return lab_to_rgb(lab).clamp(0, 1)


@pytest.fixture(scope="module")
def scene_lightness() -> Tensor:
    return rgb_to_lab(scene(WARM))[:, :1]


@torch.no_grad()
def colored(trained: Colorzoo2026, scene_lightness: Tensor, exemplar: Exemplar) -> Tensor:
    return trained(scene_lightness, Guidance(exemplar=exemplar)).ab


def mixed(trained: Colorzoo2026, *parts: tuple[Tensor, float]) -> Exemplar:
    """Return the exemplar of references with their weights."""
    with torch.no_grad():
        embeddings = [trained.encode_reference(rgb) for rgb, _ in parts]
    return Exemplar.of_embedding(trained.mix_references(embeddings, [weight for _, weight in parts]))


def warmth(ab: Tensor) -> float:
    """Return the mean color along the warm hue, in CIE units."""
    axis = torch.tensor([math.cos(WARM), math.sin(WARM)]).view(1, 2, 1, 1)
    return float((ab.detach() * axis).sum(1).mean())


def test_reference_embedding_replaces_the_reference_image(
    trained: Colorzoo2026, scene_lightness: Tensor
) -> None:
    wanted = colored(trained, scene_lightness, Exemplar(scene(WARM)))
    with torch.no_grad():
        embedding = trained.encode_reference(scene(WARM))
    assert torch.equal(colored(trained, scene_lightness, Exemplar.of_embedding(embedding)), wanted)
    part = colored(trained, scene_lightness, Exemplar.of_embedding(embedding, alpha=0.5))
    assert warmth(part) == pytest.approx((warmth(wanted) + warmth(trained(scene_lightness).ab)) / 2, abs=0.5)


def test_mix_references_combines_references_by_weight(trained: Colorzoo2026, scene_lightness: Tensor) -> None:
    alone = colored(trained, scene_lightness, Exemplar(scene(WARM)))
    twice = colored(trained, scene_lightness, mixed(trained, (scene(WARM), 1.0), (scene(WARM), 3.0)))
    torch.testing.assert_close(twice, alone, atol=0.05, rtol=0)
    without = mixed(trained, (scene(WARM), 0.3), (scene(COLD), 0.0))
    assert torch.equal(without.embedding, mixed(trained, (scene(WARM), 1.0)).embedding)
    found = [
        warmth(
            colored(trained, scene_lightness, mixed(trained, (scene(WARM), share), (scene(COLD), 1 - share)))
        )
        for share in (0.1, 0.5, 0.9)
    ]
    assert found[0] + 3 < found[1] < found[2] - 3


@torch.no_grad()
def test_colorzoo2026_match_returns_the_source_coordinates(
    trained: Colorzoo2026, scene_lightness: Tensor
) -> None:
    mirrored = Exemplar(scene(WARM).flip(3))
    match = trained(scene_lightness, Guidance(exemplar=mirrored)).extras["match"][0]
    rows, columns = match.shape[1:]
    y, x = (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns
    wanted = torch.stack(torch.meshgrid(1 - x, y, indexing="xy"))
    near = (match - wanted).norm(dim=0) < 0.15
    assert near.float().mean() > 0.5

    mask = torch.zeros(1, 1, *SIZE)
    mask[..., 20, 40] = 1
    clicked = Guidance(points=Points(30 * mask.expand(-1, 2, -1, -1), mask), exemplar=mirrored)
    assert torch.equal(trained(scene_lightness, clicked).extras["match"][0].nan_to_num(), match.nan_to_num())
    assert "match" not in trained(scene_lightness).extras
    two = mixed(trained, (scene(WARM), 1.0), (scene(COLD), 1.0))
    assert "match" not in trained(scene_lightness, Guidance(exemplar=two)).extras


@torch.no_grad()
def test_reference_colors_are_transferred_only_within_classes(
    trained: Colorzoo2026, scene_lightness: Tensor
) -> None:
    left = torch.zeros(1, 1, *SIZE, dtype=torch.int64)
    left[..., : SIZE[1] // 2] = 1
    exemplar, plain = Exemplar(scene(WARM)), trained(scene_lightness).ab
    free = trained(scene_lightness, Guidance(exemplar=exemplar)).ab
    same = trained(scene_lightness, Guidance(exemplar=exemplar, classes=ClassMap(left, left))).ab
    assert warmth(same) > 0.8 * warmth(free)
    # class 1 is nowhere in the reference, and class 0 at another resolution
    nowhere = torch.zeros(1, 1, 20, 30, dtype=torch.int64)
    found = trained(scene_lightness, Guidance(exemplar=exemplar, classes=ClassMap(left, nowhere)))
    inside = slice(0, SIZE[1] // 2 - 16)
    torch.testing.assert_close(found.ab[..., inside], plain[..., inside], atol=0.05, rtol=0)
    assert (free - plain)[..., inside].norm(dim=1).mean() > 5
    assert warmth(found.ab[..., SIZE[1] // 2 + 16 :]) > 8
    assert found.extras["match"][..., : found.extras["match"].shape[-1] // 2 - 1].isnan().all()


@torch.no_grad()
def test_network_input_is_shrunk_as_pillow_does(trained: Colorzoo2026) -> None:
    lightness = 100 * torch.rand(1, 1, 47, 47, generator=torch.Generator().manual_seed(0))
    small = Image.fromarray(lightness[0, 0].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    expected = trained.analyze(torch.from_numpy(np.array(small))[None, None]).mean
    found = trained.analyze(lightness).mean
    assert (found - expected).abs().max() < 0.02 * expected.abs().max()


@torch.no_grad()
def test_reference_colors_are_means_over_cells(trained: Colorzoo2026) -> None:
    noise = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    ab = rgb_to_lab(noise)[0, 1:].flatten(1).T
    colors = trained.encode_reference(noise)[0, :, -6:-4]  # after the features of each block
    scale = ab.mean(dim=0) / colors.mean(dim=0)
    assert float(scale[0] / scale[1]) == pytest.approx(1, abs=0.1)
    assert (scale * colors).std() < 0.2 * ab.std()  # samples instead of means have a larger deviation


def drawn(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def distributions(batch: int = 2) -> Tensor:
    """Return logits that are larger near gray and differ between cells."""
    return -hull_centers().norm(dim=1) / 20 + 2 * drawn(batch, STATISTICS_CELLS, 313)


def test_match_histogram_makes_the_mean_distribution_equal_the_histogram() -> None:
    histogram = (3 * drawn(2, 1, 313)).softmax(dim=2)
    histogram[..., 40:] = 0
    histogram = histogram / histogram.sum(dim=2, keepdim=True)
    logits = distributions()
    before, after = (
        each.softmax(2).mean(1, keepdim=True) for each in (logits, match_histogram(logits, histogram))
    )
    assert ((before - histogram).abs().sum(2) > 1).all()
    assert ((after - histogram).abs().sum(2) < 0.08).all()


def test_match_saturation_scales_colors_to_the_saturation() -> None:
    for wanted in [0.0, 0.02, 0.1, 0.25]:
        light = 30 + 40 * torch.rand(2, 1, 10, 20, generator=torch.Generator().manual_seed(1))
        found = match_saturation(0.2 * drawn(2, STATISTICS_CELLS, 2), light, torch.full((2, 1, 1), wanted))
        lab = torch.cat([light, 50 * found.mT.reshape(2, 2, 10, 20)], dim=1)
        torch.testing.assert_close(
            mean_saturation(lab_to_rgb(lab)), torch.full((2, 1), wanted), rtol=0, atol=0.01
        )


def test_condition_changes_only_images_with_statistics() -> None:
    mean, logits, light = (
        0.2 * drawn(3, STATISTICS_CELLS, 2),
        distributions(3),
        torch.full((3, 1, 10, 20), 50.0),
    )
    histogram, saturation = torch.zeros(3, 313), -torch.ones(3, 1)
    histogram[1, 150], saturation[2] = 1.0, 0.5
    statistics = GlobalStatistics(histogram, saturation)
    found, distribution = condition(mean, logits, light, hull_centers() / 50, statistics)
    assert torch.equal(found[0], mean[0])
    assert torch.equal(distribution[[0, 2]], logits[[0, 2]])
    assert (found[1] - hull_centers()[150] / 50).abs().median() < 0.1
    assert found[2].norm() > 1.2 * mean[2].norm()
    assert torch.allclose(found[2, 0] / found[2, 0].norm(), mean[2, 0] / mean[2, 0].norm())


@pytest.fixture(scope="module")
def image() -> Tensor:
    return sample_image((64, 96))


@torch.inference_mode()
def test_saturation_is_reached_up_to_its_limit_with_and_without_histogram(
    trained: Colorzoo2026, image: Tensor
) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    for histogram in (None, statistics_of(image).histogram):
        plain = trained(lightness, Guidance(statistics=GlobalStatistics(histogram))).ab
        told = [GlobalStatistics(histogram, torch.tensor([[share]])) for share in (0.0, 0.1, 1.0)]
        gray, met, most = (trained(lightness, Guidance(statistics=each)).ab for each in told)
        assert gray.norm(dim=1).mean() < 0.01
        shown = mean_saturation(lab_to_rgb(torch.cat([lightness, met], dim=1)))
        assert float(shown) == pytest.approx(0.1 * (0.85 if histogram is None else 0.95), rel=0.1)
        torch.testing.assert_close(most, 2.5 * plain, rtol=0.02, atol=0.5)  # the limit


@torch.inference_mode()
def test_points_override_statistics_and_edits_run_no_network(
    trained: Colorzoo2026, image: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    lightness = rgb_to_lab(image)[:, :1]
    statistics = statistics_of(image.flip(1))
    told = trained(lightness, Guidance(statistics=statistics)).ab
    mask = torch.zeros(1, 1, *image.shape[2:])
    mask[..., 20:24, 40:44] = 1
    same, other = Points(told * mask, mask), Points(torch.full_like(told, 30.0) * mask, mask)
    assert (trained(lightness, Guidance(points=same, statistics=statistics)).ab - told).abs().max() < 1e-3
    both = Guidance(points=other, statistics=statistics)
    encoded = trained.encode_image(lightness, Guidance(points=other))
    first = trained.decode_image(lightness, Guidance(points=other), encoded).ab
    want = trained(lightness, both)
    assert (want.ab - first).abs().max() > 5
    monkeypatch.setattr(trained.network, "forward", lambda _: pytest.fail("the network ran again"))
    found = trained.decode_image(lightness, both, trained.encode_image(lightness, both, encoded))
    assert torch.equal(found.ab, want.ab)
    torch.testing.assert_close(found.color_logits, want.color_logits)
    again = trained.decode_image(lightness, Guidance(points=other), encoded)
    assert torch.equal(again.ab, first)


def directions(blocks: Tensor) -> Tensor:
    """Return the directions of features ``(N, C)`` about their mean."""
    centered = blocks - blocks.mean(0)
    return centered / centered.norm(dim=1, keepdim=True)


def widened(blocks: Tensor) -> Tensor:
    """Repeat blocks ``(h, w, C)`` as cells of a batch of one."""
    return blocks.repeat_interleave(2, 0).repeat_interleave(2, 1)[None]


def test_observe_references_equals_the_formula_of_five_match_features() -> None:
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=draw, dtype=torch.float64)

    theirs, colors = normal(4, 7, 6), normal(4, 7, 2)
    ours, mean = theirs[:, :6] + 0.5 * normal(4, 6, 6), normal(4, 6, 2)
    variance = 0.02 + 0.1 * normal(4, 6, 1).square()
    reference = Blocks.of(reference_embedding(widened(theirs), widened(colors)))
    cells = widened(ours), widened(mean), widened(variance)
    change, precision, _ = observe_references(*cells, [reference], ALPHA)

    alike = directions(ours.flatten(0, 1)) @ directions(theirs.flatten(0, 1)).T
    ahead = sum(float(row.max()) for row in alike) / 24
    back = sum(float(column.max()) for column in alike.T) / 28
    assert abs(ahead - back) > 0.01
    rows = []
    for row, middle, missed in zip(alike, mean.flatten(0, 1), variance.flatten(), strict=True):
        share = (row / 0.02).exp() / (row / 0.02).exp().sum()
        color = share @ colors.flatten(0, 1)
        spread = float((share[:, None] * (colors.flatten(0, 1) - color) ** 2).sum())
        logit = 2.17 * (float(row.max()) - 0.85) + 23.20 * (ahead - 0.85) + 16.58 * (back - 0.85)
        logit += -0.42 * (math.log(spread + 1e-3) + 4.9) + 0.53 * (math.log(float(missed) + 1e-3) + 3.0)
        odds = math.exp(logit - 1.85 + 3.5)
        assert 1e-3 < odds < 1e3  # within the limits
        gain = ALPHA * odds / (1 + odds)
        rows.append(torch.cat([gain * (color - middle), (gain / ((1 - gain) * missed))[None]]))
    wanted = torch.stack(rows).T.reshape(1, 3, 4, 6)
    wanted = F.interpolate(wanted, (8, 12), mode="bilinear").permute(0, 2, 3, 1)
    torch.testing.assert_close(change, wanted[..., :2], rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(precision, wanted[..., 2:], rtol=1e-6, atol=1e-9)


@pytest.fixture(scope="module")
def task() -> Colorzoo2026Task:
    """Return the task with random layers, so that predictions, variances and classes differ between cells."""
    found = small("colorzoo2026", label_count=CLASSES)
    assert isinstance(found, Colorzoo2026Task)
    generator = torch.Generator().manual_seed(1)
    network = found.model.network
    with torch.no_grad():
        for layer, scale in ((network.mean, 0.1), (network.classes, 1.0), (found.label_head, 1.0)):
            layer.weight.copy_(scale * torch.randn(layer.weight.shape, generator=generator))
            layer.bias.copy_(scale * torch.randn(layer.bias.shape, generator=generator))
        found.model.covariance.log_noise.fill_(math.log(0.2))
    return found


@pytest.fixture(scope="module")
def batch() -> Any:
    given: Any = sample_batch((SIDE, SIDE), batch=3)
    return {**given, "label": torch.tensor([4, 0, 2])}


def true_colors(rgb: Tensor) -> Tensor:
    """Return the mean ab of each cell of 4 x 4 pixels, ``(B, h, w, 2)``, by scikit-image."""
    ab = torch.from_numpy(rgb2lab(rgb.permute(0, 2, 3, 1).double().numpy()))[..., 1:].float()
    batch, height, width, _ = ab.shape
    return ab.view(batch, height // 4, 4, width // 4, 4, 2).mean((2, 4))


def huber(found: Tensor, truth: Tensor) -> Tensor:
    """Return the mean Huber loss: square over twice delta, then linear with a slope of 1."""
    off = (found - truth).abs()
    return torch.where(off < DELTA, off.square() / (2 * DELTA), off - DELTA / 2).mean()


def cross_entropy_of_neighbors(logits: Tensor, truth: Tensor) -> Tensor:
    """Return the mean cross-entropy to the four nodes of the grid of 10 units around each true color."""
    centers = hull_centers()
    total, shares = logits.new_zeros(()), logits.float().log_softmax(-1)
    for given, (a, b) in zip(shares.flatten(0, -2), truth.reshape(-1, 2).tolist(), strict=True):
        left, below = math.floor(a / 10), math.floor(b / 10)
        for column in (left, left + 1):
            for row in (below, below + 1):
                share = (1 - abs(a / 10 - column)) * (1 - abs(b / 10 - row))
                node = torch.tensor([10.0 * column, 10.0 * row])
                total = total - share * given[(centers - node).norm(dim=1).argmin()]
    return total / truth[..., 0].numel()


def smoothed_cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Return the cross-entropy to 0.9 of the label and 0.1 of all classes."""
    wanted = torch.full_like(scores, 0.1 / CLASSES)
    for row, label in enumerate(labels.tolist()):
        wanted[row, label] += 0.9
    return -(wanted * scores.log_softmax(1)).sum(1).mean()


def drawn_cells(seed: Tensor, purpose: str, most: int) -> list[int]:
    """Return the cells drawn for one image, in drawing order."""
    (row,) = draw_uniform(image_generators(seed[None], purpose), 1, CELLS + 1, seed.device).tolist()
    order = sorted(range(CELLS), key=lambda cell: -row[1 + cell])[:most]
    count = min(most, max(1, math.floor((most + 1) ** row[0])))
    return order[:count] if purpose == "points" else order


def covariance_of(task: Colorzoo2026Task, features: Tensor, lightness: Tensor) -> Tensor:
    """Return the covariance ``(N, N)`` of all cells of one image, a sum over heads, in float64."""
    layer = task.model.covariance
    light = (F.avg_pool2d(lightness[None], 4)[0].permute(1, 2, 0) - 50) / 50
    hidden = F.leaky_relu(layer.hidden(torch.cat([features, light], -1)), 0.1).flatten(0, 1)
    embedding, amplitude = layer.embed(hidden).double(), F.softplus(layer.amplitude(hidden)).double()
    side = SIDE // 4
    numbers = torch.arange(CELLS)
    position = torch.stack([numbers // side, numbers % side], 1).double() / side
    total = torch.zeros(CELLS, CELLS, dtype=torch.double)
    for head, log_reach in enumerate(layer.log_reach):
        places = torch.cat([embedding.view(CELLS, layer.heads, -1)[:, head], position / log_reach.exp()], 1)
        squares = (places[:, None] - places[None]).square().sum(-1)
        total = total + amplitude[:, head, None] * amplitude[None, :, head] * torch.exp(-squares / 2)
    return total


def losses_by_hand(task: Colorzoo2026Task, batch: Any, lightness: Tensor) -> dict[str, Tensor]:
    maps = task.model.network(lightness)
    truth = true_colors(batch["rgb"])
    after, likelihoods = [], []
    for image, seed in enumerate(batch["seed"]):
        covariance = covariance_of(task, maps.features[image].float(), lightness[image])
        noise = task.model.covariance.log_noise.double().exp() ** 2
        mean, wanted = maps.mean[image].flatten(0, 1).double(), truth[image].flatten(0, 1) / 50
        given = drawn_cells(seed, "points", 64)
        system = covariance[given][:, given] + (noise + 1e-5) * torch.eye(len(given), dtype=torch.double)
        gain = torch.linalg.solve(system, covariance[given]).T  # (N, n)
        answer = mean + gain @ (wanted - mean)[given]
        after.append(huber(answer, wanted))
        prior = covariance.diagonal() + noise
        left = prior - (gain * covariance[:, given]).sum(1)
        for cell in drawn_cells(seed, "queries", 48):
            errors = [(wanted - each)[cell].detach().square().sum() for each in (mean, answer)]
            for error, variance in zip(errors, (prior[cell], left[cell]), strict=True):
                # negative log-density of a normal distribution with equal variances, without constants
                likelihoods.append(error / (2 * variance) + variance.log())
    return {
        "classes": cross_entropy_of_neighbors(maps.logits, truth),
        "colors": huber(maps.mean.float(), truth / 50),
        "labels": smoothed_cross_entropy(task.label_head(maps.vector), batch["label"]),
        "points": torch.stack(after).mean().float(),
        "variance": (2 * torch.stack(likelihoods).mean()).float(),
    }


def test_step_equals_the_formula(task: Colorzoo2026Task, batch: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    logged: dict[str, Tensor] = {}
    monkeypatch.setattr(task, "log_losses", lambda losses, _: logged.update(losses))
    found = task.training_step(batch, 0)
    lab = torch.from_numpy(rgb2lab(batch["rgb"].permute(0, 2, 3, 1).double().numpy())).float()
    wanted = losses_by_hand(task, batch, lab.permute(0, 3, 1, 2)[:, :1])
    assert logged.keys() == {*WEIGHTS, "loss"}
    for name, value in wanted.items():
        torch.testing.assert_close(logged[name], value, rtol=2e-4, atol=0, msg=lambda m, n=name: f"{n}: {m}")
        # each loss alone, because small weights would hide errors
        ours, plain = gradients(logged[name], task), gradients(value, task)
        same(ours, plain, rtol=5e-3)
    total = torch.stack([WEIGHTS[name] * value for name, value in wanted.items()]).sum()
    torch.testing.assert_close(found, total, rtol=2e-4, atol=0)
    torch.testing.assert_close(logged["loss"], found, rtol=0, atol=0)


def test_random_cells_depend_on_the_image_seed_and_purpose() -> None:
    seeds = torch.arange(400)
    index, given = random_cells(seeds, 256, CPU)
    assert all(len(set(row)) == 64 for row in index.tolist())  # different cells
    alone, alone_given = random_cells(seeds[7:8], 256, CPU)
    assert torch.equal(alone[0], index[7])
    assert torch.equal(alone_given[0], given[7])
    other, _ = random_cells(seeds, 256, CPU, 64, "queries")
    assert (other != index).any(1).all()
    # uniform over cells, and in the logarithm of the count: half of the counts are below the root of 65
    shares = torch.bincount(index.flatten(), minlength=256) / len(seeds)
    assert float((shares - 0.25).abs().max()) < 0.09
    counts = given.sum(1)
    assert (counts.min(), counts.max()) == (1, 64)
    assert torch.equal(given, (torch.arange(64)[None] < counts[:, None]).float())
    assert 0.4 < float((counts < 8).float().mean()) < 0.6


def test_colorzoo2026_uses_muon_for_hidden_matrices_only() -> None:
    task = small("colorzoo2026", label_count=40, vector=32, decoder=32, stem=(20, 40), widths=(32, 32, 32))
    names = {parameter: name for name, parameter in task.named_parameters()}
    groups = task.optimized_parameters()
    taken = [names[parameter] for group in groups for parameter in group["params"]]
    assert sorted(taken) == sorted(names.values())
    by_muon = {names[p] for group in groups if group["use_muon"] for p in group["params"]}
    assert {"model.network.stem_quarter.weight", "model.network.stage32.0.qkv.weight"} <= by_muon
    # the excluded layers have large enough matrices
    for part in ("network.mean", "network.classes", "network.stem_half", "label_head", "position", "covar"):
        assert not any(part in name for name in by_muon)


KNOBS = {
    "colorzoo2026": Knobs(
        values={
            "stem": (8, 8), "widths": (16, 32, 64), "blocks": (1, 2, 1), "heads": 3, "label_count": 5,
            "encoder": "imagenet",
        },
        exempt=("labels",),
    ),
}  # fmt: skip
