"""Attention mask, excluded bins, encoder weights and learning rate of Weng et al. 2022."""

from pathlib import Path

import pytest
import torch

from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning
from colorzoo.zoo.weng2022.model import EXCLUDED_LOGIT, ColorTokenColorization, lightness_range, possible_bins
from colorzoo.zoo.weng2022.task import Polynomial, Weng2022, classification_loss, regression_loss
from parity.cases import Golden, case
from training_recipes.recipe import Recipe

NARROW = {"width": 64, "encoder_depth": 1, "decoder_depth": 1}


@pytest.fixture
def model() -> ColorTokenColorization:
    torch.manual_seed(0)
    return ColorTokenColorization(**NARROW).eval()


def test_impossible_bins_have_no_probability(model: ColorTokenColorization) -> None:
    lightness = torch.tensor([2.0, 30.0, 60.0, 99.0]).repeat_interleave(8).expand(1, 1, 16, 32)
    logits = model(lightness).extras["logits"]
    for column, index in ((0, 0), (8, 1), (16, 2), (24, 3)):
        probability = logits[0, :, :, column].softmax(dim=0)
        assert bool(((probability > 0).all(dim=1) == model.network.possible[index]).all())


def test_model_created_after_a_model_in_inference_mode_has_no_inference_tensors() -> None:
    """Distributed training updates buffers in place, which inference tensors do not permit."""
    with torch.inference_mode():
        ColorTokenColorization(**NARROW)
    buffers = dict(ColorTokenColorization(**NARROW).named_buffers())
    assert not [name for name, buffer in buffers.items() if buffer.is_inference()]


def test_patch_and_color_token_attend_to_each_other_if_one_pixel_permits_the_bin(
    model: ColorTokenColorization,
) -> None:
    lightness = torch.full((1, 16, 32), 10.0)
    lightness[0, 3, 20] = 60.0  # in the second patch
    mask = model.network.attention_mask(lightness_range(lightness, 4))[0, 0]
    dark, middle = model.network.possible[0], model.network.possible[2]
    assert torch.equal(mask[0, 2:], dark)
    assert torch.equal(mask[1, 2:], dark | middle)
    assert torch.equal(mask, mask.T)
    assert bool(mask[:2, :2].all())
    assert bool(mask[2:, 2:].all())


def test_learning_rate_decays_to_one_percent() -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1e-3)
    rates = [Polynomial(optimizer, total_steps=100).factor(step, 100) * 1e-3 for step in (0, 50, 100)]
    assert rates == pytest.approx([1e-3, 1e-5 + 9.9e-4 * 0.5**0.9, 1e-5])


def test_resuming_a_training_does_not_read_the_encoder_weights(tmp_path: Path) -> None:
    batches = batch_loader([sample_batch((32, 32), batch=2)])
    with silent_lightning():
        trainer = quiet_trainer(tmp_path, max_epochs=1)
        trainer.fit(Weng2022(**NARROW), batches)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        resumed = Weng2022(**NARROW, encoder_weights=str(tmp_path / "deleted.npz"))
        trainer = quiet_trainer(tmp_path, max_epochs=2)
        trainer.fit(resumed, batches, ckpt_path=tmp_path / "last.ckpt")
    assert trainer.global_step == 2


# Golden files: Losses and possible bins of Weng et al. 2022 against `tests/golden/weng2022.py`.


@case("weng2022_mask")
def mask(golden: Golden) -> None:
    for ranges in (1, 4, 10):
        assert torch.equal(possible_bins(ranges), golden.tensor(f"out_possible_{ranges}"))


@case("weng2022_losses")
def losses(golden: Golden) -> None:
    logits = golden.tensor("in_logits").masked_fill(~golden.tensor("in_possible"), EXCLUDED_LOGIT)
    logits.requires_grad_()
    loss = classification_loss(
        logits, golden.tensor("in_ab"), golden.tensor("in_weights"), neighbors=5
    ).mean()
    loss.backward()
    golden.close("out_classification", loss)
    golden.close("out_gradient", logits.grad)
    golden.close("out_regression", regression_loss(golden.tensor("in_regression"), golden.tensor("in_ab")))


# Training settings that the paper or the authors' code states

RECIPES = (
    Recipe(
        config="weng2022/paper.yaml",
        source="segm/train.py, segm/config.yml, segm/optim and README of the authors' code",
        rates={0: 1e-3, 12_800: 1e-5 + 9.9e-4 * 0.5**0.9},
        optimizer="SGD",
        batch=48,
        epochs=256,
        settings={"ranges": 4, "temperature": 0.38, "dropout": 0.1, "drop_path": 0.1, "neighbors": 5}
        | {"regression_weight": 10.0, "uniform": 0.5},
    ),
)
