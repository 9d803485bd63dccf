"""Test the add-on of Kim et al. 2021 on every model with feature hooks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch import Tensor

from colorzoo import list_models
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Scribbles
from colorzoo.losses.edges import widened
from colorzoo.networks.feature_hooks import unchanged
from colorzoo.registry import load_model_class, model_card
from colorzoo.testing.models import contract_test_model, sample_call
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer
from colorzoo.zoo.kim2021.extensions import Propagation
from colorzoo.zoo.kim2021.task import Kim2021

BACKBONE = "zhang2017_local_small"
SIZE = (45, 53)


def add_on(*, trained: bool = True, **hparams: Any) -> Kim2021:
    """Return a small add-on; `trained` makes its last layers nonzero."""
    model = build_model(Kim2021, {"backbone": BACKBONE, "hidden": (8,), **hparams}).eval()
    if trained:
        generator = torch.Generator().manual_seed(0)
        for branch in model.model.network.branches:
            with torch.no_grad():
                branch.leave.weight.copy_(torch.randn(branch.leave.weight.shape, generator=generator))
    return model


def call(size: tuple[int, int] = SIZE, *, batch: int = 2) -> tuple[Tensor, Guidance]:
    return sample_call(model_card("kim2021_small"), size, batch=batch)


def hooked_models() -> list[str]:
    """Return the models with feature hooks."""
    return [name for name in list_models() if load_model_class(model_card(name)).supports("hooks")]


@torch.inference_mode()
def test_before_hooks_and_after_hooks_equal_the_forward_pass() -> None:
    for name in hooked_models():
        card = model_card(name)
        model: Any = contract_test_model(card).model
        lightness, guidance = sample_call(card, (37, 53), batch=2)
        for given in (guidance, None):
            seen: list[Any] = []

            def visit(name: str, activation: Tensor, seen: list[Any] = seen) -> Tensor:
                seen.append((name, activation.shape))
                return activation

            state = model.before_hooks(lightness, given)
            expected = model(lightness, given).colors
            assert torch.equal(model.after_hooks(state, unchanged), expected)
            assert torch.equal(model.after_hooks(state, visit), expected)  # the state is reusable
            wanted = [hook for hook in model.hooks if hook.name in {name for name, _ in seen}]
            assert wanted == list(model.hooks)
            for hook in model.hooks:
                shape = dict(seen)[hook.name]
                assert shape[:2] == (2, hook.channels)
                assert shape[2] * hook.stride > 37 - hook.stride
                assert shape[3] * hook.stride > 53 - hook.stride


def test_kim2021_without_scribbles_equals_the_backbone() -> None:
    model = add_on()
    lightness, guidance = call()
    plain = model.model.backbone.model(lightness, Guidance(points=guidance.points)).ab
    empty = Scribbles(torch.zeros_like(lightness))
    assert torch.equal(model(lightness, Guidance(points=guidance.points)).ab, plain)
    assert torch.equal(model(lightness, Guidance(points=guidance.points, scribbles=empty)).ab, plain)
    one = torch.cat([guidance.scribbles.mask[:1], empty.mask[:1]])
    mixed = model(lightness, Guidance(points=guidance.points, scribbles=Scribbles(one))).ab
    assert torch.equal(mixed[1], plain[1])
    assert not torch.equal(mixed[0], plain[0])


@pytest.mark.parametrize("name", ["kim2021", "kim2021_small", "kim2021_zhang2016_small"])
def test_network_input_has_the_size_of_the_backbone_input(name: str) -> None:
    with torch.device("meta"):
        model = build_model(load_model_class(model_card(name)), model_card(name).hparams)
    assert model.working_size == model.backbone.model.working_size


def test_kim2021_changes_nothing_beyond_the_reach() -> None:
    model = add_on(reach=4)
    lightness, _ = call((96, 96), batch=1)
    mask = torch.zeros_like(lightness)
    mask[..., 48, 20:30] = 1
    plain = model(lightness, None).ab
    moved = (model(lightness, Guidance(scribbles=Scribbles(mask))).ab - plain).abs().amax(dim=1)
    far = widened(mask, 20)[:, 0] == 0
    assert moved.max() > 0.1
    assert moved[far].max() == 0


def bled_step() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return lightness and color of two halves, the bled color, and a stroke over the bled pixels."""
    lightness = torch.full((1, 1, 40, 48), 30.0)
    ab = torch.full((1, 2, 40, 48), 30.0)
    lightness[..., 24:], ab[..., 24:] = 70.0, -30.0
    bled = ab.clone()
    bled[..., 21:27] = 0.0
    mask = torch.zeros_like(lightness)
    mask[..., 21:27] = 1
    return lightness, ab, bled, mask


def test_propagation_restores_bled_colors_from_both_sides_of_the_stroke() -> None:
    lightness, ab, bled, mask = bled_step()
    propagation = Propagation(9)
    assert torch.equal(propagation(bled, lightness, mask), torch.zeros_like(bled))  # zero initially
    assert float(propagation.avoid.sigmoid()) == pytest.approx(0.9, abs=1e-3)  # for a pixel under a stroke
    assert float(propagation.log_alike.exp()) == pytest.approx(6)
    with torch.no_grad():
        propagation.belief[4].bias.fill_(1 / 20)
    mended = bled + propagation(bled, lightness, mask)
    assert (bled - ab).abs().max() == 30
    assert (mended - ab).abs().max() < 6
    assert (mended - ab)[..., :18].abs().max() < 1


def test_propagation_changes_only_pixels_near_the_stroke() -> None:
    model = add_on(trained=False, propagation=9)
    with torch.no_grad():
        for parameter in model.model.network.propagation.belief.parameters():
            parameter.normal_(0, 0.05, generator=torch.Generator().manual_seed(0))
    lightness, _ = call((96, 100), batch=1)
    mask = torch.zeros_like(lightness)
    mask[..., 40:43, 30:50] = 1
    plain, given = model(lightness, None).ab, Guidance(scribbles=Scribbles(mask))
    moved = (model(lightness, given).ab - plain).abs().amax(dim=1)
    assert moved.max() > 0.1
    assert moved[widened(mask, 9)[:, 0] == 0].max() == 0
    empty = Guidance(scribbles=Scribbles(torch.zeros_like(mask)))
    assert torch.equal(model(lightness, empty).ab, plain)


def test_kim2021_training_keeps_the_backbone_and_checkpoints_contain_it(tmp_path) -> None:
    model = add_on(trained=False, hints=1.0, empty=0.0)
    before = {key: value.clone() for key, value in model.model.backbone.model.state_dict().items()}
    own = {key: value.clone() for key, value in model.state_dict().items()}
    trainer: Trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(model, batch_loader([sample_batch((48, 48), batch=4)]))  # colors bleed in some images
    after = model.model.backbone.model.state_dict()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert any(not torch.equal(model.state_dict()[key], value) for key, value in own.items())
    assert {key.split(".")[0] for key in own} == {"model"}
    trainer.save_checkpoint(tmp_path / "e.ckpt")
    kept = torch.load(tmp_path / "e.ckpt", weights_only=True)["state_dict"]
    assert {key.split(".")[0] for key in kept} == {"model"}
    loaded = Kim2021.load_from_checkpoint(tmp_path / "e.ckpt").eval()
    lightness, guidance = call()
    assert torch.equal(loaded(lightness, guidance).ab, model.eval()(lightness, guidance).ab)
