"""A single reference for several images."""

import pytest
import torch

from colorzoo.guidance import Guidance
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model, difference, predict, sample_call

NAMES = ("chen2023", "colorzoo2026", "feature_match", "gupta2012", "he2018", "huang2022", "iizuka2016")


@pytest.mark.parametrize("name", NAMES)
def test_single_reference_is_used_for_all_images_of_a_batch(name: str) -> None:
    card = model_card(name)
    model = contract_test_model(card)
    lightness, guidance = sample_call(card, (37, 53), batch=2)
    guidance = Guidance(exemplar=guidance.exemplar[:1])
    singly = torch.cat([predict(model, image, guidance) for image in torch.split(lightness, 1)])
    assert difference(predict(model, lightness, guidance), singly) < 1e-4
