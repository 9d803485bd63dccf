"""Every network whose authors published weights: how the `Colorizer` runs it against their way.

Their way is a plain call of the network in float32, in contiguous memory, without gradients. Where the
authors' weights are not on this machine the network has random ones, and its row says so; colors are then
compared after both are scaled to the deviation of ab in photos.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks._harness import (
    Options,
    Row,
    SkippedError,
    share_of,
    single_thread,
    time_in_turn,
    times_faster,
    where,
)
from benchmarks._models import CHROMA
from colorzoo import Guidance, create_model
from colorzoo.card import ModelCard
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.device import multiplies_matrices
from colorzoo.registry import list_models, model_card
from colorzoo.tasks import ColorizationModule, Prediction
from colorzoo.testing import sample_guidance, sample_input
from colorzoo.weights.catalog import weights_path
from colorzoo.weights.ledger import inspect

GOAL_WITH_MATRICES, GOAL_WITHOUT, GOAL_DELTA_E, GOAL_MEMORY = 2.5, 1.0, 0.5, 1.0
SIZES, REPEATS = (256, 512), 3

Way = Literal["ours", "theirs"]


def run(options: Options) -> list[Row]:
    """Return speed, distance of the colors and peak memory of each network at each size."""
    cards = published_cards()
    names = options.models or tuple(card.name for card in cards)
    if unknown := set(names) - {card.name for card in cards}:
        raise SkippedError(f"no published weights on the card of {', '.join(sorted(unknown))}")
    rows = []
    for name in names:
        for size in options.sizes or SIZES:
            rows += _rows(model_card(name), size, options.repeats or REPEATS)
    return rows


def published_cards() -> list[ModelCard]:
    """Return the models whose authors published weights, by their cards."""
    cards = map(model_card, list_models())
    return [card for card in cards if any(entry.published for entry in card.weights.values())]


def _rows(card: ModelCard, size: int, repeats: int) -> list[Row]:
    torch.manual_seed(0)
    model, kind = load_model(card)
    calls = {"ours": our_way(model, card, size), "theirs": their_way(model, card, size)}
    ours, theirs = calls["ours"](), calls["theirs"]()
    seconds = time_in_turn(calls, runs=repeats, warmup=0)  # both ran once above
    megabytes = {way: _peak(card, size, way) for way in ("ours", "theirs")}
    goal = GOAL_WITH_MATRICES if multiplies_matrices(torch.bfloat16) else GOAL_WITHOUT
    place = f"{kind} weights, {where()}"
    title = f"{card.name} at {size} x {size}"
    distance = _distance(ours, theirs, scaled=kind == "random")
    return [
        times_faster(f"{title}, seconds a picture", seconds["ours"], seconds["theirs"], goal, place),
        share_of(f"{title}, mean Delta-E in units of 1", distance, 1.0, GOAL_DELTA_E, place),
        share_of(f"{title}, peak MB", megabytes["ours"], megabytes["theirs"], GOAL_MEMORY, place),
    ]


def load_model(card: ModelCard) -> tuple[ColorizationModule, str]:
    """Return a model, and which weights it has."""
    tag = "published"
    if inspect(card.weights[tag], weights_path(card, tag)).trusted:
        return create_model(card.name, tag, offline=True), "the authors'"
    return create_model(card.name, None), "random"


def our_way(model: ColorizationModule, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return what the `Colorizer` runs, as a call."""
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    luma, guidance = _input(card, size)
    return lambda: colorizer.predict_ab(luma, guidance)


def their_way(model: ColorizationModule, card: ModelCard, size: int) -> Callable[[], Tensor]:
    """Return a plain call of the network in float32, without gradients."""
    luma, guidance = _input(card, size)

    @torch.no_grad()
    def call() -> Tensor:
        prediction: Prediction = model(luma, guidance)
        return prediction.to_ab()

    return call


def _input(card: ModelCard, size: int) -> tuple[Tensor, Guidance]:
    return sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))


def _distance(ours: Tensor, theirs: Tensor, *, scaled: bool) -> float:
    """Return the mean distance of two ab, which is Delta-E (1976) at equal L."""
    factor = CHROMA / float(theirs.std()) if scaled else 1.0
    return float((ours - theirs).norm(dim=1).mean()) * factor


def _peak(card: ModelCard, size: int, way: Way) -> float:
    """Return how many MB a model and one picture take at their peak, in a process of its own."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_measure, args=(sender, card.name, size, way))
    child.start()
    sender.close()  # else the end of a child that failed is never seen
    found = float(receiver.recv())
    child.join()
    return found


def _measure(sender: Connection, name: str, size: int, way: Way) -> None:
    single_thread()
    card = model_card(name)
    before = _status("VmRSS")
    model, _ = load_model(card)
    gc.collect()
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # the peak begins anew: how weights are read is not measured
    {"ours": our_way, "theirs": their_way}[way](model, card, size)()
    sender.send(_status("VmHWM") - before)


def _status(field: str) -> float:
    """Return a size of this process in MB, by its name in ``/proc/self/status``."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")
