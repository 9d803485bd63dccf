"""Cho et al. 2023: losses of a step compared with section 3; tests/parity has the golden step."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.data.dataset import sketches_of
from steps.step import gradients, same, small, training_batch


def plain_terms(model: Any, sketch: Tensor, rgb: Tensor, draws: Any, tau: float) -> dict[str, Tensor]:
    truth, ink = 2 * rgb - 1, 2 * sketch - 1
    logits = model.model.network.divide(sketch)
    noisy = logits + draws.noise
    soft = (noisy / tau).softmax(dim=1)
    hard = torch.nn.functional.one_hot(noisy.argmax(dim=1), 30).permute(0, 3, 1, 2)
    segments = hard - soft.detach() + soft  # straight-through
    given = (torch.arange(30)[None] < draws.counts[:, None]).float()
    area = segments.sum(dim=(2, 3))
    means = torch.einsum("bnhw,bchw->bnc", segments, truth) / (1e-20 + area)[..., None]
    color = torch.einsum("bn,bnc,bnhw->bchw", given, means, segments)
    mask = torch.einsum("bn,bnhw->bhw", given, segments)[:, None]
    generated = torch.tanh(model.model.network.colorizer(torch.cat([ink, color, mask, segments], dim=1)))
    filled = torch.einsum("bnc,bnhw->bchw", means, segments)
    steps = (
        logits[..., :-1, :] - logits[..., 1:, :],
        logits[..., :-1] - logits[..., 1:],
        logits[..., :-1, :-1] - logits[..., 1:, 1:],
        logits[..., 1:, :-1] - logits[..., :-1, 1:],
    )
    scores = model.discriminator(torch.cat([ink, generated], dim=1))
    return {
        "reconstruction": (generated - truth).abs().mean(),
        "variance": (filled - truth).square().mean(),
        "smoothness": sum(step.abs().mean() for step in steps) / 4,
        "adversarial": (scores - 1).square().mean(),
        "generated": generated,
    }


@pytest.mark.parametrize("stop", [1 / 8, 0.999])
def test_cho2023_generator_and_discriminator_losses_equal_the_formulas(stop: float) -> None:
    model: Any = small("cho2023", stop_probability=stop)
    model.model.network.segmenter.head.weight.data.mul_(50)
    batch, _, _ = training_batch(32, 2)
    sketch = sketches_of(batch)
    rgb = batch["rgb"] = (batch["rgb"] > 0.5).float()  # no generated color is at the kink of L1
    draws = model.draws_of(batch, "first")
    generated = model.generate_drawn(sketch, rgb, draws, 0.5)
    batch["sketch"] = sketch
    found = model.generator_loss(batch, generated)
    terms = plain_terms(model, sketch, rgb, draws, 0.5)
    image = terms.pop("generated")
    torch.testing.assert_close(2 * generated.rgb - 1, image, rtol=0, atol=1e-4)
    weights = {"reconstruction": 30.0, "variance": 5.0, "smoothness": 1.0, "adversarial": 0.2}
    wanted = sum(weights[name] * term for name, term in terms.items())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=0)
    # with AVX-512 a bias before a normalization differs by 1.1e-3
    same(
        gradients(found, model.model.network),
        gradients(wanted, model.model.network),
        rtol=2e-3,
        rounding=3e-3,
    )

    discriminator = model.discriminator_loss(batch, generated.detach())
    judge, ink = model.discriminator, 2 * sketch - 1
    fake = judge(torch.cat([ink, image.detach()], dim=1))
    real = judge(torch.cat([ink, 2 * rgb - 1], dim=1))
    plain = 0.2 * 0.5 * (fake.square().mean() + (real - 1).square().mean())
    torch.testing.assert_close(discriminator, plain, rtol=1e-4, atol=0)
    same(gradients(discriminator, judge), gradients(plain, judge), rtol=1e-3)
