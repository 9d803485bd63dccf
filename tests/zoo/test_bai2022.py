"""Bai et al. 2022: places, sizes, references, the step of training and the authors' names."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from colorzoo.color import rgb_to_lab
from colorzoo.data.self_references import warp_jitter_reference
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.networks.scaling import scaled_lab
from colorzoo.randomness import image_generators
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.zoo.bai2022.network import Read
from steps.step import gradients, small


def test_impossible_settings_are_refused() -> None:
    for setting, message in [
        ({"side": 100}, "multiple of 64"),
        ({"side": 64, "scattered": 300}, "important and scattered must be at most 256"),
    ]:
        with pytest.raises(ColorzooError, match=message):
            create_coloring_model("bai2022", None, **setting)


def test_the_telling_places_are_those_of_the_class() -> None:
    model = contract_test_model(model_card("bai2022")).model
    maps = [torch.zeros(1, 1, 1, 1)] * 2 + [torch.zeros(1, 1, 32, 32)] + [torch.zeros(1, 1, 1, 1)]
    deep = torch.zeros(1, 64, 8, 8)
    deep[0, 5, 2, 6] = 1.0  # four by four places around row 8 and column 24
    with torch.no_grad():
        model.network.classifier.weight.zero_()
        model.network.classifier.weight[7, 5] = 3.0
    given = Read([*maps, deep], torch.zeros(1, 64), F.one_hot(torch.tensor([7]), 1000).float())
    model.network.important = 4
    found = model.network.important_places(given)[0]
    rows, columns = found // 32, found % 32
    assert set(rows.tolist()) == {9, 10}
    assert set(columns.tolist()) == {25, 26}


def test_the_step_is_the_losses_written_out() -> None:
    weights = {
        "rough_weight": 3.0,
        "fine_weight": 5.0,
        "class_weight": 0.5,
        "variation_weight": 2.0,
        "bin_weight": 0.7,
    }
    task: Any = small("bai2022", classes=5, **weights)
    task.log_dict = lambda *_, **__: None
    batch = sample_batch((128, 128), batch=2)
    batch["label"] = torch.tensor([1, 4])
    task.eval()  # batch statistics would be updated twice
    color, references = task.model.color, []
    task.model.color = lambda *given: references.append(given[1]) or color(*given)
    loss = task.training_step(batch, 0)
    copies = warp_jitter_reference(
        batch["rgb"], image_generators(batch["seed"], "referen"), degrees=0.0, jitter=0.0
    )
    truth, model = scaled_lab(batch["rgb"]), task.model
    torch.testing.assert_close(
        references[0], scaled_lab(copies)
    )  # the loss hardly tells them from the images
    given = model.network.read(scaled_lab(copies))
    drawn = model.by_chance(image_generators(batch["seed"], "places"))
    places = torch.cat([model.network.important_places(given), drawn], dim=1)
    found = model.network(truth[:, :1], given, places)
    ab = rgb_to_lab(batch["rgb"])[:, 1:, ::4, ::4]
    bins = ((ab + 110) / 10).round().long()
    down, across = (found.ab.diff(dim=dim).square().mean() for dim in (2, 3))
    wanted = (
        3.0 * F.smooth_l1_loss(found.rough, truth[:, 1:])
        + 5.0 * F.smooth_l1_loss(found.ab, truth[:, 1:])
        + 0.5 * F.cross_entropy(found.classes, batch["label"])
        + 2.0 * 2 * (down + across)
        + 0.7 * F.cross_entropy(found.logits, 23 * bins[:, 0] + bins[:, 1])
    )
    torch.testing.assert_close(loss, wanted, rtol=1e-4, atol=0)
    assert gradients(loss, task)["model.network.classifier.weight"].any()
