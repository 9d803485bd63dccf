"""The `Colorizer` against a direct implementation of each paper: speed, colors and memory.

The reference is a plain call of the network in float32, in contiguous memory, without gradients; where our
network needs fewer operations, the published operations are used (`PLAIN`). Networks without local weights
use random weights, which the row states; their colors are scaled to the deviation of ab in photos before the
comparison.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import torch
from scipy.sparse import csc_array, eye_array
from scipy.sparse.linalg import spsolve
from torch import Tensor
from torch.nn import functional as F

from benchmarks._common import (
    Options,
    Row,
    SkippedError,
    share_of,
    single_thread,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo.card import ModelCard
from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.networks import gated_transfer
from colorzoo.prediction import Prediction
from colorzoo.registry import list_models, model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.weights.catalog import file_problem, weight_file
from colorzoo.zoo.he2018 import model as he2018
from colorzoo.zoo.he2018.model import SCALES, dense_matches, errors_of, read_at
from colorzoo.zoo.larsson2016 import model as larsson2016
from colorzoo.zoo.li2018.model import BETA, affinities, last_filter

GOAL_WITH_MATRICES, GOAL_WITHOUT, GOAL_DELTA_E, GOAL_MEMORY = 2.5, 1.0, 0.5, 1.0
SIZES, REPEATS = (256, 512), 3
CHROMA = 13.0  # standard deviation of ab in photos


def run(options: Options) -> list[Row]:
    """Return speed, color difference and peak memory of each network at each size."""
    cards = {
        card.name: card
        for card in map(model_card, list_models())
        if "published" in card.weights or card.name in PLAIN
    }
    names = options.models or tuple(cards)
    if unknown := set(names) - set(cards):
        raise SkippedError(f"no published weights or steps of {', '.join(sorted(unknown))}")
    rows = []
    for name in names:
        for size in options.sizes or SIZES:
            rows += measure(cards[name], size, options.repeats or REPEATS)
    return rows


def measure(card: ModelCard, size: int, repeats: int) -> list[Row]:
    """Measure a network at one size."""
    torch.manual_seed(0)
    model, kind = load_model(card)
    calls = {"ours": our_way(model, card, size), "theirs": their_way(model, card, size)}
    ours, theirs = calls["ours"](), calls["theirs"]()
    distance = float((ours - theirs).norm(dim=1).mean())  # Delta-E (1976), as L is equal
    if kind == "random":
        distance *= CHROMA / float(theirs.std())
    seconds = time_in_turn(calls, runs=repeats, warmup=0)
    # peak memory of each way in a new single-threaded process
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawn, initializer=single_thread, max_tasks_per_child=1) as pool:
        ours_mb, theirs_mb = (
            pool.submit(peak, card.name, size, way).result() for way in (our_way, their_way)
        )
    goal = GOAL_WITH_MATRICES if torch.cpu._is_amx_tile_supported() else GOAL_WITHOUT
    place = f"{kind} weights, {where()}"
    title = f"{card.name} at {size} x {size}"
    return [
        times_faster(f"{title}, seconds per image", seconds["ours"], seconds["theirs"], goal, place),
        share_of(f"{title}, mean Delta-E in units of 1", distance, 1.0, GOAL_DELTA_E, place),
        share_of(f"{title}, peak MB", ours_mb, theirs_mb, GOAL_MEMORY, place),
    ]


def load_model(card: ModelCard) -> tuple[ColoringModel, str]:
    """Return a model and the origin of its weights."""
    if "published" in card.weights and not file_problem(weight_file(card, "published")):
        return create_coloring_model(card.name, "published", offline=True), "the authors'"
    return create_coloring_model(card.name, None), "random"


def our_way(model: ColoringModel, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return a call of the `Colorizer`."""
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    lightness, guidance = sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))

    def call() -> Tensor:
        nonlocal lightness
        ab = colorizer.predict(lightness, guidance).to_ab()
        lightness = lightness.roll(
            1, dims=-1
        )  # another image, because answers to the last ones are remembered
        return ab

    return call


