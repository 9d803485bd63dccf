"""The formulas of SPColor (sections III-B to III-E) and of Zhang et al. 2019, written a second time, plainly.

Networks are taken as they are (tests/parity holds them against the authors' code); all between them is here.
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
from colorzoo.randomness import image_generators
from colorzoo.testing.samples import sample_batch, sample_image
from colorzoo.testing.trainer import GradientRecorder, batch_loader, quiet_trainer, silent_lightning


class Logged(Callback):
    """Keeps what a step logs."""

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.values = {key: float(value) for key, value in trainer.callback_metrics.items()}


def paired_batch(size: int = 64) -> Batch:
    """Return three images, the middle one with a reference made from itself, mirrored."""
    batch = sample_batch((size, size), batch=3, seed=3)
    reference = sample_image((size, size), batch=3, seed=4)
    reference[1] = batch["rgb"][1].flip(-1)
    return Batch(**batch, reference=reference, self_made=torch.tensor([False, True, False]))


def train_a_step(model: Any, batch: Batch, folder: Path) -> tuple[dict[str, float], Mapping[str, Tensor]]:
    """Return what the model's own training step logs, and its gradients."""
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


def unit(hooks: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(hook / hook.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-12) for hook in hooks)


def quarter(ab: Tensor) -> Tensor:
    return F.avg_pool2d(ab, 4)


def big(maps: Tensor) -> Tensor:
    return F.interpolate(maps, scale_factor=4, mode="nearest")


