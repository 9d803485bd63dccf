"""Feature maps of models: levels, sizes, gradients and errors."""

import itertools
from functools import cache

import pytest
import torch
from torch import Tensor

import colorzoo
from colorzoo.errors import ColorzooError
from colorzoo.registry import list_models, model_card
from colorzoo.testing import contract_test_model
from colorzoo.training import ColorizationModule

WITHOUT = {"feature_match", "gray", "gupta2012", "levin2004", "pierre2015", "welsh2002"}
"""Models of gray images that have no network."""


FAST = {"colorzoo2026", "zhang2017_local_small"}
GRAY_MODELS = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.nightly)
    for name in list_models()
    if model_card(name).input == "gray" and name not in WITHOUT
]


@cache
def narrow(name: str) -> ColorizationModule:
    return contract_test_model(model_card(name))


def random_lightness(*size: int) -> Tensor:
    return 100 * torch.rand(*size, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", GRAY_MODELS)
def test_feature_maps_have_levels_and_gradients(name: str) -> None:
    model, lightness = narrow(name), random_lightness(2, 1, 64, 96).requires_grad_()
    if not model_card(name).weights and not model.model.feature_maps(lightness):
        pytest.skip(f"{name} has neither weights nor feature_layers")
    maps = colorzoo.features(model, lightness, gradients=True)
    assert all(each.ndim == 4 and len(each) == 2 and each.isfinite().all() for each in maps)
    assert all(a.shape[2] >= b.shape[2] and a.shape[3] >= b.shape[3] for a, b in itertools.pairwise(maps))
    for each in maps:
        (gradient,) = torch.autograd.grad(each.square().sum(), lightness, retain_graph=True)
        assert (gradient.abs().flatten(1).sum(1) > 0).all(), "the gradient of an image is zero"
    (last,) = colorzoo.features(model, lightness, levels=[-1])
    assert not last.requires_grad
    torch.testing.assert_close(last, maps[-1].detach())
    assert not any(module._forward_hooks for module in model.modules())
    (second,) = colorzoo.features(model, lightness[1:], levels=[-1])  # features of a single image
    torch.testing.assert_close(last[1:], second, rtol=1e-3, atol=1e-3 * float(second.abs().max()))


@pytest.mark.parametrize("name", ["xu2020", "zhang2017_global", "zhang2017_local"])
def test_each_feature_level_of_hint_networks_halves_the_size(name: str) -> None:
    maps = colorzoo.features(narrow(name), random_lightness(1, 1, 64, 96))
    assert [tuple(each.shape[2:]) for each in maps] == [(64, 96), (32, 48), (16, 24), (8, 12)]


def test_feature_maps_of_colorzoo2026_equal_its_frozen_encoder() -> None:
    """The input is padded to a multiple of 32 pixels."""
    model, lightness = colorzoo.create_model("colorzoo2026"), random_lightness(1, 1, 90, 128)
    maps = colorzoo.features(model, lightness)
    assert [tuple(each.shape[1:]) for each in maps] == [(24, 24, 32), (48, 12, 16), (120, 6, 8), (352, 3, 4)]
    exact = torch.nn.functional.pad(lightness, (0, 0, 0, 6), mode="replicate")
    encoder = model.model.network.encoder
    torch.testing.assert_close(maps[3], encoder(exact).maps32)
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_features_raises_error_for_invalid_arguments() -> None:
    for name in ("gray", "welsh2002"):
        with pytest.raises(ColorzooError, match="feature maps"):
            colorzoo.features(colorzoo.create_model(name), torch.full((1, 1, 64, 64), 50.0))
    with pytest.raises(ColorzooError, match="rgb_to_lab"):
        colorzoo.features(colorzoo.create_model("colorzoo2026"), torch.zeros(1, 3, 32, 32))
    for level in (4, -5):
        with pytest.raises(ColorzooError, match=f"got {level}"):
            colorzoo.features(narrow("zhang2016"), torch.zeros(1, 1, 32, 32), levels=[level])
