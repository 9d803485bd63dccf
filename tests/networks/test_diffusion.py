"""Noise schedule and sampler of diffusion models."""

import pytest
import torch
from torch import Tensor

from colorzoo.networks.diffusion import InitialNoise, NoiseSchedule


def test_schedule_matches_the_values_of_the_paper() -> None:
    schedule = NoiseSchedule()
    beta = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha_bar = torch.tensor([float((1 - beta[: level + 1]).prod()) for level in (0, 500, 999)])
    torch.testing.assert_close(schedule.signal[[0, 500, 999]] ** 2, alpha_bar, rtol=1e-5, atol=0)
    assert float(schedule.noise[-1] / schedule.signal[-1]) == pytest.approx(157.6, abs=0.5)
    torch.testing.assert_close(schedule.signal**2 + schedule.noise**2, torch.ones(1000))


@pytest.mark.parametrize("steps", [1, 3, 10, 1000])
def test_sampler_with_the_true_noise_recovers_the_image(steps: int) -> None:
    schedule, levels = NoiseSchedule(), []
    image = torch.rand(2, 2, 6, 5) * 2 - 1
    start = schedule.add_noise(image, torch.randn(2, 2, 6, 5), torch.full((2,), 999))

    def true_noise(noisy: Tensor, level: Tensor) -> Tensor:
        levels.append(int(level[0]))
        signal, noise = schedule.signal[level][:, None, None, None], schedule.noise[level]
        return (noisy - signal * image) / noise[:, None, None, None]

    found = schedule.sample(true_noise, start, steps)
    torch.testing.assert_close(found, image, rtol=0, atol=2e-3)
    assert len(levels) == steps
    assert levels[0] == 999
    assert levels == sorted(levels, reverse=True)


def test_steps_of_the_sampler_match_equation_12() -> None:
    schedule = NoiseSchedule(levels=10, last=0.5)
    start = torch.randn(1, 2, 4, 4)
    found = schedule.sample(lambda noisy, _: 0.3 * noisy, start, 2, limit=1e9)
    x, alpha = start, schedule.signal.double() ** 2
    for level, following in ((9, 4), (4, None)):
        epsilon = 0.3 * x
        x0 = (x - (1 - alpha[level]).sqrt() * epsilon) / alpha[level].sqrt()
        kept = torch.ones(()) if following is None else alpha[following]
        x = kept.sqrt() * x0 + (1 - kept).sqrt() * epsilon
    torch.testing.assert_close(found.double(), x.double(), rtol=1e-4, atol=1e-4)


def test_sampler_clips_images() -> None:
    found = NoiseSchedule().sample(lambda noisy, _: -noisy, torch.ones(1, 1, 2, 2), 4, limit=0.5)
    assert torch.equal(found, torch.full((1, 1, 2, 2), 0.5))


def test_initial_noise_depends_on_the_seed_and_not_on_the_batch() -> None:
    noise, images = InitialNoise(2, side=8), torch.zeros(3, 1, 20, 11)
    fixed = noise(images)
    assert torch.equal(fixed[0], fixed[2])
    assert torch.equal(fixed[:, :, :8, :3], fixed[:, :, 8:16, 8:11])  # the tile repeats
    seeds = torch.tensor([5, 6, 5])
    drawn = noise(images, seeds)
    assert torch.equal(drawn[0], drawn[2])
    assert not torch.equal(drawn[0], drawn[1])
    assert torch.equal(noise(images[:1], seeds[1:2])[0], drawn[1])
    assert drawn.std() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [(8, 8), (20, 11), (3, 9)])
def test_initial_noise_without_seeds_is_the_noise_of_the_seed_0(size: tuple[int, int]) -> None:
    noise, images = InitialNoise(2, side=8), torch.zeros(2, 1, *size)
    assert torch.equal(noise(images), noise(images, torch.tensor([0, 0])))
    assert not torch.equal(noise(images), noise(images, torch.tensor([1, 1])))
