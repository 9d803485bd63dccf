"""Models that only color, where the contract suite does not reach: weights of whole trainings."""

from __future__ import annotations

import pytest
import torch

from colorzoo.factory import build_model
from colorzoo.registry import load_inference_class, model_card
from colorzoo.settings import known_settings
from colorzoo.testing.models import smoke_model


@pytest.mark.parametrize("name", ["chen2023_small", "cho2023_small", "zhang2019_small"])
def test_a_checkpoint_with_a_discriminator_is_loaded_without_it(name: str) -> None:
    card = model_card(name)
    trained, light_class = smoke_model(card), load_inference_class(card)
    settings, known = {**card.hparams, **card.smoke.hparams}, known_settings(light_class)
    light = build_model(light_class, {name: value for name, value in settings.items() if name in known})
    state = trained.state_dict()
    assert any(key.startswith("discriminator.") for key in state)
    light.load_published_state_dict(state)
    loaded, wanted = light.state_dict(), trained.for_inference(state)
    assert loaded.keys() == wanted.keys()
    assert all(torch.equal(loaded[key], wanted[key]) for key in wanted)
