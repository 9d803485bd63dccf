"""Simulated aging of photographs: emulsion, blur, fading, scratches, halftone, grain, JPEG, borders.

Faults change only the lightness; ab is unchanged inside the borders, so that a network learns true colors for
damaged images. The strength of each fault was chosen by visual comparison with scans of historical
photographs; it does not come from a paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import kornia
import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.randomness import Generators, draw_normal, draw_uniform

_BLIND_TO_RED = 0.2  # fraction of the degraded images
_FRAMED = 1 / 6  # fraction of the degraded images
_DRAWS = 6  # random numbers per fault: presence and five parameters

Fault = Callable[[Tensor, Tensor, Generators], Tensor]
"""Function of lightness ``(B, 1, H, W)`` in [0, 1], random numbers ``(5, B, 1, 1, 1)`` and the generators."""


def age_photos(rgb: Tensor, generators: Generators, share: float) -> Tensor:
    """Degrade some images of a batch with the emulsion, faults and borders of old photographs.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        generators: One random generator for the batch, or one per image.
        share: Probability that an image is degraded, in [0, 1].

    Returns:
        ``(B, 3, H, W)`` in [0, 1]. In degraded images the chroma of colors outside sRGB is reduced; borders
        are gray.
    """
    draws = draw_uniform(generators, len(rgb), 1, torch.device("cpu"))  # on the CPU, to avoid a sync
    chosen = (draws.numpy()[:, 0] < share).nonzero()[0].tolist()
    if not chosen:
        return rgb
    own = generators if isinstance(generators, torch.Generator) else [generators[i] for i in chosen]
    lab = rgb_to_lab(rgb[chosen])
    lightness = age_lightness(expose(rgb[chosen], lab[:, :1], own), own)
    aged = rgb.clone()
    aged[chosen] = add_borders(lab_to_rgb_in_gamut(torch.cat([lightness, lab[:, 1:]], dim=1)), own)
    return aged


def age_lightness(lightness: Tensor, generators: Generators) -> Tensor:
    """Apply random faults of old photographs to the lightness of each image.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        generators: One random generator for the batch, or one per image.

    Returns:
        ``(B, 1, H, W)`` in [0, 100].
    """
    batch = len(lightness)
    draws = draw_uniform(generators, batch, _DRAWS * len(FAULTS), lightness.device)
    aged = lightness / 100
    for (fault, share), drawn in zip(FAULTS, torch.split(draws, _DRAWS, dim=1), strict=True):
        has, *how = drawn.T.reshape(_DRAWS, batch, 1, 1, 1)
        aged = torch.where(has < share, fault(aged, torch.stack(how), generators).clamp(0, 1), aged)
    return aged * 100


def expose(rgb: Tensor, lightness: Tensor, generators: Generators) -> Tensor:
    """Simulate the lightness on an emulsion that is nearly insensitive to red, for some images.

    Args:
        rgb: ``(B, 3, H, W)`` in [0, 1].
        lightness: ``(B, 1, H, W)`` in [0, 100]: lightness that is returned for the other images.
        generators: One random generator for the batch, or one per image.
    """
    blind, red, green = draw_uniform(generators, len(rgb), 3, rgb.device).T.reshape(3, -1, 1, 1, 1)
    red, green = 0.15 * red, 0.4 + 0.3 * green
    sensitivity = torch.cat([red, green, 1 - red - green], dim=1)
    light = (sensitivity * kornia.color.rgb_to_linear_rgb(rgb)).sum(dim=1, keepdim=True)
    gray = kornia.color.linear_rgb_to_rgb(light.expand(-1, 3, -1, -1))
    return torch.where(blind < _BLIND_TO_RED, rgb_to_lab(gray)[:, :1], lightness)


def add_borders(rgb: Tensor, generators: Generators) -> Tensor:
    """Cover some sides of some images with a dark or light gray border of 1 to 9 % of a side, with noise."""
    count, _, height, width = rgb.shape
    draws = draw_uniform(generators, count, 12, rgb.device)
    framed, light, tone, grain = draws[:, :4].T.reshape(4, -1, 1, 1, 1)
    there, breadth = draws[:, 4:8], draws[:, 8:]
    breadth = torch.where(there < 0.6, 0.01 + 0.08 * breadth, 0.0) * (framed.view(-1, 1) < _FRAMED)
    top, bottom, left, right = breadth.T.reshape(4, -1, 1, 1, 1)
    rows = ((torch.arange(height, device=rgb.device) + 0.5) / height)[:, None]
    columns = (torch.arange(width, device=rgb.device) + 0.5) / width
    covered = (rows < top) | (rows > 1 - bottom) | (columns < left) | (columns > 1 - right)
    tone = torch.where(light < 0.5, 0.15 * tone, 1 - 0.2 * tone)
    noise = 0.03 * grain * draw_normal(generators, count, (1, height, width), rgb.device)
    return torch.where(covered, (tone + noise).clamp(0, 1), rgb)


def _blur(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    del generators
    means = F.avg_pool2d(F.pad(lightness, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return torch.lerp(lightness, means, how[0])


def _fade(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    del generators
    gamma, span = torch.exp(0.9 * (how[0] - 0.5)), 1 - 0.5 * how[1]
    return lightness.clamp(min=1e-4) ** gamma * span + (1 - span) * how[2]


def _uneven_light(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    field = draw_normal(generators, len(lightness), (1, 3, 3), lightness.device)
    return lightness + 0.06 * how[0] * F.interpolate(field, lightness.shape[-2:], mode="bicubic")


def _scratches(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    """Draw three light or dark lines, one to two pixels wide."""
    height, width = lightness.shape[-2:]
    lines = draw_uniform(generators, len(lightness), 9, lightness.device).view(-1, 3, 3, 1, 1)
    place, slope, tone = lines.unbind(dim=2)
    rows = torch.linspace(-0.5, 0.5, height, device=lightness.device)[:, None]
    columns = torch.arange(width, device=lightness.device)
    across = columns - width * (place + (slope - 0.5) * rows)
    ink = torch.exp(-(across**2) / (0.5 + how[0])) * (tone - 0.5)
    return lightness + 0.8 * ink.sum(dim=1, keepdim=True)


def _halftone(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    """Add a halftone screen (two crossed cosines), strongest at mid gray."""
    del generators
    height, width = lightness.shape[-2:]
    rows = torch.arange(height, device=lightness.device)[:, None]
    columns = torch.arange(width, device=lightness.device)
    angle, pitch = math.pi / 2 * how[0], 2.5 + 3 * how[1]
    along = (columns * angle.cos() + rows * angle.sin()) * (2 * math.pi / pitch)
    across = (rows * angle.cos() - columns * angle.sin()) * (2 * math.pi / pitch)
    return lightness + 0.5 * how[2] * lightness * (1 - lightness) * (along.cos() + across.cos())


def _grain(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    noise = draw_normal(generators, len(lightness), (1, *lightness.shape[-2:]), lightness.device)
    coarse = 2.2 * F.avg_pool2d(F.pad(noise, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return lightness + 0.04 * how[0] * torch.where(how[1] < 0.5, coarse, noise)


def _jpeg_blocks(lightness: Tensor, how: Tensor, generators: Generators) -> Tensor:
    del generators
    quality = 25 + 60 * how[0].flatten()
    coded: Tensor = kornia.enhance.jpeg_codec_differentiable(lightness.expand(-1, 3, -1, -1), quality)
    return coded[:, :1]


FAULTS: tuple[tuple[Fault, float], ...] = (
    (_blur, 0.6),
    (_fade, 0.8),
    (_uneven_light, 0.5),
    (_scratches, 0.15),
    (_halftone, 0.1),
    (_grain, 0.6),
    (_jpeg_blocks, 0.4),
)
"""Faults in the order of application, each with the probability that a degraded image has it."""
