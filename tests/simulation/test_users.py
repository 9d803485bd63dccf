"""Simulated users with a model that follows their guidance exactly."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colorzoo.abilities import RegionModel
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Points, Regions
from colorzoo.model import ColoringModel
from colorzoo.simulation import SessionResult, TargetImage, Turn, list_users, make_user, play
from colorzoo.testing import sample_image

SIZE = (40, 48)


def scene_of(rgb: Tensor, **more: object) -> TargetImage:
    lab = rgb_to_lab(rgb)
    return TargetImage(lab[:, :1], rgb, lab[:, 1:], seed=7, **more)


@pytest.fixture
def scene() -> TargetImage:
    return scene_of(sample_image(SIZE, seed=3))


class GuidanceModel(ColoringModel, RegionModel):
    """Returns the colors of the guidance, and gray elsewhere."""

    def __init__(self) -> None:
        super().__init__(torch.nn.Identity())
        self.seen: list[Guidance] = []

    def __call__(self, scene: TargetImage, guidance: Guidance) -> SessionResult:
        self.seen.append(guidance)
        ab = torch.zeros_like(scene.ab)
        if guidance.points is not None:
            ab = guidance.points.ab * guidance.points.mask
        rgb = lab_to_rgb(torch.cat([scene.lightness, ab], 1))
        if guidance.regions is not None:
            colors = guidance.regions.rgb * guidance.regions.given[..., None]
            rgb = colors[0][guidance.regions.index[0, 0]].permute(2, 0, 1)[None]
        return SessionResult(rgb, ab)

    def propose(self, lightness: Tensor) -> Regions:
        """Propose three regions from right to left, the middle one empty."""
        index = torch.where(torch.arange(SIZE[1]) < 20, 2, 0).expand(1, 1, *SIZE)
        return Regions(index, torch.zeros(1, 3, 3), torch.zeros(1, 3))

    def propose_points(self, lightness: Tensor, guidance: Guidance) -> Tensor:
        """Propose points along the top border, from left to right."""
        assert guidance.points is not None
        return torch.tensor([[0, int(guidance.points.mask.sum()) // 4]])


def turns(
    name: str, scene: TargetImage, counts: tuple[int, ...], **options: object
) -> tuple[list[Turn], GuidanceModel]:
    model = GuidanceModel()
    return list(play(model, make_user(name, **options), scene, counts, model=model)), model


def test_uniform_points_are_nested_and_reproducible(scene: TargetImage) -> None:
    played, model = turns("uniform_points", scene, (0, 2, 5), side=4)
    again, _ = turns("uniform_points", scene, (5,), side=4)
    assert [turn.interactions for turn in played] == [0, 2, 5]
    assert torch.equal(played[2].result.ab, again[0].result.ab)
    two, five = (guidance.points.mask for guidance in model.seen[1:])
    assert 16 < five.sum() <= 80
    assert bool((five >= two).all())


def test_aligned_uniform_points_cover_whole_cells_of_the_grid(scene: TargetImage) -> None:
    _, model = turns("uniform_points", scene, (0, 40), side=4, aligned=True)
    mask = model.seen[-1].points.mask
    cells = torch.nn.functional.avg_pool2d(mask, 4)
    assert set(cells.unique().tolist()) == {0.0, 1.0}
    assert cells[..., -1, :].any()
    assert cells[..., -1].any()
    assert cells[..., 0, :].any()


def test_most_wrong_points_select_worst_square_without_repetition() -> None:
    rgb = torch.full((1, 3, *SIZE), 0.5)
    rgb[..., 8:12, 20:24] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    scene = scene_of(rgb)
    _, model = turns("most_wrong_points", scene, (0, 1), side=4)
    assert model.seen[-1].points.mask[..., 8:12, 20:24].all()
    _, model = turns("most_wrong_points", scene, (0, 2), side=4)
    assert model.seen[-1].points.mask.sum() == 32


def test_most_wrong_points_do_not_repeat_if_the_model_ignores_points(scene: TargetImage) -> None:
    seen: list[Guidance] = []

    def ignores_points(scene: TargetImage, guidance: Guidance) -> SessionResult:
        seen.append(guidance)
        return SessionResult(scene.rgb, torch.zeros_like(scene.ab))

    list(play(ignores_points, make_user("most_wrong_points", side=4), scene, (0, 3)))
    assert seen[1].points.mask.sum() == 16
    assert seen[-1].points.mask.sum() > 2 * 16  # clicks may be adjacent but are not repeated


def test_proposed_points_use_model_positions_inside_the_border(scene: TargetImage) -> None:
    _, model = turns("proposed_points", scene, (0, 2), side=2)
    mask = model.seen[-1].points.mask[0, 0]
    assert mask[0].nonzero()[:, 0].tolist() == [0, 1]  # both points were moved inside the border


def test_simulated_points_are_limited_to_image_size() -> None:
    for size in [(3, 48), (40, 3)]:
        for name in ["uniform_points", "most_wrong_points", "proposed_points"]:
            _, model = turns(name, scene_of(sample_image(size, seed=3)), (0, 1), side=4)
            assert model.seen[-1].points.mask.sum() == 9


def test_priority_regions_follow_model_order_and_skip_empty_regions(scene: TargetImage) -> None:
    played, model = turns("priority_regions", scene, (0, 1, 2, 5))
    assert [turn.interactions for turn in played] == [0, 1, 2, 2]
    assert [guidance.regions.given[0].tolist() for guidance in model.seen[1:]] == [[1, 0, 0], [1, 0, 1]]
    left = scene.rgb[..., :20].mean(dim=(2, 3))[0]
    assert torch.allclose(played[2].result.rgb[0, :, 0, 0], left, atol=1e-5)
    assert torch.equal(played[3].result.rgb, played[2].result.rgb)


def test_priority_regions_random_order_colors_all_regions(scene: TargetImage) -> None:
    orders = set()
    for seed in range(8):
        other = replace(scene, seed=seed)
        _, model = turns("priority_regions", other, (0, 1, 2), order="random")
        assert model.seen[-1].regions.given[0].tolist() == [1, 0, 1]
        orders.add(tuple(model.seen[1].regions.given[0].tolist()))
    assert orders == {(1, 0, 0), (0, 0, 1)}


def test_superpixel_regions_get_mean_colors_largest_first() -> None:
    rgb = sample_image((60, 80), batch=6, seed=2)[:1]
    scene = replace(scene_of(rgb), lightness=rgb.mean(dim=1, keepdim=True))
    played, model = turns("superpixel_regions", scene, (0, 1, 3, 99), count=6)
    regions = model.seen[-1].regions
    sizes = [int((regions.index == number).sum()) for number in range(6) if regions.given[0, number]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == scene.lightness.numel()
    assert played[-1].interactions == len(sizes) > 1
    first = scene.rgb[0][:, regions.index[0, 0] == 0].mean(1)
    assert torch.allclose(regions.rgb[0, 0], first, atol=1e-5)
    assert model.seen[1].regions.given[0].tolist() == [1] + [0] * 5


def test_exemplar_user_counts_one_interaction(scene: TargetImage) -> None:
    scene = scene_of(scene.rgb, exemplar=scene.rgb.flip(-1))
    played, model = turns("exemplar", scene, (0, 1, 2))
    assert [turn.interactions for turn in played] == [0, 1, 1]
    assert model.seen[0].exemplar is None
    assert torch.equal(model.seen[1].exemplar.rgb, scene.exemplar)


def test_true_statistics_user_counts_one_interaction(scene: TargetImage) -> None:
    played, model = turns("true_statistics", scene, (0, 1, 5), give="saturation")
    assert [turn.interactions for turn in played] == [0, 1, 1]
    assert model.seen[1].statistics.histogram is None
    assert 0 < float(model.seen[1].statistics.saturation) < 1


def test_play_keeps_background_guidance_beside_simulated_hints(scene: TargetImage) -> None:
    model = GuidanceModel()
    background = Guidance(points=Points(0 * scene.ab, torch.ones_like(scene.lightness)))
    played = list(play(model, make_user("bled_edge_scribbles"), scene, (0, 1), background=background))
    assert played[1].interactions == 1
    assert [guidance.points is background.points for guidance in model.seen] == [True, True]
    assert model.seen[1].scribbles is not None


def test_simulated_users_raise_guidance_error_for_invalid_input(scene: TargetImage) -> None:
    for name, needs in (
        ("exemplar", "reference"),
        ("priority_regions", "propose"),
        ("proposed_points", "uniform_points"),
    ):
        with pytest.raises(GuidanceError, match=needs):
            list(play(GuidanceModel(), make_user(name), scene, (0, 1), model=object()))
    with pytest.raises(GuidanceError, match="uniform_points"):
        make_user("nobody")
    with pytest.raises(GuidanceError, match="size"):
        make_user("uniform_points", size=3)
    with pytest.raises(GuidanceError, match="proposed, random"):
        make_user("priority_regions", order="backwards")
    with pytest.raises(GuidanceError, match="histogram, saturation, both, got 'hist'"):
        make_user("true_statistics", give="hist")
    assert "uniform_points" in list_users()


def test_play_without_user_returns_the_automatic_result(scene: TargetImage) -> None:
    model = GuidanceModel()
    played = list(play(model, None, scene, (0, 10)))
    assert [turn.interactions for turn in played] == [0, 0]
    assert len(model.seen) == 1
