"""Simulated users, each against a model that exists only to be guided."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import GuidanceError
from colorzoo.guidance import ClassMap, Guidance, Points, Regions
from colorzoo.testing.samples import sample_image
from colorzoo.users import (
    Scene,
    SeenResult,
    Turn,
    bled_edges,
    bled_runs,
    list_users,
    make_user,
    play,
)

SIZE = (40, 48)


def scene_of(rgb: Tensor, **more: object) -> Scene:
    lab = rgb_to_lab(rgb)
    return Scene(lab[:, :1], rgb, lab[:, 1:], seed=7, **more)


@pytest.fixture
def scene() -> Scene:
    return scene_of(sample_image(SIZE, seed=3))


class Obedient:
    """Paints gray, and what the guidance says where it says something."""

    def __init__(self) -> None:
        self.seen: list[Guidance] = []

    def __call__(self, scene: Scene, guidance: Guidance) -> SeenResult:
        self.seen.append(guidance)
        ab = torch.zeros_like(scene.ab)
        if guidance.points is not None:
            ab = guidance.points.ab * guidance.points.mask
        rgb = lab_to_rgb(torch.cat([scene.luma, ab], 1))
        if guidance.regions is not None:
            colors = guidance.regions.rgb * guidance.regions.given[..., None]
            rgb = colors[0][guidance.regions.index[0, 0]].permute(2, 0, 1)[None]
        return SeenResult(rgb, ab)

    def propose(self, luma: Tensor) -> Regions:
        """Three columns of which the middle one is empty, asked for from right to left."""
        index = torch.where(torch.arange(SIZE[1]) < 20, 2, 0).expand(1, 1, *SIZE)
        return Regions(index, torch.zeros(1, 3, 3), torch.zeros(1, 3))

    def propose_points(self, luma: Tensor, guidance: Guidance) -> Tensor:
        """Ask at the top border, ever farther to the right."""
        assert guidance.points is not None
        return torch.tensor([[0, int(guidance.points.mask.sum()) // 4]])


def turns(name: str, scene: Scene, counts: tuple[int, ...], **options: object) -> tuple[list[Turn], Obedient]:
    model = Obedient()
    return list(play(model, make_user(name, **options), scene, counts, model=model)), model


def error(turn: Turn, scene: Scene) -> float:
    return float((turn.answer.ab - scene.ab).square().mean())


def test_uniform_points_are_nested_and_the_same_again(scene: Scene) -> None:
    played, model = turns("uniform_points", scene, (0, 2, 5), side=4)
    again, _ = turns("uniform_points", scene, (5,), side=4)
    assert [turn.interactions for turn in played] == [0, 2, 5]
    assert torch.equal(played[2].answer.ab, again[0].answer.ab)
    two, five = (guidance.points.mask for guidance in model.seen[1:])
    assert 16 < five.sum() <= 80
    assert bool((five >= two).all())


def test_most_wrong_first_beats_uniform(scene: Scene) -> None:
    wrong, _ = turns("most_wrong_points", scene, (0, 6), side=4)
    anywhere, _ = turns("uniform_points", scene, (6,), side=4)
    assert error(wrong[1], scene) < error(anywhere[0], scene) < error(wrong[0], scene)


def test_most_wrong_first_clicks_the_worst_square_and_never_twice() -> None:
    rgb = torch.full((1, 3, *SIZE), 0.5)
    rgb[..., 8:12, 20:24] = torch.tensor([0.9, 0.1, 0.1]).view(3, 1, 1)
    scene = scene_of(rgb)
    _, model = turns("most_wrong_points", scene, (0, 1), side=4)
    assert model.seen[-1].points.mask[..., 8:12, 20:24].all()
    _, model = turns("most_wrong_points", scene, (0, 2), side=4)
    assert model.seen[-1].points.mask.sum() == 32


def test_a_model_that_obeys_no_click_is_asked_elsewhere(scene: Scene) -> None:
    seen: list[Guidance] = []

    def deaf(scene: Scene, guidance: Guidance) -> SeenResult:
        seen.append(guidance)
        return SeenResult(scene.rgb, torch.zeros_like(scene.ab))

    list(play(deaf, make_user("most_wrong_points", side=4), scene, (0, 3)))
    assert seen[1].points.mask.sum() == 16
    assert seen[-1].points.mask.sum() > 2 * 16  # clicks may touch, but none is made twice


def test_proposed_points_go_where_the_model_asks(scene: Scene) -> None:
    _, model = turns("proposed_points", scene, (0, 2), side=2)
    mask = model.seen[-1].points.mask[0, 0]
    assert mask[0].nonzero()[:, 0].tolist() == [0, 1]  # both clicks were moved inside the border


def test_regions_follow_the_models_order_and_empty_ones_cost_nothing(scene: Scene) -> None:
    played, model = turns("priority_regions", scene, (0, 1, 2, 5))
    assert [turn.interactions for turn in played] == [0, 1, 2, 2]
    assert [guidance.regions.given[0].tolist() for guidance in model.seen[1:]] == [[1, 0, 0], [1, 0, 1]]
    left = scene.rgb[..., :20].mean(dim=(2, 3))[0]
    assert torch.allclose(played[2].answer.rgb[0, :, 0, 0], left, atol=1e-5)
    assert torch.equal(played[3].answer.rgb, played[2].answer.rgb)


def test_shuffled_regions_are_all_answered_but_not_in_the_models_order(scene: Scene) -> None:
    orders = set()
    for seed in range(8):
        other = replace(scene, seed=seed)
        _, model = turns("priority_regions", other, (0, 1, 2), order="random")
        assert model.seen[-1].regions.given[0].tolist() == [1, 0, 1]
        orders.add(tuple(model.seen[1].regions.given[0].tolist()))
    assert orders == {(1, 0, 0), (0, 0, 1)}


def test_superpixels_come_largest_first_in_their_mean_colors(scene: Scene) -> None:
    played, model = turns("superpixel_regions", scene, (0, 1, 3, 99), count=6, ground="picture")
    regions = model.seen[-1].regions
    sizes = [int((regions.index == number).sum()) for number in range(6) if regions.given[0, number]]
    assert sizes == sorted(sizes, reverse=True)
    assert sum(sizes) == scene.luma.numel()
    assert played[-1].interactions == len(sizes) > 1
    first = scene.rgb[0][:, regions.index[0, 0] == 0].mean(1)
    assert torch.allclose(regions.rgb[0, 0], first, atol=1e-5)
    assert model.seen[1].regions.given[0].tolist() == [1] + [0] * 5


def test_class_maps_are_named_by_size(scene: Scene) -> None:
    true = torch.ones(1, 1, *SIZE, dtype=torch.long)
    true[..., :10, :] = 4
    true[..., :10, :5] = 0
    scene = scene_of(scene.rgb, classes=ClassMap(true), exemplar=scene.rgb)
    played, model = turns("class_map", scene, (0, 1, 2, 3))
    assert [turn.interactions for turn in played] == [0, 1, 2, 2]
    assert [guidance.classes.target.unique().tolist() for guidance in model.seen[1:]] == [[0, 1], [0, 1, 4]]
    assert model.seen[1].exemplar is not None


def test_an_exemplar_is_shown_once(scene: Scene) -> None:
    scene = scene_of(scene.rgb, exemplar=scene.rgb.flip(-1))
    played, model = turns("exemplar", scene, (0, 1, 2))
    assert [turn.interactions for turn in played] == [0, 1, 1]
    assert model.seen[0].exemplar is None
    assert torch.equal(model.seen[1].exemplar.rgb, scene.exemplar)


def test_statistics_are_given_once(scene: Scene) -> None:
    played, model = turns("true_statistics", scene, (0, 1, 5), give="saturation")
    assert [turn.interactions for turn in played] == [0, 1, 1]
    assert model.seen[1].statistics.histogram is None
    assert 0 < float(model.seen[1].statistics.saturation) < 1


def stripes() -> Scene:
    """Three vertical color edges of growing strength."""
    rgb = torch.full((1, 3, 64, 64), 0.5)
    for column, strength in ((16, 0.05), (32, 0.12), (48, 0.3)):
        rgb[:, 0, :, column:] += strength * (1 if column != 48 else -1)
    return scene_of(rgb)


def test_scribbles_cover_what_bled_worst_first() -> None:
    scene = stripes()
    _, model = turns("bled_edge_scribbles", scene, (0, 1), width=5)
    columns = model.seen[-1].scribbles.mask[0, 0].amax(dim=0).nonzero()[:, 0].tolist()
    assert columns
    assert all(43 <= column <= 53 for column in columns)  # only the strongest edge, at 48


def test_edges_that_the_result_has_did_not_bleed() -> None:
    scene = stripes()
    assert bled_edges(scene.ab, scene.ab).sum() == 0
    kept = scene.ab.clone()
    kept[..., :40] = 0  # loses the edge at 32, keeps that at 48
    columns = bled_edges(kept, scene.ab)[0, 0].amax(dim=0).nonzero()[:, 0]
    assert not bool(((columns > 44) & (columns < 52)).any())
    assert bled_runs(scene.ab, scene.ab) == []


def test_runs_are_connected_strokes_of_limited_length() -> None:
    rgb = sample_image((300, 300), seed=5)
    scene = scene_of(rgb)
    runs = bled_runs(torch.zeros_like(scene.ab), scene.ab)
    assert runs
    assert all(10 <= len(run) <= 120 for run in runs)
    marked = torch.zeros(300, 300)
    for run in runs:
        marked[run[:, 0], run[:, 1]] += 1
    assert marked.max() == 1  # no pixel belongs to two strokes


def test_background_stays_beside_what_the_user_gives() -> None:
    model, scene = Obedient(), stripes()
    background = Guidance(points=Points(0 * scene.ab, torch.ones_like(scene.luma)))
    played = list(play(model, make_user("bled_edge_scribbles"), scene, (0, 1), background=background))
    assert played[1].interactions == 1
    assert [guidance.points is background.points for guidance in model.seen] == [True, True]
    assert model.seen[1].scribbles is not None


def test_what_a_user_lacks_is_one_line(scene: Scene) -> None:
    for name, needs in (
        ("exemplar", "reference"),
        ("class_map", "classes"),
        ("priority_regions", "propose"),
        ("proposed_points", "proposes no points"),
    ):
        with pytest.raises(GuidanceError, match=needs):
            list(play(Obedient(), make_user(name), scene, (0, 1), model=object()))
    with pytest.raises(GuidanceError, match="uniform_points"):
        make_user("nobody")
    with pytest.raises(GuidanceError, match="size"):
        make_user("uniform_points", size=3)
    with pytest.raises(GuidanceError, match="asked, random"):
        make_user("priority_regions", order="backwards")
    assert "uniform_points" in list_users()


def test_without_a_user_every_turn_is_the_automatic_result(scene: Scene) -> None:
    model = Obedient()
    played = list(play(model, None, scene, (0, 10)))
    assert [turn.interactions for turn in played] == [0, 0]
    assert len(model.seen) == 1
