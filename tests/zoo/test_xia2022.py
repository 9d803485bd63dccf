"""Xia et al. 2022: superpixels, anchors, points as anchors, training losses, and the authors' files."""

from itertools import product
from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Guidance, Points
from colorzoo.color import hull_centers, lab_to_rgb, prior_probabilities
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.networks.imagenet import IMAGENET_DEVIATION, IMAGENET_MEAN
from colorzoo.registry import model_card
from colorzoo.testing import sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.xia2022.model import AnchorColorization, anchor_bins, anchors_of, pool, sizes, starts_of
from colorzoo.zoo.xia2022.task import TAPS, Xia2022
from steps.step import gradients, same, small, training_batch

pytestmark = pytest.mark.filterwarnings("ignore:You are trying to `self.log")


def model_of(**settings: Any) -> AnchorColorization:
    found = contract_test_model(model_card("xia2022")).model
    again = build_model(AnchorColorization, {**found.hparams, **settings}).eval()
    again.load_state_dict(found.state_dict())
    return again


def test_anchor_bins_maximize_distances_among_the_ten_likeliest_bins() -> None:
    logits = torch.randn(1, 313, 6)
    chosen = anchor_bins(logits)
    likely = logits.topk(10, dim=1).indices
    colors = hull_centers()
    for cell in range(6):
        first, second, third = (colors[each[0, cell]] for each in chosen)
        assert chosen[0][0, cell] == likely[0, 0, cell]
        ten = colors[likely[0, :, cell]]
        away = (ten - first).norm(dim=1)
        assert (second - first).norm() == away.max()
        both = away + (ten - second).norm(dim=1)
        torch.testing.assert_close((third - first).norm() + (third - second).norm(), both.max())


def test_anchors_are_the_largest_superpixels_also_in_bfloat16() -> None:
    shares = torch.zeros(1, 9, 32, 64, dtype=torch.bfloat16)
    shares[:, 4] = 1.0  # each pixel belongs to its cell
    shares[:, 4, 16:20, 16] = 0.0  # four pixels of cell (1, 1) belong to cell (1, 0)
    shares[:, 3, 16:20, 16] = 1.0
    anchors = anchors_of(torch.zeros(1, 8, dtype=torch.int64), sizes(shares).flatten(1), count=1)
    assert anchors.nonzero().tolist() == [[0, 4]]


@torch.inference_mode()
def test_xia2022_point_replaces_the_anchor_of_its_cluster() -> None:
    model, lightness = model_of(anchors=2), sample_input("gray", (60, 75))
    joined: list[Tensor] = []
    model.network.join.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    own = model(lightness).extras["anchors"]
    at = (own[0, 0] == 0).nonzero()[0]
    points = Points.none(lightness)
    row, column = (16 * at).tolist()
    for place, ab in ((0, [40.0, 30.0]), (2, [44.0, 34.0])):  # the point color is their mean
        points.ab[0, :, row, column + place] = torch.tensor(ab)
        points.mask[0, 0, row, column + place] = 1
    anchors = model(lightness, Guidance(points=points)).extras["anchors"]
    assert anchors[0, 0, at[0], at[1]] == 1
    assert int(anchors.sum()) == 2  # the point replaces one of two anchors
    token = joined[-1][0, at[0], at[1]]
    color = hull_centers()[token[-314:-1].argmax()]
    assert color.tolist() == [40.0, 30.0]


def test_xia2022_loads_a_file_of_the_superpixel_network_alone() -> None:
    model, other = model_of(), model_of()
    part = {f"net.{key}": value + 1 for key, value in model.network.superpixels.layers.state_dict().items()}
    before = {key: value.clone() for key, value in other.state_dict().items()}
    other.load_weights(part, name="the authors' weights", published=True)
    for key, value in other.state_dict().items():
        moved = key.startswith("network.superpixels.")
        torch.testing.assert_close(value, before[key] + int(moved))
    with pytest.raises(WeightsError, match="does not match"):
        other.load_weights(
            {**part, "repnet.more.weight": torch.zeros(1)}, name="the authors' weights", published=True
        )


def task_of(**settings: Any) -> Xia2022:
    task = small("xia2022", **settings)
    assert isinstance(task, Xia2022)
    task.allow_untrained = True
    return task


