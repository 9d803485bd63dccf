"""Exemplar coloring by Xu et al. 2020 against the published steps.

``python -m benchmarks.claims xu2020`` measures how runtime grows with the picture.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import Options, Row, time_in_turn, times_faster, where
from colorzoo import Exemplar, Guidance, Points
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.transfer import EncoderMaps, pad_picture

RUNS = {256: 5, 512: 3, 1024: 1}
GOAL_NEW, GOAL_CACHED = 2.0, 3.0
EPSILON = 1e-5


def run(options: Options) -> list[Row]:
    """Time the full-size network by size, with a new and a cached reference."""
    torch.manual_seed(0)
    model: Any = create_coloring_model("xu2020", None)
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    rows = []
    for side in options.sizes or tuple(RUNS):
        lightness, rgb = sample_pair(side)
        with torch.inference_mode():
            look = model.look(rgb)
        calls: dict[str, Callable[[], object]] = {
            "published": partial(published_steps, model.network, lightness, rgb),
            "new": partial(colorizer.predict, lightness, Guidance(exemplar=Exemplar(rgb))),
            "cached": partial(colorizer.predict, lightness, Guidance(exemplar=Exemplar(rgb, look))),
        }
        seconds = time_in_turn(calls, runs=RUNS.get(side, 3))
        for name, goal in (("new", GOAL_NEW), ("cached", GOAL_CACHED)):
            claim = f"xu2020 at {side} x {side}, {name} reference, seconds against the published steps"
            rows.append(times_faster(claim, seconds[name], seconds["published"], goal, where()))
    return rows


def sample_pair(side: int) -> tuple[Tensor, Tensor]:
    """Return lightness ``(1, 1, S, S)`` and a reference ``(1, 3, S, S)``: blobs with a little grain."""
    generator = torch.Generator().manual_seed(side)
    blobs = F.interpolate(torch.rand(2, 3, 8, 8, generator=generator), size=(side, side), mode="bicubic")
    rgb = (blobs + 0.05 * torch.rand(blobs.shape, generator=generator)).clamp(0, 1)
    return rgb_to_lab(rgb[:1])[:, :1], rgb[1:]


@torch.no_grad()
def published_steps(network: ExemplarNetwork, lightness: Tensor, reference: Tensor) -> Tensor:
    """Color like the authors' scripts: eager, float32, the style pass with every picture.

    Args:
        network: The same weights as ours.
        lightness: ``(1, 1, H, W)`` in [0, 100].
        reference: ``(1, 3, H', W')`` in [0, 1].

    Returns:
        ab ``(1, 2, H, W)``.
    """
    automatic, _ = network.color(lightness, Points.none(lightness))
    content = lab_to_rgb(torch.cat([lightness, automatic], dim=1))
    encoder, decoder = network.transfer.encoder, network.transfer.decoder
    styles: dict[str, Tensor] = {}

    def keep(place: str, maps: Tensor) -> Tensor:
        styles[place] = maps
        return maps

    encoded: EncoderMaps = encoder(pad_picture(reference), keep)
    decoder.body(encoded, keep)

    def adapt(place: str, maps: Tensor) -> Tensor:
        return maps if place == "bottom" else published_adain(maps, styles[place])

    rgb = decoder(encoder(pad_picture(content), adapt), adapt)
    transferred = rgb_to_lab(rgb.clamp(0, 1))[:, 1:]
    ab: Tensor = network.color(lightness, network.hints_of(transferred, torch.Generator()))[0]
    return ab


def published_adain(content: Tensor, style: Tensor) -> Tensor:
    """Normalize with means and deviations expanded to whole maps, like the published code."""

    def statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
        flat = maps.flatten(2)
        std = (flat.var(dim=2) + EPSILON).sqrt()[..., None, None]
        return flat.mean(dim=2)[..., None, None], std

    (mean, std), (style_mean, style_std) = statistics(content), statistics(style)
    normalized = (content - mean.expand(content.shape)) / std.expand(content.shape)
    return normalized * style_std.expand(content.shape) + style_mean.expand(content.shape)
