"""Training of SPColor and Zhang 2019: learning rates, VGG-19, and initialization."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo.color import rgb_to_lab
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.testing import sample_batch
from colorzoo.testing.models import contract_test_model
from colorzoo.training.exemplar import SelfReferenced
from zoo.exemplar_formulas import paired_batch, train_a_step

PAPERS = ("chen2023", "zhang2019")
ADAM = partial(torch.optim.Adam, lr=4e-3, betas=(0.5, 0.9), eps=1e-12)


def small(name: str, **changed: Any) -> Any:
    torch.manual_seed(0)
    card = model_card(name)
    return build_model(load_task_class(card), {**card.contract_test.hparams, **changed})


@pytest.mark.parametrize("name", PAPERS)
@pytest.mark.parametrize(("matching_lr", "expected"), [(2e-5, 2e-5), (None, 4e-3)])
def test_matching_lr_is_the_learning_rate_of_the_correspondence_network(
    name: str, matching_lr: float | None, expected: float, tmp_path: Path
) -> None:
    model = small(name, matching_lr=matching_lr, optimizer=ADAM)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train_a_step(model, paired_batch(), tmp_path)
    after = model.state_dict()
    for part, rate in (("model.network.", 4e-3), ("model.correspondence.", expected)):
        moved = [(after[key] - before[key]).abs().max() for key in after if key.startswith(part)]
        assert float(max(moved)) == pytest.approx(rate, rel=1e-2)  # the first Adam step equals the rate


@pytest.mark.parametrize("name", PAPERS)
def test_exemplar_training_with_random_vgg19_raises(name: str, tmp_path: Path) -> None:
    model = (
        small(name, features="vgg19", segmenter=None) if name == "chen2023" else small(name, features="vgg19")
    )
    with pytest.raises(WeightsError, match=r"random weights: VGG-19"):
        train_a_step(model, paired_batch(), tmp_path)
    model.trained = True  # as after --init_from
    train_a_step(model, paired_batch(), tmp_path)


def zhang2019_model() -> Any:
    return small("zhang2019", last_kernel=(3, 3))


def test_chen2023_filter_weights_of_zhang2019_returns_all_but_new_layers() -> None:
    source, model = zhang2019_model(), small("chen2023")
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.no_grad():
        for parameter in source.parameters():
            parameter.add_(0.1)
    after, theirs = {**before, **model.filter_weights(source)}, source.state_dict()
    assert after.keys() == before.keys()
    new = ("model.network.conv1.0.", "model.network.conv1.1.", "model.segmenter.")
    new += ("model.correspondence.theta.", "model.correspondence.phi.")
    new += ("discriminator.layers.0.", "discriminator.last.")
    for key, value in after.items():
        assert torch.equal(value, before[key] if key.startswith(new) else theirs[key]), key


@pytest.mark.parametrize(
    "name", [name for name in list_models(guidance="exemplar") if model_card(name).trainable]
)
def test_validation_uses_the_references_of_the_data(name: str) -> None:
    """References that are derived from the targets would hide matching errors."""
    model = contract_test_model(model_card(name))
    batch = sample_batch((64, 64), batch=2)
    batch["reference"] = torch.rand(2, 3, 48, 64, generator=torch.Generator().manual_seed(5))
    given = [guidance for _, guidance in model.validation_guidances(batch, rgb_to_lab(batch["rgb"]))]
    exemplars = [each.exemplar.rgb for each in given if each.exemplar is not None]
    assert not exemplars or torch.equal(exemplars[0], batch["reference"])
    if isinstance(model, SelfReferenced):
        assert exemplars
