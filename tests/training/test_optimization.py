"""Optimizers and schedules of the configuration apply to every model."""

from functools import partial

import pytest
from harness import rates, small_model, small_trainer
from torch.optim import SGD, Adam
from torch.optim.lr_scheduler import MultiStepLR, ReduceLROnPlateau

from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.schedules import Linear

TRAINABLE = sorted(
    {model_card(name).task: name for name in list_models() if model_card(name).trainable}.values()
)


def test_lr_scheduler_advances_at_every_step(images, tmp_path):
    found = rates(images, tmp_path, small_model(lr=1.0, lr_scheduler=partial(MultiStepLR, milestones=[2, 4])))
    assert [rate for (rate,) in found] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_lr_scheduler_advances_once_per_accumulated_batch(images, tmp_path):
    model = small_model(lr=1.0, lr_scheduler=Linear)
    found = rates(images, tmp_path, model, max_epochs=2, accumulate_grad_batches=3)
    assert [rate for (rate,) in found] == pytest.approx([1, 1, 1, 0.5, 0.5, 0.5])


def test_lr_scheduler_rejects_reduce_lr_on_plateau(images, tmp_path):
    with pytest.raises(ColorzooError, match="ReduceLROnPlateau"):
        rates(images, tmp_path, small_model(lr_scheduler=ReduceLROnPlateau))


def test_every_task_uses_the_configured_optimizers(tmp_path):
    for name in TRAINABLE:
        card = model_card(name)
        settings = {
            **card.hparams,
            **card.contract_test.hparams,
            "optimizer": partial(Adam, lr=0.5, betas=(0.1, 0.2)),
        }
        gan = issubclass(load_task_class(card), GANColorizationModule)
        if gan:
            settings["discriminator_optimizer"] = partial(SGD, lr=0.25)
        model = build_model(load_task_class(card), settings)
        model.trainer = small_trainer(tmp_path, enable_checkpointing=False, max_epochs=1)
        found = model.configure_optimizers()
        first = found[0][0] if gan else found
        assert isinstance(first, Adam)
        assert first.param_groups[0]["lr"] == 0.5
        assert all(tuple(group["betas"]) == (0.1, 0.2) for group in first.param_groups)
        if gan and any(True for _ in model.discriminator.parameters()):  # some stages have no discriminator
            assert isinstance(found[0][1], SGD)
            assert found[0][1].param_groups[0]["lr"] == 0.25
            assert found[1] == []
