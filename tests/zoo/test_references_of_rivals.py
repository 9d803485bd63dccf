"""Blanch 2021 and Bai 2022 alike: coloring without a reference."""

import pytest
import torch

from colorzoo.color import lightness_to_rgb
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.registry import model_card
from colorzoo.testing.models import smoke_model
from colorzoo.testing.samples import sample_image


@pytest.mark.parametrize("name", ["blanch2021", "bai2022"])
def test_without_a_reference_the_gray_picture_is_its_own(name: str) -> None:
    model = smoke_model(model_card(name)).model
    lightness = torch.rand(1, 1, 40, 56) * 100
    references = (lightness_to_rgb(lightness), sample_image((30, 20)))
    with torch.inference_mode():
        alone = model(lightness, Guidance()).ab
        own, other = (model(lightness, Guidance(exemplar=Exemplar(each))).ab for each in references)
    assert torch.equal(alone, own)
    assert not torch.allclose(alone, other)