def class_wise_warp(
    model: Any, target: Tensor, other: Tensor, ab: Tensor, classes: tuple[Any, Any], tau: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Return warped ab, similarity and what was matched: eqs. 5 to 10 and 13 to 15, class after class."""
    ours, theirs = classes
    size = target.shape[-2:]
    warped, similar, matched = [], [], []
    for b in range(len(target)):
        t, r = target[b].flatten(1).T, other[b].flatten(1).T
        t, r = model.model.correspondence.theta(t), model.model.correspondence.phi(r)
        mine, its = ours.labels[b].flatten(), theirs.labels[b].flatten()
        sure, its_sure = ours.confidence[b].flatten(), theirs.confidence[b].flatten()
        colors = ab[b].flatten(1).T
        out, like = torch.zeros(len(t), 2), torch.zeros(len(t))
        found = torch.zeros(len(t))
        for label in set(mine.tolist()) & set(its.tolist()) - {-1}:
            rows, columns = (mine == label).nonzero()[:, 0], (its == label).nonzero()[:, 0]
            a = F.normalize(t[rows] - t[rows].mean(0), dim=1)
            c = F.normalize(r[columns] - r[columns].mean(0), dim=1)
            cosine = a @ c.T
            share = torch.softmax(cosine / tau, dim=1)
            out = out.index_put((rows,), share @ colors[columns])
            like = like.index_put((rows,), cosine.amax(1) * (share @ its_sure[columns]) * sure[rows])
            found[rows] = 1
        warped.append(out.T.reshape(2, *size))
        similar.append(like.view(1, *size))
        matched.append(found.view(1, *size))
    return torch.stack(warped), torch.stack(similar), torch.stack(matched)


def smooth_target(ab: Tensor, lab: Tensor, alpha: float) -> Tensor:
    """Return the means over 3 x 3 places, weighted by likeness in Lab; outside is zero."""
    height, width = ab.shape[-2:]
    padded_lab, padded_ab = F.pad(lab, (1, 1, 1, 1)), F.pad(ab, (1, 1, 1, 1))
    shares, parts = [], []
    for y in range(3):
        for x in range(3):
            window = (..., slice(y, y + height), slice(x, x + width))
            shares.append(torch.exp(-(padded_lab[window] - lab).square().sum(1, keepdim=True) / alpha))
            parts.append(padded_ab[window])
    total = sum(shares)
    return sum(share * part for share, part in zip(shares, parts, strict=True)) / total


def contextual(features: Tensor, reference: Tensor) -> Tensor:
    """Return the mean of -log CX, image after image (Mechrez et al. 2018)."""
    losses = []
    for x, y in zip(features.flatten(2), reference.flatten(2), strict=True):
        center = y.mean(1, keepdim=True)
        distance = (1 - F.normalize(x - center, dim=0).T @ F.normalize(y - center, dim=0)).abs()
        weight = torch.exp((1 - distance / (distance.amin(1, keepdim=True) + 1e-5)) / 0.1)
        losses.append(-(weight / weight.sum(1, keepdim=True)).amax(1).mean().log())
    return torch.stack(losses).mean()


def expected_losses(
    model: Any, lab: Tensor, ab: Tensor, warped: tuple[Tensor, Tensor, Tensor], made: Tensor, look: Tensor
) -> dict[str, Tensor]:
    """Return the terms of eq. 18 with their weights, and ours; the adversarial one is `adversarial`."""
    weigh, ours = model.objective, model.extensions
    warped_ab, similarity, matched = warped
    true = lab[:, 1:]
    flags = made.float()
    of_self = (ab - true)[made].abs().sum() / ab.numel() / (flags.sum() + 1e-5)
    counted = (matched * flags[:, None, None, None]).expand_as(warped_ab)
    distance = ((warped_ab - quarter(true)).abs() * counted).sum() / counted.sum().clamp(min=1e-6)
    seen, truth, reference = (
        model.model.features.semantic(rgb)
        for rgb in (lab_to_rgb(torch.cat([lab[:, :1], ab], 1)), lab_to_rgb(lab), look)
    )
    step = 4 * similarity.shape[-1] // seen[-1].shape[-1]
    unmatched = 1 - (big(similarity)[..., ::step, ::step].detach() if weigh.semantic else 0)
    style = 8 * contextual(seen[2], reference[2]) + 4 * contextual(seen[1], reference[1])
    style = style + 2 * contextual(F.avg_pool2d(seen[0], 2), F.avg_pool2d(reference[0], 2))
    return {
        "l1": weigh.l1_weight * of_self,
        "truth": ours.truth_weight * (ab - true).abs().mean(),
        "warp": ours.warp_weight * distance,
        "smooth": weigh.smooth_weight * (ab - smooth_target(ab, lab, weigh.smooth_alpha)).square().mean(),
        "perceptual": weigh.perceptual_weight * (unmatched * (seen[-1] - truth[-1]).square()).mean(),
        "contextual": weigh.contextual_weight * style,
    }


def relativistic(fake: Tensor, real: Tensor, sign: int) -> Tensor:
    """Return the average relativistic least squares: sign 1 for the discriminator, -1 for the generator."""
    return ((real - fake.mean() - sign).square().mean() + (fake - real.mean() + sign).square().mean()) / 2


def gradient_error(model: Any, gradients: Mapping[str, Tensor], part: str) -> float:
    """Return how far gradients are from those that a part of a model holds itself, by their length."""
    own = {n: p.grad for n, p in model.named_parameters() if n.startswith(f"{part}.") and p.requires_grad}
    assert own.keys() == {name for name in gradients if name.startswith(f"{part}.")}
    expected = torch.cat([(0 * gradients[n] if grad is None else grad).flatten() for n, grad in own.items()])
    found = torch.cat([gradients[name].flatten() for name in own])
    assert expected.norm() > 0
    return float((found - expected).norm() / expected.norm())


def compare_step(
    model: Any, batch: Batch, expected: Callable[[Any, Batch], tuple[dict[str, Tensor], Tensor]], folder: Path
) -> None:
    """Compare what a step logs, and its gradients, with the terms of the generator and the other loss."""
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
        # at lower temperatures a rounding of the input moves these gradients by several percent
        assert gradient_error(plain, gradients, part) < 0.03, part
