"""Speed of exemplar coloring by Xu et al. 2020: against the published steps, and growth with size."""

from __future__ import annotations

import multiprocessing
import re
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks._harness import (
    Options,
    Row,
    share_of,
    single_thread,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo import Exemplar, Guidance, Points, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.inference.colorizer import Colorizer
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.tiles import transfer_in_tiles
from colorzoo.zoo.xu2020.transfer import (
    PLACE_SETS,
    Decoder,
    Encoder,
    EncoderMaps,
    match_look,
    pad_picture,
)

RUNS = {256: 5, 512: 3, 1024: 1}
GOAL_COLD, GOAL_CACHED, GOAL_GROWTH, GOAL_MEMORY = 2.0, 3.0, 1.0, 0.5
STATUS = Path("/proc/self/status")  # Linux only; elsewhere memory is not measured
EPSILON = 1e-5


def run(options: Options) -> list[Row]:
    """Time the full-size network by size, then growth beside the baselines; `gpu` has the paper's table."""
    del options
    torch.manual_seed(0)
    single_thread()
    model = create_model("xu2020", None)
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    rows = [row for side in RUNS for row in _against_published(colorizer, model.network, side)]
    rows += _growth()
    if STATUS.exists():
        rows.append(_memory())
    return rows


def _against_published(colorizer: Colorizer, network: ExemplarNetwork, side: int) -> list[Row]:
    luma, rgb = _pair(side)
    with torch.inference_mode():
        look = colorizer.model.look(rgb)
    cold, cached = Guidance(exemplar=Exemplar(rgb)), Guidance(exemplar=Exemplar(rgb, look))
    calls: dict[str, Callable[[], object]] = {
        "published": partial(published_steps, network, luma, rgb),
        "cold": partial(colorizer.predict, luma, cold),
        "cached": partial(colorizer.predict, luma, cached),
    }
    seconds = time_in_turn(calls, runs=RUNS[side])
    claim = f"xu2020 at {side}x{side}, {{}}, seconds against the published steps"
    return [
        times_faster(
            claim.format("new reference"), seconds["cold"], seconds["published"], GOAL_COLD, where()
        ),
        times_faster(
            claim.format("cached look"), seconds["cached"], seconds["published"], GOAL_CACHED, where()
        ),
    ]


def _growth() -> list[Row]:
    """Return how many times longer 512 takes than 256, each of ours as a share of each baseline's."""
    ours, baselines = ("xu2020", "xu2020_small"), ("welsh2002", "feature_match")
    colorizers = {name: Colorizer(name, device="cpu") for name in (*ours[1:], *baselines)}
    colorizers[ours[0]] = Colorizer(create_model(ours[0], None), device="cpu", allow_untrained=True)
    spent: dict[str, list[float]] = {}
    for side in (256, 512):
        luma, rgb = _pair(side)
        given = Guidance(exemplar=Exemplar(rgb))
        calls = {name: partial(each.predict, luma, given) for name, each in colorizers.items()}
        for name, seconds in time_in_turn(calls, runs=3).items():
            spent.setdefault(name, []).append(seconds)
    growth = {name: seconds[1] / seconds[0] for name, seconds in spent.items()}
    claim = "times longer at 512 than at 256 ({:.2f} s and {:.2f} s), {} beside {}"
    return [
        share_of(claim.format(*spent[one], one, other), growth[one], growth[other], GOAL_GROWTH, where())
        for one in ours
        for other in baselines
    ]


def _memory() -> Row:
    """Return the peak of a transfer at 2048 in tiles beside that of the whole picture at once."""
    peaks = []
    for tiled in (True, False):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            peaks.append(pool.submit(_peak, tiled).result())
    claim = "transfer of xu2020_small at 2048x2048, MB in tiles against the whole picture at once"
    return share_of(claim, *peaks, GOAL_MEMORY, where())


def _peak(tiled: bool) -> float:
    single_thread()
    network = create_model("xu2020_small").network
    luma, rgb = _pair(2048)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        look = network.transfer.look(rgb[..., :256, :256])
        targets = network.transfer.split_look(look)
        content = lab_to_rgb(F.pad(luma, (0, 0, 0, 0, 0, 2)))
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back to what is in use now
        before = _peak_megabytes()
        if tiled:
            transfer_in_tiles(network.transfer, content, targets, PLACE_SETS)
        else:
            network.transfer(content, match_look(targets))
    return _peak_megabytes() - before


def _peak_megabytes() -> float:
    found = re.search(r"VmHWM:\s*(\d+) kB", STATUS.read_text())
    assert found is not None, "every Linux tells the peak of a process"
    return int(found[1]) / 1e3


def _pair(side: int) -> tuple[Tensor, Tensor]:
    """Return a lightness ``(1, 1, S, S)`` and a reference ``(1, 3, S, S)``: blobs under a little grain."""
    generator = torch.Generator().manual_seed(side)
    blobs = F.interpolate(torch.rand(2, 3, 8, 8, generator=generator), size=(side, side), mode="bicubic")
    rgb = (blobs + 0.05 * torch.rand(blobs.shape, generator=generator)).clamp(0, 1)
    return rgb_to_lab(rgb[:1])[:, :1], rgb[1:]


@torch.no_grad()
def published_steps(network: ExemplarNetwork, luma: Tensor, reference: Tensor) -> Tensor:
    """Color as the authors' scripts do: eager, float32, the style pass with every picture.

    Args:
        network: The same weights as ours.
        luma: ``(1, 1, H, W)`` in [0, 100].
        reference: ``(1, 3, H', W')`` in [0, 1].

    Returns:
        ``(1, 2, H, W)``.
    """
    automatic, _ = network.color(luma, Points.none(luma))
    content = lab_to_rgb(torch.cat([luma, automatic], dim=1))
    encoder, decoder = network.transfer.encoder, network.transfer.decoder
    styles = _record(encoder, decoder, pad_picture(reference))

    def adapt(place: str, maps: Tensor) -> Tensor:
        return maps if place == "bottom" else _published_adain(maps, styles[place])

    rgb = decoder(encoder(pad_picture(content), adapt), adapt)
    transferred = rgb_to_lab(rgb.clamp(0, 1))[:, 1:]
    ab, _ = network.color(luma, network.hints_of(transferred, torch.Generator()))
    return ab


def _record(encoder: Encoder, decoder: Decoder, rgb: Tensor) -> dict[str, Tensor]:
    styles: dict[str, Tensor] = {}

    def keep(place: str, maps: Tensor) -> Tensor:
        styles[place] = maps
        return maps

    encoded: EncoderMaps = encoder(rgb, keep)
    decoder.body(encoded, keep)
    return styles


def _published_adain(content: Tensor, style: Tensor) -> Tensor:
    """Normalize with means and deviations expanded to whole maps, as the published step is written."""
    (mean, std), (style_mean, style_std) = _statistics(content), _statistics(style)
    normalized = (content - mean.expand(content.shape)) / std.expand(content.shape)
    return normalized * style_std.expand(content.shape) + style_mean.expand(content.shape)


def _statistics(maps: Tensor) -> tuple[Tensor, Tensor]:
    batch, channels = maps.shape[:2]
    flat = maps.reshape(batch, channels, -1)
    std = (flat.var(dim=2) + EPSILON).sqrt().view(batch, channels, 1, 1)
    return flat.mean(dim=2).view(batch, channels, 1, 1), std
