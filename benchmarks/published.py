"""Networks with published weights: the `Colorizer` against the authors' way.

The authors' way is a plain call of the network in float32, in contiguous memory, without gradients. Networks
whose weights are not on this machine get random ones, and the row says so; their colors are scaled to the
deviation of ab in photos before they are compared.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks._common import (
    CHROMA,
    Options,
    Row,
    SkippedError,
    in_fresh_process,
    megabytes,
    reset_peak,
    share_of,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo.card import ModelCard
from colorzoo.engines.device import multiplies_matrices
from colorzoo.factory import create_coloring_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction
from colorzoo.registry import list_models, model_card
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.weights.catalog import weights_path
from colorzoo.weights.file_record import inspect_file

GOAL_WITH_MATRICES, GOAL_WITHOUT, GOAL_DELTA_E, GOAL_MEMORY = 2.5, 1.0, 0.5, 1.0
SIZES, REPEATS = (256, 512), 3


def run(options: Options) -> list[Row]:
    """Return speed, color difference and peak memory of each network at each size."""
    cards = {
        card.name: card
        for card in map(model_card, list_models())
        if any(entry.published for entry in card.weights.values())
    }
    names = options.models or tuple(cards)
    if unknown := set(names) - set(cards):
        raise SkippedError(f"no published weights on the card of {', '.join(sorted(unknown))}")
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
    ours_mb, theirs_mb = (in_fresh_process(peak, card.name, size, way) for way in (our_way, their_way))
    goal = GOAL_WITH_MATRICES if multiplies_matrices(torch.bfloat16) else GOAL_WITHOUT
    place = f"{kind} weights, {where()}"
    title = f"{card.name} at {size} x {size}"
    return [
        times_faster(f"{title}, seconds a picture", seconds["ours"], seconds["theirs"], goal, place),
        share_of(f"{title}, mean Delta-E in units of 1", distance, 1.0, GOAL_DELTA_E, place),
        share_of(f"{title}, peak MB", ours_mb, theirs_mb, GOAL_MEMORY, place),
    ]


def load_model(card: ModelCard) -> tuple[ColoringModel, str]:
    """Return a model and the origin of its weights."""
    if inspect_file(card.weights["published"], weights_path(card, "published")).trusted:
        return create_coloring_model(card.name, "published", offline=True), "the authors'"
    return create_coloring_model(card.name, None), "random"


def our_way(model: ColoringModel, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return a call of the `Colorizer`."""
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    lightness, guidance = sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))

    def call() -> Tensor:
        nonlocal lightness
        ab = colorizer.predict_ab(lightness, guidance)
        lightness = lightness.roll(
            1, dims=-1
        )  # another picture, because answers to the last ones are remembered
        return ab

    return call


def their_way(model: ColoringModel, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return a plain call of the network in float32, without gradients."""
    lightness, guidance = sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))

    @torch.no_grad()
    def call() -> Tensor:
        prediction: Prediction = model(lightness, guidance)
        return prediction.to_ab()

    return call


def peak(name: str, size: int, way: Callable[[ColoringModel, ModelCard, int], Callable[[], Tensor]]) -> float:
    """Return the peak MB of a model and one picture; reading the weights does not count."""
    card = model_card(name)
    before = megabytes("VmRSS")
    model, _ = load_model(card)
    gc.collect()
    reset_peak()
    way(model, card, size)()
    return megabytes("VmHWM") - before
