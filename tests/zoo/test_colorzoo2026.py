"""colorzoo2026: points as observations, and edits that reuse cached results."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Guidance
from colorzoo.card import ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Exemplar, Points
from colorzoo.networks.blocks import take_cells
from colorzoo.registry import model_card
from colorzoo.testing import sample_image
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.colorzoo2026.model import Colorzoo2026
from colorzoo.zoo.colorzoo2026.points import Observations, cell_covariance, observe

SIZE = (64, 96)
CLICKS = ((10, 20, 30.0, 20.0), (50, 90, -20.0, 40.0), (40, 60, 0.0, -45.0))


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
    seen = model.analyze(lightness, {})
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
    state: dict[str, Any] = {}
    for alpha in (1.0, 0.5):
        guidance = Guidance(points(*CLICKS).points, exemplar=reference(0.5, alpha=alpha))
        want = trained(lightness, guidance).ab
        trained.edit(lightness, Guidance(exemplar=reference(0.5, alpha=alpha)), state)
        with monkeypatch.context() as patch:
            patch.setattr(trained, "encode_reference", lambda _: pytest.fail("the network ran again"))
            assert torch.equal(trained.edit(lightness, guidance, state).ab, want)


@torch.no_grad()
def test_edit_after_a_failed_edit_uses_the_new_reference(
    trained: Colorzoo2026, lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    state: dict[str, Any] = {}
    trained.edit(lightness, Guidance(exemplar=reference(0.5)), state)
    other = Guidance(exemplar=reference(0.9))

    def fail(_: Tensor) -> Tensor:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(trained, "encode_reference", fail)
        with pytest.raises(torch.OutOfMemoryError):
            trained.edit(lightness, other, state)
    assert torch.equal(trained.edit(lightness, other, state).ab, trained(lightness, other).ab)


@torch.no_grad()
def test_edit_equals_forward_without_running_the_network(
    model: Colorzoo2026, lightness: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory: dict[str, Any] = {}
    model.edit(lightness, points(*CLICKS[:1]), memory)
    want = model(lightness, points(*CLICKS))
    monkeypatch.setattr(model.network, "forward", lambda _: pytest.fail("the network ran again"))
    found = model.edit(lightness, points(*CLICKS), memory)
    assert torch.equal(found.ab, want.ab)
    torch.testing.assert_close(found.color_logits, want.color_logits)
    assert torch.equal(
        model.edit(lightness, Guidance(), memory).ab, model.edit(lightness, points(), memory).ab
    )


@torch.no_grad()
def test_similarity_is_one_at_the_masked_cells(model: Colorzoo2026, lightness: Tensor) -> None:
    memory: dict[str, Any] = {}
    mask = points(*CLICKS).points.mask
    found = model.similarity(lightness, mask, memory)[0, 0]
    assert 0 <= found.min() < 0.9
    assert found.max() <= 1 + 1e-5
    singly = [model.similarity(lightness, points(click).points.mask, memory)[0, 0] for click in CLICKS]
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
