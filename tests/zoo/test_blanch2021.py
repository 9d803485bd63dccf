"""Gorriz Blanch et al. 2021: attention, discriminators, order of a training step, and VGG-19."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from colorzoo.losses import least_squares_discriminator_loss, least_squares_loss
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer
from colorzoo.zoo.blanch2021.model import AxialAttention
from steps.step import small


def test_axial_attention_is_shifted_by_relative_positions() -> None:
    attention = AxialAttention(16, 6, positions=True)
    with torch.no_grad():
        for each in (attention.in_proj_weight, attention.relative, attention.out_proj.weight):
            each.zero_()
        attention.in_proj_bias.fill_(1.0)
        attention.relative[0, 5 + 2] = 50.0  # of a key two places above
    _, weights = attention.attend(torch.rand(1, 16, 6, 3), torch.rand(1, 16, 6, 3))
    assert weights[0, 0, 0, 2:].argmax(dim=1).tolist() == [0, 1, 2, 3]


def test_blanch2021_has_no_discriminator_at_scales_smaller_than_a_patch() -> None:
    tasks: list[Any] = [small("blanch2021", side=side) for side in (16, 32, 48, 176, 192)]
    assert [len(task.discriminator) for task in tasks] == [0, 1, 2, 3, 4]
    assert [task.is_adversarial() for task in tasks] == [False, True, True, True, True]


def test_blanch2021_generator_loss_uses_the_updated_discriminators(tmp_path: Path) -> None:
    task: Any = small("blanch2021", side=64, adversarial_weight=0.7)
    task.make_optimizer = task.make_discriminator_optimizer = lambda groups: torch.optim.SGD(groups, lr=0.1)
    batch, plain, logged = sample_batch((64, 64), batch=2), copy.deepcopy(task), {}
    record = task.log_losses
    task.log_losses = lambda values, count: (
        logged.update({k: v.item() for k, v in values.items()}),
        record(values, count),
    )
    trainer = quiet_trainer(tmp_path, max_epochs=1)
    trainer.fit(task, batch_loader([batch]))
    assert trainer.global_step == 1  # both networks together

    generated = plain.generate(batch)
    torch.testing.assert_close(generated.ab, 110 * generated.generated[0][:, 1:])
    maps = plain.model.network(generated.truth[0][:, :1], generated.reference[0])
    fakes = [
        torch.cat([F.avg_pool2d(generated.truth[0], 2**index)[:, :1], maps[index]], dim=1)
        for index in range(2)
    ]
    discriminators = list(plain.discriminator)
    pairs = [*zip(discriminators, fakes, generated.truth, strict=False)]
    loss = torch.stack(
        [
            least_squares_discriminator_loss(discriminator(fake.detach()), discriminator(real))
            for discriminator, fake, real in pairs
        ]
    ).sum()
    assert logged["discriminator"] == pytest.approx(loss.item(), rel=1e-4)
    for parameter, gradient in zip(
        plain.discriminator.parameters(),
        torch.autograd.grad(loss, list(plain.discriminator.parameters())),
        strict=True,
    ):
        parameter.data -= 0.1 * gradient
    adversarial = torch.stack(
        [least_squares_loss(discriminator(fake)) for discriminator, fake, _ in pairs]
    ).sum()
    assert logged["adversarial"] == pytest.approx(adversarial.item(), rel=1e-3)
    total = (
        2 * logged["histogram"] + 100 * logged["pixel"] + 50 * logged["variation"] + 0.7 * adversarial.item()
    )
    assert logged["generator"] == pytest.approx(total, rel=1e-3)


def test_blanch2021_loads_torchvision_vgg19_only_if_untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    task: Any = small("blanch2021", width=1.0, adversarial_weight=0.0)
    wanted = {key: torch.rand_like(value) for key, value in task.model.network.features.state_dict().items()}
    monkeypatch.setattr(
        "colorzoo.training.perceptual.published_weights",
        lambda _: {f"features.{key}": value for key, value in wanted.items()},
    )
    features = task.model.network.features
    for trained, untrained in ((True, False), (False, True), (False, False)):
        assert not torch.equal(features[34].weight, wanted["34.weight"])
        task.trained, task.allow_untrained = trained, untrained
        task.prepare_fit()
    assert torch.equal(features[34].weight, wanted["34.weight"])
    assert not any(each.requires_grad for each in features.parameters())
