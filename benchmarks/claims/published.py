"""The four systems whose authors publish weights: are they theirs to the digit, and as fast?

What their papers say of quality is not tested: the weights cannot be had on the machine that measures.
"""

from __future__ import annotations

import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from benchmarks._harness import time_in_turn
from benchmarks.claims._claim import Claim, Verdict, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._numbers import Result, estimate
from benchmarks.pages import DOCS
from benchmarks.published import load_model, our_way, their_way
from colorzoo.evaluation.bootstrap import Estimate
from colorzoo.registry import model_card

PAPER = "published"
TITLE = "Published systems: DDColor, DeOldify, iColoriT, Color2Embed"
INTRO = """*Parity*: the networks with drawn weights under the authors' names against the outputs of the
authors' code, as a share of the tolerance that each reference file states (`tests/parity`, which also holds
data, losses and training steps). *Speed*: what the `Colorizer` runs against a plain call in float32, in turn
in one process, random weights, 192 x 192, one thread. What the papers say of quality is **not tested** here:
the authors' weights cannot be had on the machine that measures."""
TESTS = DOCS.parent / "tests"
FILES = {
    "kang2023": ("ddcolor_full_tiny_64x64", "DDColor"),
    "antic2019": ("deoldify_artistic_64", "DeOldify"),
    "yun2023": ("icolorit_tiny_224", "iColoriT"),
    "zhao2021": ("color2embed_full", "Color2Embed"),
}
TIMED = ("kang2023_tiny", "antic2019", "yun2023_tiny", "zhao2021")
SIDE, ROUNDS = 192, 3
# share of the time that ours may take longer; set before these numbers were taken, knowing older ones
MARGIN = 0.1


def list_files(setup: Setup) -> Sequence[Item]:
    """Return the reference files."""
    del setup
    return [Item(name, (TESTS / "golden" / f"{file}.npz",)) for name, (file, _) in FILES.items()]


def begin_parity(setup: Setup) -> Measure:
    """Return what measures the largest deviation of a reference file, as a share of its tolerance."""
    del setup
    if str(TESTS) not in sys.path:
        sys.path.insert(0, str(TESTS))
    cases = importlib.import_module("parity.cases")
    for name in FILES:
        importlib.import_module(f"parity.{name}")

    def measure(item: Item) -> Mapping[str, float]:
        golden = cases.read(item.files[0])
        shares: list[float] = []
        # what the test of the case compares is noted, and compared all the same
        object.__setattr__(golden, "close", partial(_note, golden, golden.close, shares))
        cases.CASES[golden.meta["case"]](golden)
        return {"share": max(shares), "arrays": float(len(shares))}

    return measure


def _note(
    golden: Any, close: Callable[..., None], shares: list[float], name: str, ours: Tensor, *, like: str = ""
) -> None:
    rtol, atol = golden.tolerance(like or name)
    expected = golden.tensor(name).double()
    allowed = atol + rtol * expected.abs()
    shares.append(float(((ours.detach().double() - expected).abs() / allowed.clamp_min(1e-30)).max()))
    close(name, ours, like=like)


def list_rounds(setup: Setup) -> Sequence[Item]:
    """Return the rounds of the timing."""
    del setup
    return [Item(f"round {number}") for number in range(ROUNDS)]


def begin_speed(setup: Setup) -> Measure:
    """Return what times one round of all networks, ours and the plain call in turn."""
    side = min(SIDE, setup.side)
    torch.manual_seed(0)
    ways = {}
    for name in TIMED:
        card = model_card(name)
        model, _ = load_model(card)
        ways[name] = {"ours": our_way(model, card, side), "theirs": their_way(model, card, side)}
        for call in ways[name].values():
            call()

    def measure(item: Item) -> Mapping[str, float]:
        del item
        found = {}
        for name, calls in ways.items():
            seconds = time_in_turn(calls, runs=1, warmup=0)
            found |= {f"{name} {way}": spent for way, spent in seconds.items()}
        return found

    return measure


PARITY = Experiment("published-parity", (), "", list_files, begin_parity)
SPEED = Experiment("published-speed", (), "", list_rounds, begin_speed)
EXPERIMENTS = (PARITY, SPEED)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the systems."""
    parity, speed = results[PARITY.name], results[SPEED.name]
    return [*(_of_parity(row, parity) for row in parity.rows), *(_of_speed(name, speed) for name in TIMED)]


def _of_parity(row: Mapping[str, Any], result: Result) -> Claim:
    """A deviation has no interval: it is the largest of all values, and within the tolerance or not."""
    left = 1 - row["share"]
    verdict: Verdict = "reproduced" if left >= 0 else "not reproduced"
    reason = f"the largest deviation of {row['arrays']:.0f} arrays is {row['share']:.1%} of the tolerance"
    title = FILES[row["item"]][1]
    text = f"{title}: the network answers what the authors' code answers (share of the tolerance left)"
    command = "python -m benchmarks.claims published"
    ours = Estimate(left, math.nan, math.nan)
    return Claim(
        PAPER, text, "equal", ours, "of the tolerance", verdict, reason, command, 1, None, result.stale
    )


def _of_speed(name: str, result: Result) -> Claim:
    theirs, ours = (result.column(f"{name} {way}") for way in ("theirs", "ours"))
    gain = estimate(1 - ours / theirs)
    text = f"{name} is as fast as the plain call (share of its time that is saved)"
    note = f"{ours.mean():.2f} s against {theirs.mean():.2f} s"
    return judge(
        PAPER, text, gain, "of the time", result, margin=MARGIN, paper_number="not comparable", note=note
    )
