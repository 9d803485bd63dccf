"""Noise schedule and sampler of diffusion models.

Ho et al. 2020, Denoising Diffusion Probabilistic Models, https://arxiv.org/abs/2006.11239; Song et al. 2021,
Denoising Diffusion Implicit Models, https://arxiv.org/abs/2010.02502.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from colorzoo.precision import in_float32
from colorzoo.randomness import draw_normal, draw_uniform, image_generators


class NoiseSchedule(nn.Module):
    """Noise levels of a diffusion model; the variances increase linearly (Ho et al. 2020, section 4).

    Level t mixes an image x_0 with noise: ``x_t = signal[t] x_0 + noise[t] epsilon``.

    Examples:
        >>> schedule = NoiseSchedule()
        >>> level, image, noise = torch.tensor([0, 999]), torch.rand(2, 2, 8, 8), torch.randn(2, 2, 8, 8)
        >>> noisy = schedule.add_noise(image, noise, level)
        >>> torch.allclose(schedule.remove_noise(noisy, noise, level), image, atol=1e-3)
        True
        >>> schedule.sample(lambda noisy, level: torch.zeros_like(noisy), noise, steps=4).shape
        torch.Size([2, 2, 8, 8])

    Attributes:
        signal: ``(T,)`` factor of the image, the square root of alpha-bar in the papers.
        noise: ``(T,)`` factor of the noise, the square root of 1 - alpha-bar.

    Args:
        levels: Number of noise levels T.
        first: Variance beta of the noise that the first level adds.
        last: Variance beta of the noise that the last level adds.
    """

    signal: Tensor
    noise: Tensor

    def __init__(self, levels: int = 1000, first: float = 1e-4, last: float = 0.02) -> None:
        super().__init__()
        alpha_bar = (1 - torch.linspace(first, last, levels, dtype=torch.float64)).cumprod(dim=0)
        # not in the state dict, because the arguments of the constructor determine the values
        self.register_buffer("signal", alpha_bar.sqrt().float(), persistent=False)
        self.register_buffer("noise", (1 - alpha_bar).sqrt().float(), persistent=False)

    def draw(self, seeds: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        """Draw a random level ``(B,)`` and noise ``(B, C, H, W)`` for each image of a training batch.

        Args:
            seeds: ``(B,)`` int64 seeds of the images, such as ``batch["seed"]``.
            image: ``(B, C, H, W)``, which determines the size and the device.
        """
        generators, count = image_generators(seeds, "noise"), len(image)
        fraction = draw_uniform(generators, count, 1, image.device)[:, 0]
        noise = draw_normal(generators, count, tuple(image.shape[1:]), image.device)
        return (fraction * len(self.signal)).long(), noise

    @in_float32
    def add_noise(self, image: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Return noisy images (eq. 4 of Ho et al. 2020).

        Args:
            image: ``(B, C, H, W)`` images, in about [-1, 1].
            noise: ``(B, C, H, W)`` standard normal noise.
            level: ``(B,)`` int64 noise level of each image.
        """
        return self.signal[level, None, None, None] * image + self.noise[level, None, None, None] * noise

    @in_float32
    def remove_noise(self, noisy: Tensor, noise: Tensor, level: Tensor) -> Tensor:
        """Return the images of noisy images whose noise is known or predicted; see `add_noise`.

        At the last level, an error of the noise is multiplied by ``noise / signal``, which is 158 for the
        default schedule.
        """
        return (noisy - self.noise[level, None, None, None] * noise) / self.signal[level, None, None, None]

    def sample(
        self, predict_noise: Callable[[Tensor, Tensor], Tensor], noise: Tensor, steps: int, limit: float = 1.0
    ) -> Tensor:
        """Generate images with the deterministic DDIM sampler (eq. 12 of Song et al. 2021 with sigma 0).

        The steps start at the last level and have equal distances.

        Args:
            predict_noise: Function that maps noisy images ``(B, C, H, W)`` and their levels ``(B,)`` to the
                predicted noise.
            noise: ``(B, C, H, W)`` standard normal noise, from which the sampler starts.
            steps: Number of steps, from 1 to the number of levels.
            limit: Images are clipped to [-limit, limit] after each step.
        """
        count = len(self.signal)
        levels = [round(count * (steps - step) / steps) - 1 for step in range(steps)]
        image = noisy = noise
        for level, following in zip(levels, [*levels[1:], None], strict=True):
            batch_level = torch.full(noise.shape[:1], level, device=noise.device)
            predicted = predict_noise(noisy, batch_level).float()
            image = self.remove_noise(noisy, predicted, batch_level).clamp(-limit, limit)
            if following is not None:
                # the noise that belongs to the clipped image
                predicted = (noisy - self.signal[level] * image) / self.noise[level]
                noisy = self.signal[following] * image + self.noise[following] * predicted
        return image


class InitialNoise(nn.Module):
    """Normal noise from which a sampler starts; the noise of an image does not depend on its batch.

    Without seeds, each image starts from the noise of the seed 0, which is a buffer. Graphs with this noise
    can be exported, and predictions can be repeated. The noise is repeated in large images.

    Examples:
        >>> noise = InitialNoise(2)
        >>> lightness = torch.zeros(3, 1, 32, 48)
        >>> noise(lightness).shape, noise(lightness, seeds=torch.arange(3)).shape
        (torch.Size([3, 2, 32, 48]), torch.Size([3, 2, 32, 48]))

    Args:
        channels: Number of channels.
        side: Height and width of the buffer in pixels.
    """

    tile: Tensor

    def __init__(self, channels: int, side: int = 256) -> None:
        super().__init__()
        (generator,) = image_generators(torch.zeros(1, dtype=torch.int64, device="cpu"), "initial noise")
        tile = torch.randn(channels, side, side, generator=generator, device="cpu")
        self.register_buffer("tile", tile, persistent=False)

    def forward(self, image: Tensor, seeds: Tensor | None = None) -> Tensor:
        """Return noise ``(B, channels, H, W)`` in float32.

        Args:
            image: ``(B, C, H, W)``, which determines the size and the device.
            seeds: ``(B,)`` int64 seed of each image; None uses the seed 0 for all images.
        """
        side = self.tile.shape[-1]
        batch, _, height, width = image.shape
        tiles = self.tile.expand(batch, -1, -1, -1)
        if seeds is not None:
            tiles = draw_normal(
                image_generators(seeds, "initial noise"), batch, tuple(self.tile.shape), image.device
            )
        rows = torch.arange(height, device=image.device) % side
        columns = torch.arange(width, device=image.device) % side
        return tiles[:, :, rows][..., columns]