def their_way(model: ColoringModel, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return a plain call of the network in float32, without gradients."""
    lightness, guidance = sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))

    @torch.no_grad()
    def call() -> Tensor:
        return PLAIN.get(card.name, plain_call)(model, lightness, guidance)

    return call


def plain_call(model: Any, lightness: Tensor, guidance: Guidance) -> Tensor:
    """Call the network directly."""
    prediction: Prediction = model(lightness, guidance)
    return prediction.to_ab()


def larsson_plain(model: Any, lightness: Tensor, guidance: Guidance) -> Tensor:
    """Colorize with whole hypercolumns: every map is enlarged before the first layer of the head."""
    network = model.network
    fused = network.hidden_map

    def hidden_map(maps: list[Tensor]) -> Tensor:
        scales = zip(maps, larsson2016.SCALES, strict=True)
        dense = [larsson2016.enlarge(larsson2016.at_quarter(m, s), max(1, s // 4)) for m, s in scales]
        return network.hidden(torch.cat(dense, dim=1)).relu()

    network.hidden_map = hidden_map
    try:
        return model(lightness, guidance).to_ab()
    finally:
        network.hidden_map = fused


def he_plain(model: Any, lightness: Tensor, guidance: Guidance) -> Tensor:
    """Colorize with features of every pixel, with which matched positions are compared."""
    assert guidance.exemplar is not None
    rgb = guidance.exemplar.rgb
    other = rgb_to_lab(rgb)[:, :1]
    ours, theirs = model.features(lightness), model.features(other)
    sizes = [(each.shape[2], each.shape[3]) for each in (lightness, other)]
    there, back = dense_matches(ours, theirs, *sizes), dense_matches(theirs, ours, *sizes[::-1])
    found: tuple[list[Tensor], list[Tensor]] = ([], [])
    for pair in zip(ours, theirs, SCALES, strict=True):
        dense = [
            F.normalize(at_every_pixel(each, size, pair[2]), dim=1, eps=1e-8)
            for each, size in zip(pair[:2], sizes, strict=True)
        ]
        for maps, own, seen, matches in zip(found, dense, dense[::-1], (there, back), strict=True):
            maps.append(-(own * read_at(seen, matches)).sum(dim=1, keepdim=True))
    forward, backward = (torch.cat(each, dim=1) for each in found)
    errors = errors_of(torch.cat([forward, read_at(backward, there)], dim=1))
    aligned = he2018.Aligned(there, back, errors)
    ab: Tensor = model.generate(lightness, he2018.aligned_colors(rgb, aligned), errors)
    return ab


def gated_plain(model: Any, lightness: Tensor, guidance: Guidance) -> Tensor:
    """Colorize with all positions of the image compared with the reference at once."""
    usual = gated_transfer.POSITIONS_PER_CHUNK
    gated_transfer.POSITIONS_PER_CHUNK = lightness.numel()
    try:
        return plain_call(model, lightness, guidance)
    finally:
        gated_transfer.POSITIONS_PER_CHUNK = usual


def at_every_pixel(maps: Tensor, size: tuple[int, int], scale: int) -> Tensor:
    """Interpolate maps at the pixels of an image, shifted by up to half a cell as published."""
    if scale == 1:
        return maps
    places = [(torch.arange(side) + scale / 2) / scale for side in size]
    low = [each.long().clamp(max=count - 1) for each, count in zip(places, maps.shape[-2:], strict=True)]
    high = [(each + 1).clamp(max=count - 1) for each, count in zip(low, maps.shape[-2:], strict=True)]
    y, x = (each - first for each, first in zip(places, low, strict=True))
    rows = maps[:, :, low[0]] * (1 - y)[:, None] + maps[:, :, high[0]] * y[:, None]
    return rows[..., low[1]] * (1 - x) + rows[..., high[1]] * x


def li_plain(model: Any, lightness: Tensor, guidance: Guidance) -> Tensor:
    """Colorize with the published transform and a direct solver; the last published filter requires CUDA."""
    assert guidance.exemplar is not None
    rgb = lightness_to_rgb(lightness)
    image = li_transform(model.network, rgb, guidance.exemplar.rgb)[0].clamp(0, 1)
    planes, guide = (each.permute(1, 2, 0).double().numpy() for each in (image, rgb[0]))
    weights = affinities(guide)
    scale = 1 / weights.sum(axis=0) ** 0.5
    normalized = weights.multiply(scale[:, None]).multiply(scale[None])
    system = csc_array(eye_array(len(scale)) - BETA * normalized)
    solved = [spsolve(system, (1 - BETA) * plane) for plane in planes.reshape(-1, 3).T]
    smooth = torch.stack([torch.from_numpy(each) for each in solved]).view(3, *guide.shape[:2]).float()
    return rgb_to_lab(last_filter(smooth.clamp(0, 1), rgb[0])[None].clamp(0, 1))[:, 1:]


def li_transform(network: Any, content: Tensor, style: Tensor) -> Tensor:
    """Return the image ``(1, 3, H, W)`` of PhotoWCT, with each layer as its own module and SVD."""
    hooks, image = li_encoded(network.encoders[3], style)[0], content
    for level in (4, 3, 2, 1):
        own, pools = li_encoded(network.encoders[level - 1], image)
        x = li_moved(own[-1], hooks[level - 1])
        decoder = network.decoders[level - 1]
        for name in decoder.steps:
            if name == "pool":
                places, size = pools.pop()
                x = F.max_unpool2d(x, places, [2, 2], [2, 2], output_size=size)
            else:
                x = li_convolved(decoder.get_submodule(name), x)
                x = x if name == decoder.steps[-1] else F.relu(x, inplace=True)
        image = x
    return image


def li_encoded(encoder: Any, rgb: Tensor) -> tuple[list[Tensor], list[tuple[Tensor, torch.Size]]]:
    """Return the first map of each level of an encoder, and indices and sizes of its poolings."""
    x, hooks, pools = encoder.conv0(rgb), [], []
    for name in encoder.steps:
        if name == "pool":
            size = x.shape
            x, places = F.max_pool2d(x, 2, 2, return_indices=True)
            pools.append((places, size))
            continue
        x = F.relu(li_convolved(encoder.get_submodule(name), x), inplace=True)
        if name.endswith("_1"):
            hooks.append(x)
    return hooks, pools


def li_convolved(layer: Any, x: Tensor) -> Tensor:
    """Return a convolution with reflection padding."""
    return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), layer.weight, layer.bias)


def li_moved(content: Tensor, style: Tensor) -> Tensor:
    """Return features with mean and covariance of other features; SVD in float64, which always converges."""
    ours, theirs = (each[0].flatten(1) for each in (content, style))
    centered, mean = ours - ours.mean(1, keepdim=True), theirs.mean(1, keepdim=True)
    covariance = centered @ centered.T / (ours.shape[1] - 1) + torch.eye(len(ours))
    wanted = (theirs - mean) @ (theirs - mean).T / (theirs.shape[1] - 1)
    for matrix, power in ((covariance, -0.5), (wanted, 0.5)):
        vectors, values, _ = torch.linalg.svd(matrix.double())
        kept = int((values >= 1e-5).sum())
        raised = vectors[:, :kept] * values[:kept] ** power @ vectors[:, :kept].T
        centered = raised.float() @ centered
    return (centered + mean).view(content.shape)


PLAIN: Mapping[str, Callable[[Any, Tensor, Guidance], Tensor]] = {
    "iizuka2016": plain_call,
    "larsson2016": larsson_plain,
    "he2018": he_plain,
    "li2018": li_plain,
    "lu2020": gated_plain,
    "yin2021": gated_plain,
    "bai2022": plain_call,
    "ci2018": plain_call,
    "lee2020": plain_call,
    "xiao2020": plain_call,
    "xia2022": plain_call,
    "gupta2012": plain_call,
    "pierre2015": plain_call,
}
"""The published steps of the models that papers compare with."""


def peak(name: str, size: int, way: Callable[[ColoringModel, ModelCard, int], Callable[[], Tensor]]) -> float:
    """Return the peak memory in MB for a model and an image, without reading the weights.

    Raises:
        SkippedError: The system is not Linux.
    """
    status, card = Path("/proc/self/status"), model_card(name)
    if not status.exists():
        raise SkippedError("memory is measured on Linux only")

    def megabytes(field: str) -> float:
        lines = (line.split() for line in status.read_text(encoding="ascii").splitlines())
        return next(int(line[1]) for line in lines if line[0] == f"{field}:") / 1024

    before = megabytes("VmRSS")
    model, _ = load_model(card)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # reset the peak to the present memory
    way(model, card, size)()
    return megabytes("VmHWM") - before