def test_xia2022_color_stage_loss_equals_the_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    task = task_of(anchors=2, perceptual_weight=3.0, colorfulness=0.4)
    task.setup("fit")
    seen: dict[str, Any] = {}
    decode = task.model.network.decode

    def spy(*given: Any) -> tuple[Tensor, Tensor]:
        seen["given"], seen["answer"] = given, decode(*given)
        answer: tuple[Tensor, Tensor] = seen["answer"]
        return answer

    monkeypatch.setattr(task.model.network, "decode", spy)
    batch, lightness, ab = training_batch(64, 2)
    found = task.training_step(batch, 0)
    _, looked, mask, bins = seen["given"]
    logits, answered = seen["answer"]
    cells = pool(ab, looked.shares).movedim(1, -1)
    nearest = torch.cdist(cells.flatten(0, 2), hull_centers()).argmin(1).view(2, 4, 4)
    assert torch.equal(bins, nearest)
    assert mask.sum(dim=(1, 2, 3)).tolist() == [2, 2]
    prior = prior_probabilities().double()
    weights = 1 / (0.4 * prior + 0.6 / 313)
    weights = (weights / (prior * weights).sum()).float()[nearest]
    value, slope = torch.zeros(()), torch.zeros(())
    for each in (looked.palette, logits):
        entropy = -each.log_softmax(1).gather(1, nearest[:, None])[:, 0]
        value, slope = value + entropy.mean(), slope + (weights * entropy).mean()
    vgg: Any = task.vgg.network
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    maps = [
        (lab_to_rgb(torch.cat([lightness, each], 1), clip=False) - mean) / deviation
        for each in (110 * answered, ab)
    ]
    similarity = torch.zeros(())
    for index, layer in enumerate(vgg.features):
        maps = [layer(each) for each in maps]
        if index in TAPS:
            by = (32, 16, 8, 4, 1)[TAPS.index(index)]
            similarity = similarity + (maps[0] - maps[1].detach()).abs().mean() / by
    torch.testing.assert_close(found, value + 3 * similarity, rtol=1e-5, atol=0)
    same(gradients(found, task), gradients(slope + 3 * similarity, task), rtol=1e-3)
    reached = {name for name, each in gradients(found, task).items() if each.any()}
    assert not any("superpixels" in name for name in reached)


def test_xia2022_superpixel_stage_loss_equals_the_formula() -> None:
    task = task_of(stage="superpixels")
    batch, lightness, ab = training_batch(32, 2)
    found = task.training_step(batch, 0)
    shares = task.model.network.superpixels((lightness - 50) / 50)
    rows, columns = torch.meshgrid(torch.arange(32.0), torch.arange(32.0), indexing="ij")
    wanted = torch.zeros(())
    for maps, weight in ((ab / 110, 10.0), (torch.stack([rows, columns]).expand(2, -1, -1, -1), 0.003 / 16)):
        total, count = torch.zeros(2, 4, 4, maps.shape[1]), torch.zeros(2, 4, 4, 1)  # with a border of cells
        near = torch.zeros_like(maps)
        for index, (down, right) in enumerate(product(range(3), repeat=2)):
            for y, x in product(range(2), repeat=2):
                place = slice(16 * y, 16 * y + 16), slice(16 * x, 16 * x + 16)
                share = shares[:, index, None, place[0], place[1]]
                total[:, y + down, x + right] += (maps[:, :, place[0], place[1]] * share).sum((2, 3))
                count[:, y + down, x + right] += share.sum((2, 3))
        inside = torch.zeros(1, 4, 4, 1)
        inside[:, 1:3, 1:3] = 1
        means = inside * total / count.clamp(min=1e-9)
        for index, (down, right) in enumerate(product(range(3), repeat=2)):
            for y, x in product(range(2), repeat=2):
                place = slice(16 * y, 16 * y + 16), slice(16 * x, 16 * x + 16)
                mean = means[:, y + down, x + right, :, None, None]
                near[:, :, place[0], place[1]] += mean * shares[:, index, None, place[0], place[1]]
        wanted = wanted + weight * (maps - near).square().sum(1).sqrt().mean()
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    reached = {name for name, each in gradients(found, task).items() if each.any()}
    assert all("superpixels" in name for name in reached)


def test_xia2022_anchors_depend_on_the_image_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Tensor] = []
    task = task_of(anchors=3)
    task.setup("fit")
    losses = Xia2022.losses

    def spy(self: Xia2022, lab: Tensor, starts: Tensor) -> Any:
        given.append(starts)
        return losses(self, lab, starts)

    monkeypatch.setattr(Xia2022, "losses", spy)
    batch, *_ = training_batch(64, 4)
    rows: Any = {key: value[2:] for key, value in batch.items()}
    task.training_step(batch, 0)
    task.training_step(rows, 0)
    assert torch.equal(given[0][2:], given[1])
    assert len({tuple(each) for each in given[0].tolist()}) > 1
    assert torch.equal(starts_of(torch.tensor([[0.5, 0.99, 0.0]]), 9), torch.tensor([[1, 5, 6]]))
    assert starts_of(torch.rand(1, 8), 3).max() < 3
    sizes = torch.tensor([[1.0, 2.0, 0.5, 9.0]])
    assert anchors_of(torch.tensor([[0, 0, 1, 1]]), sizes, 2).tolist() == [[False, True, False, True]]
