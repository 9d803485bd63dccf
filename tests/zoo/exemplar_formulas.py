"""The training step of SPColor and of Zhang et al. 2019, composed of networks and losses.

Networks and single losses are compared with the authors' code in tests/parity.
"""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Callback
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data import Batch
from colorzoo.losses.exemplar import contextual_loss, edge_aware_smoothness
from colorzoo.networks.exemplar import Warped, enlarge
from colorzoo.randomness import image_generators
from colorzoo.testing import sample_batch, sample_image
from colorzoo.testing.trainer import GradientRecorder, batch_loader, quiet_trainer, silent_lightning


class Logged(Callback):
    """Records the logged values of a step."""

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.values = {key: float(value) for key, value in trainer.callback_metrics.items()}


def paired_batch(size: int = 64) -> Batch:
    """Return three images, the middle one with a reference made from itself, mirrored."""
    batch = sample_batch((size, size), batch=3, seed=3)
    reference = sample_image((size, size), batch=3, seed=4)
    reference[1] = batch["rgb"][1].flip(-1)
    return Batch(**batch, reference=reference, self_made=torch.tensor([False, True, False]))


def train_a_step(model: Any, batch: Batch, folder: Path) -> tuple[dict[str, float], Mapping[str, Tensor]]:
    """Return the logged values and the gradients of the model's training step."""
    witness, logged = GradientRecorder(), Logged()
    with silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1, callbacks=[witness, logged])
        trainer.fit(model, batch_loader([batch]))
    return logged.values, witness.gradients


def noisy(batch: Batch, deviation: float) -> Tensor:
    lightness = rgb_to_lab(batch["rgb"])[:, :1]
    drawn = [
        torch.randn(lightness.shape[1:], generator=each) for each in image_generators(batch["seed"], "noise")
    ]
    return lightness + deviation * torch.stack(drawn)


def expected_losses(
    model: Any, lab: Tensor, ab: Tensor, warped: Warped, made: Tensor, look: Tensor
) -> dict[str, Tensor]:
    """Return the weighted terms of eq. 18 and of our extensions, without the adversarial term."""
    weights = model.hparams
    warped_ab, similarity, matched = warped.ab, warped.similarity, warped.matched
    true = lab[:, 1:]
    flags = made.float()
    of_self = (ab - true)[made].abs().sum() / ab.numel() / (flags.sum() + 1e-5)
    counted = (matched * flags[:, None, None, None]).expand_as(warped_ab)
    distance = ((warped_ab - F.avg_pool2d(true, 4)).abs() * counted).sum() / counted.sum().clamp(min=1e-6)
    seen, truth, reference = (
        model.model.features.semantic(rgb)
        for rgb in (lab_to_rgb(torch.cat([lab[:, :1], ab], 1)), lab_to_rgb(lab), look)
    )
    step = 4 * similarity.shape[-1] // seen[-1].shape[-1]
    unmatched = 1 - (enlarge(similarity)[..., ::step, ::step].detach() if weights.semantic else 0)
    style = 8 * contextual_loss(seen[2], reference[2]) + 4 * contextual_loss(seen[1], reference[1])
    style = style + 2 * contextual_loss(F.avg_pool2d(seen[0], 2), F.avg_pool2d(reference[0], 2))
    return {
        "l1": weights.l1_weight * of_self,
        "truth": weights.truth_weight * (ab - true).abs().mean(),
        "warp": weights.warp_weight * distance,
        "smooth": weights.smooth_weight * edge_aware_smoothness(ab, lab, alpha=weights.smooth_alpha),
        "perceptual": weights.perceptual_weight * (unmatched * (seen[-1] - truth[-1]).square()).mean(),
        "contextual": weights.contextual_weight * style.mean(),
    }


def gradient_error(model: Any, gradients: Mapping[str, Tensor], part: str) -> float:
    """Return the relative error of gradients, compared with the gradients stored in a part of a model."""
    own = {n: p.grad for n, p in model.named_parameters() if n.startswith(f"{part}.") and p.requires_grad}
    assert own.keys() == {name for name in gradients if name.startswith(f"{part}.")}
    expected = torch.cat([(0 * gradients[n] if grad is None else grad).flatten() for n, grad in own.items()])
    found = torch.cat([gradients[name].flatten() for name in own])
    assert expected.norm() > 0
    return float((found - expected).norm() / expected.norm())


def compare_step(
    model: Any, batch: Batch, expected: Callable[[Any, Batch], tuple[dict[str, Tensor], Tensor]], folder: Path
) -> None:
    """Compare logged values and gradients of a step with the expected generator and discriminator losses."""
    plain = copy.deepcopy(model).train()
    logged, gradients = train_a_step(model, batch, folder)
    terms, of_discriminator = expected(plain, batch)
    total = torch.stack(list(terms.values())).sum()
    for name, term in terms.items():
        assert term.item() > 1e-4
        assert logged[f"train/{name}"] == pytest.approx(term.item(), rel=2e-3), name
    assert logged["train/generator"] == pytest.approx(total.item(), rel=2e-3)
    assert logged["train/discriminator"] == pytest.approx(of_discriminator.item(), rel=2e-3)
    total.backward(
        retain_graph=True,
        inputs=[*plain.model.network.parameters(), *plain.model.correspondence.parameters()],
    )
    of_discriminator.backward(inputs=list(plain.discriminator.parameters()))
    for part in ("model.network", "model.correspondence", "discriminator"):
        # at lower temperatures rounding of the input changes these gradients by several percent
        assert gradient_error(plain, gradients, part) < 0.03, part
