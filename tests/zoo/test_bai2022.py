"""Bai et al. 2022: settings, important places, and training references."""

from typing import Any

import pytest
import torch
from torch.nn import functional as F

from colorzoo.data.self_references import warp_jitter_reference
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.networks.scaling import scaled_lab
from colorzoo.randomness import image_generators
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.samples import sample_batch
from colorzoo.zoo.bai2022.model import Read
from steps.step import small


def test_bai2022_rejects_invalid_settings() -> None:
    for setting, message in [
        ({"side": 100}, "multiple of 64"),
        ({"side": 64, "scattered": 300}, "at most 256"),
    ]:
        with pytest.raises(ColorzooError, match=message):
            create_coloring_model("bai2022", None, **setting)


def test_important_places_are_maxima_of_the_class_activation() -> None:
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


def test_bai2022_training_references_are_warped_copies_of_the_images() -> None:
    task: Any = small("bai2022")
    task.log_dict = lambda *_, **__: None
    batch = sample_batch((128, 128), batch=2)
    color, references = task.model.color, []
    task.model.color = lambda *given: references.append(given[1]) or color(*given)
    task.training_step(batch, 0)
    copies = warp_jitter_reference(
        batch["rgb"], image_generators(batch["seed"], "reference"), degrees=0.0, jitter=0.0
    )
    torch.testing.assert_close(references[0], scaled_lab(copies))
