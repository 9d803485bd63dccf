"""Parity and speed of the four systems whose authors publish weights."""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks._common import DOCS, time_in_turn
from benchmarks.claims._claim import Claim, Result, estimate, make_claim
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.direct import load_model, our_way, their_way
from colorzoo.evaluation.statistics import Estimate
from colorzoo.registry import model_card

PAPER = "published"
TITLE = "Published systems: DDColor, DeOldify, iColoriT, Color2Embed"
INTRO = """The claims compare the output and speed of models with random weights, not image quality:

- **Output.** The output is compared with the output of the authors' code. The effect is
  1 - error / tolerance. An effect of 1 is an exact match, and 0 is the largest accepted error.
- **Speed.** The `Colorizer` is compared with a direct float32 call of the model."""
TESTS = DOCS.parent / "tests"
FILES = {
    "kang2023": ("ddcolor_full_tiny_64x64", "DDColor"),
    "antic2019": ("deoldify_artistic_64", "DeOldify"),
    "yun2023": ("icolorit_tiny_224", "iColoriT"),
    "zhao2021": ("color2embed_full", "Color2Embed"),
}
TIMED = ("kang2023_tiny", "antic2019", "yun2023_tiny", "zhao2021")
SIDE, ROUNDS = 192, 3
# tolerated share of the time that ours takes longer; set before these numbers were taken, after older ones
MARGIN = 0.1


def list_files(_: Setup) -> Sequence[Item]:
    """Return the reference files."""
    return [Item(name, (TESTS / "golden" / f"{file}.npz",)) for name, (file, _) in FILES.items()]


def begin_parity(_: Setup) -> Measure:
    """Return the measurement of the largest deviation of a reference file, as a share of its tolerance."""
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    cases = importlib.import_module("parity.cases")
    for name in FILES:
        importlib.import_module(f"zoo.test_{name}")

    def measure(item: Item) -> Mapping[str, float]:
        golden = cases.read(item.files[0])
        shares: list[float] = []
        # the comparisons of the case's test are recorded, and made all the same
        object.__setattr__(golden, "close", partial(record_share, golden, golden.close, shares))
        cases.CASES[golden.meta["case"]](golden)
        return {"share": max(shares), "arrays": float(len(shares))}

    return measure


def record_share(
    golden: Any, close: Callable[..., None], shares: list[float], name: str, ours: Tensor, *, like: str = ""
) -> None:
    """Record the largest deviation of an array as a share of its tolerance, then compare it."""
    close(name, ours, like=like)
    if not golden.tensor(name).is_floating_point():  # equal levels say nothing about the tolerance
        return
    rtol, atol = golden.tolerance(like or name)
    expected = golden.tensor(name).double()
    allowed = atol + rtol * expected.abs()
    shares.append(float(((ours.detach().double() - expected).abs() / allowed.clamp_min(1e-30)).max()))


def begin_speed(setup: Setup) -> Measure:
    """Return a timing of one round of all networks, ours and the plain call in turn."""
    side = min(SIDE, setup.side)
    torch.manual_seed(0)
    calls: dict[str, Callable[[], object]] = {}
    for name in TIMED:
        card = model_card(name)
        model, _ = load_model(card)
        calls[f"{name} ours"] = our_way(model, card, side)
        calls[f"{name} theirs"] = their_way(model, card, side)
    for call in calls.values():
        call()
    return lambda _: time_in_turn(calls, runs=1, warmup=0)


PARITY = Experiment("published-parity", (), "", list_files, begin_parity)
ROUND_ITEMS = [Item(f"round {number}") for number in range(ROUNDS)]
SPEED = Experiment("published-speed", (), "", lambda _: ROUND_ITEMS, begin_speed)
EXPERIMENTS = (PARITY, SPEED)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the systems; a deviation has no interval, it is the largest of all values."""
    parity, speed = results[PARITY.name], results[SPEED.name]
    rows = []
    for row in parity.rows:
        left = 1 - row["share"]
        title = FILES[row["item"]][1]
        rows.append(
            Claim(
                f"{title}: the output matches the authors' code within the tolerance",
                Estimate(left, math.nan, math.nan),
                "(unused fraction)",
                1,
                "reproduced" if left >= 0 else "not reproduced",
                "",
                "equal",
                stated=0.0,
            )
        )
    for name in TIMED:
        ours, theirs = (speed.column(f"{name} {way}") for way in ("ours", "theirs"))
        text = f"{name} is as fast as the plain call (time saved)"
        saved = estimate(1 - ours / theirs)
        number = "not comparable"
        rows.append(make_claim(text, saved, "of the time", speed, margin=MARGIN, paper_number=number))
    return rows
