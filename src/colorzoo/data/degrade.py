"""Degradation of training images: emulsion, blur, fading, scratches and borders.

Degradations change only the lightness, except in added borders, so that a network learns to predict true
colors for damaged images. The strengths were chosen by visual comparison with scans of historical
photographs.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import kornia
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.randomness import Generators, copy_to, draw_normal, draw_uniform

_RED_INSENSITIVE_PROB = 0.2  # probabilities for a degraded image
_BORDER_PROB = 1 / 6
_BORDER_SIDE_PROB = 0.6  # probability of each side in an image with borders
_DRAWS = 6  # random numbers per degradation: one decides whether it is applied, five are its parameters

Degradation = Callable[[Tensor, Tensor, Generators], Tensor]
"""Function of lightness ``(B, 1, H, W)`` in [0, 1], random numbers ``(5, B, 1, 1, 1)`` and the generators."""


def degrade_images(rgb: Tensor, generators: Generators, prob: float) -> Tensor:
    """Add typical defects of old photographs to random images of a batch.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: A random generator for the batch, or a generator for each image.
        prob: Probability of degrading an image, in [0, 1].

    Returns:
        ``(B, 3, H, W)`` in [0, 1]. In degraded images, the chroma of colors outside sRGB is reduced and
        borders are gray.
    """
    chances = draw_uniform(generators, len(rgb), 1, torch.device("cpu"))[:, 0]
    rows = (chances < prob).nonzero()[:, 0]  # on the CPU, to avoid a sync
    if not len(rows):
        return rgb
    if not isinstance(generators, torch.Generator):
        generators = [generators[row] for row in rows.tolist()]
    device_rows = copy_to(rows, rgb.device)
    images = rgb.index_select(0, device_rows)
    lab = rgb_to_lab(images)
    lightness = simulate_emulsion(images, lab[:, :1], generators)
    lightness = degrade_lightness(lightness, generators)
    # before the gamut mapping, which waits for the GPU
    is_border, border = random_borders(images, generators)
    degraded = lab_to_rgb_in_gamut(torch.cat([lightness, lab[:, 1:]], dim=1))
    return rgb.index_copy(0, device_rows, torch.where(is_border, border, degraded))


def degrade_lightness(lightness: Tensor, generators: Generators) -> Tensor:
    """Add random defects of old photographs to the lightness of each image.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        generators: A random generator for the batch, or a generator for each image.

    Returns:
        ``(B, 1, H, W)`` in [0, 100].
    """
    batch = len(lightness)
    draws = draw_uniform(generators, batch, _DRAWS * len(DEGRADATIONS), lightness.device)
    result = lightness / 100
    draws_by_degradation = torch.split(draws, _DRAWS, dim=1)
    for (degrade, prob), own_draws in zip(DEGRADATIONS, draws_by_degradation, strict=True):
        chance, *params = own_draws.T.reshape(_DRAWS, batch, 1, 1, 1)
        degraded = degrade(result, torch.stack(params), generators).clamp(0, 1)
        result = torch.where(chance < prob, degraded, result)
    return result * 100


def simulate_emulsion(rgb: Tensor, lightness: Tensor, generators: Generators) -> Tensor:
    """Darken red in random images to simulate emulsions that are insensitive to red.

    Args:
        rgb: Color images ``(B, 3, H, W)`` in [0, 1].
        lightness: Lightness of these images, ``(B, 1, H, W)`` in [0, 100].
        generators: A random generator for the batch, or a generator for each image.

    Returns:
        ``(B, 1, H, W)`` lightness in [0, 100], equal to ``lightness`` in images that are not selected.
    """
    chance, red, green = draw_uniform(generators, len(rgb), 3, rgb.device).T.reshape(3, -1, 1, 1, 1)
    red, green = 0.15 * red, 0.4 + 0.3 * green
    sensitivity = torch.cat([red, green, 1 - red - green], dim=1)
    light = (sensitivity * kornia.color.rgb_to_linear_rgb(rgb)).sum(dim=1, keepdim=True)
    gray = kornia.color.linear_rgb_to_rgb(light.expand(-1, 3, -1, -1))
    return torch.where(chance < _RED_INSENSITIVE_PROB, rgb_to_lab(gray)[:, :1], lightness)


def random_borders(rgb: Tensor, generators: Generators) -> tuple[Tensor, Tensor]:
    """Draw noisy dark or light borders on random sides of random images.

    A border covers 1 to 9 % of the image width or height.

    Args:
        rgb: Images ``(B, 3, H, W)`` with the size and device of the result.
        generators: A random generator for the batch, or a generator for each image.

    Returns:
        Mask of the borders, ``(B, 1, H, W)`` bool, and their gray values, ``(B, 1, H, W)`` in [0, 1].
    """
    count, _, height, width = rgb.shape
    draws = draw_uniform(generators, count, 12, rgb.device)
    # the last two parameters have a column for each of the four sides
    columns = torch.split(draws, [1, 1, 1, 1, 4, 4], dim=1)
    image_chance, dark_chance, tone_draw, grain_draw, side_chance, width_draw = columns
    has_border = (image_chance < _BORDER_PROB) & (side_chance < _BORDER_SIDE_PROB)  # (B, 4)
    widths = torch.where(has_border, 0.01 + 0.08 * width_draw, 0.0)  # relative to the image size
    dark_tone, light_tone = 0.15 * tone_draw, 1 - 0.2 * tone_draw
    tone = torch.where(dark_chance < 0.5, dark_tone, light_tone)[..., None, None]
    deviation = 0.03 * grain_draw[..., None, None]
    noise = deviation * draw_normal(generators, count, (1, height, width), rgb.device)
    # the pixels closer to a side than the width of its border
    top, bottom, left, right = widths.T.reshape(4, -1, 1, 1, 1)
    y = ((torch.arange(height, device=rgb.device) + 0.5) / height)[:, None]
    x = (torch.arange(width, device=rgb.device) + 0.5) / width
    is_border = (y < top) | (y > 1 - bottom) | (x < left) | (x > 1 - right)
    return is_border, (tone + noise).clamp(0, 1)


def _blur(lightness: Tensor, params: Tensor, _: Generators) -> Tensor:
    means = F.avg_pool2d(F.pad(lightness, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(lightness, means, params[0])


def _fade(lightness: Tensor, params: Tensor, _: Generators) -> Tensor:
    gamma, span = torch.exp(0.9 * (params[0] - 0.5)), 1 - 0.5 * params[1]
    return lightness.clamp(min=1e-4) ** gamma * span + (1 - span) * params[2]


def _uneven_light(lightness: Tensor, params: Tensor, generators: Generators) -> Tensor:
    field = draw_normal(generators, len(lightness), (1, 3, 3), lightness.device)
    return lightness + 0.06 * params[0] * F.interpolate(field, lightness.shape[-2:], mode="bicubic")


def _scratches(lightness: Tensor, params: Tensor, generators: Generators) -> Tensor:
    """Draw three light or dark lines, one to two pixels wide."""
    height, width = lightness.shape[-2:]
    lines = draw_uniform(generators, len(lightness), 9, lightness.device).view(-1, 3, 3, 1, 1)
    offset, slope, tone = lines.unbind(dim=2)
    rows = torch.linspace(-0.5, 0.5, height, device=lightness.device)[:, None]
    columns = torch.arange(width, device=lightness.device)
    across = columns - width * (offset + (slope - 0.5) * rows)
    ink = torch.exp(-(across**2) / (0.5 + params[0])) * (tone - 0.5)
    return lightness + 0.8 * ink.sum(dim=1, keepdim=True)


def _halftone(lightness: Tensor, params: Tensor, _: Generators) -> Tensor:
    """Add a halftone screen (two crossed cosines), strongest at mid gray."""
    height, width = lightness.shape[-2:]
    rows = torch.arange(height, device=lightness.device)[:, None]
    columns = torch.arange(width, device=lightness.device)
    angle, pitch = math.pi / 2 * params[0], 2.5 + 3 * params[1]
    along = (columns * angle.cos() + rows * angle.sin()) * (2 * math.pi / pitch)
    across = (rows * angle.cos() - columns * angle.sin()) * (2 * math.pi / pitch)
    return lightness + 0.5 * params[2] * lightness * (1 - lightness) * (along.cos() + across.cos())


def _grain(lightness: Tensor, params: Tensor, generators: Generators) -> Tensor:
    noise = draw_normal(generators, len(lightness), (1, *lightness.shape[-2:]), lightness.device)
    coarse = 2.2 * F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return lightness + 0.04 * params[0] * torch.where(params[1] < 0.5, coarse, noise)


def _jpeg_blocks(lightness: Tensor, params: Tensor, _: Generators) -> Tensor:
    quality = 25 + 60 * params[0].flatten()
    coded: Tensor = kornia.enhance.jpeg_codec_differentiable(lightness.expand(-1, 3, -1, -1), quality)
    return coded[:, :1]


DEGRADATIONS: tuple[tuple[Degradation, float], ...] = (
    (_blur, 0.6),
    (_fade, 0.8),
    (_uneven_light, 0.5),
    (_scratches, 0.15),
    (_halftone, 0.1),
    (_grain, 0.6),
    (_jpeg_blocks, 0.4),
)
"""Degradation functions in order of application, with their probabilities in a degraded image."""
