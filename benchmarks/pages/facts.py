"""What a model costs: ``python -m benchmarks.pages.facts [MODEL ...]`` writes ``docs/models/facts.json``.

FLOPs of a plain call, seconds of the `Colorizer` by size, and the memory of one picture, each model
in a process of its own. Of a model whose weights do not ship only FLOPs are counted, unless it is named.
Models whose weights have not changed since are not measured again.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._command import run_command
from benchmarks._digests import weights_digest
from benchmarks._harness import single_thread, time_in_turn, where
from benchmarks.pages import DOCS
from benchmarks.pages._record import is_fresh, read_entries, renew
from colorzoo import create_model
from colorzoo.card import ModelCard
from colorzoo.factory import build_model
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import list_models, load_class, model_card
from colorzoo.testing import sample_guidance, sample_input

FILE = DOCS / "models" / "facts.json"
SIZES = (256, 512)
NOT_TIMED = "not timed: its weights do not ship"
SLOW = 1.0  # seconds at the first size from which the second one is left out


def main() -> None:
    """Measure what is missing and write the file after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", help="by default all; one that is named is timed in any case")
    names = parser.parse_args().models
    single_thread()
    renew(
        FILE,
        names or list_models(),
        digests,
        lambda name: in_a_process(model_card(name), measure if names or ships(model_card(name)) else count),
    )


def read_facts() -> dict[str, dict[str, Any]]:
    """Return the facts by model."""
    return read_entries(FILE)


def digests(name: str) -> dict[str, str]:
    """Return with which weights the facts of a model would be measured now."""
    return {"weights": weights_digest(name)}


def stale_facts() -> list[str]:
    """Return the models whose facts are older than their weights, or missing though these ship."""
    facts = read_facts()
    wanted = [name for name in list_models() if name in facts or ships(model_card(name))]
    return [name for name in wanted if not is_fresh(facts.get(name), digests(name))]


def ships(card: ModelCard) -> bool:
    """Say whether a model colors with what ships."""
    return any(entry.file for entry in card.weights.values()) or not card.trainable


def in_a_process(card: ModelCard, measure: Callable[[ModelCard], dict[str, Any]]) -> dict[str, Any] | None:
    """Measure a model in a forked process, so that its memory is its own; None if it did not answer."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, json.dumps(measure(card)).encode())
        except Exception:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader, encoding="utf-8") as answer:
        text = answer.read()
    return dict(json.loads(text)) if text else None


def measure(card: ModelCard) -> dict[str, Any]:
    """Return the facts of a model; of one without weights here, with random ones."""
    before = _status("VmRSS")
    model = create_model(card.name, offline=True) if ships(card) else create_model(card.name, None)
    gc.collect()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew: reading weights is not measured
    colorizer = Colorizer(model, device="cpu", allow_untrained=True)
    seconds: dict[str, float] = {}
    for size in SIZES:
        if seconds and max(seconds.values()) > SLOW:
            break
        luma, guidance = sample_input(card.input, (size, size)), sample_guidance(card.guidance, (size, size))
        call = {"ours": lambda luma=luma, guidance=guidance: colorizer.predict(luma, guidance)}
        seconds[str(size)] = round(time_in_turn(call, runs=1, warmup=1)["ours"], 4)
        if size == SIZES[0]:
            peak = _status("VmHWM") - before
    return {
        "gflops": _gflops(model, card),
        "seconds": seconds,
        "megabytes": round(peak),
        "made": datetime.now(UTC).date().isoformat(),
        "where": where(),
    }


def count(card: ModelCard) -> dict[str, Any]:
    """Return the FLOPs of a model that is not timed: without memory, else with random weights."""
    try:
        with torch.device("meta"):
            model = build_model(load_class(card), card.hparams).eval()
        gflops = _gflops(model, card, "meta")
    except (RuntimeError, NotImplementedError, TypeError, ValueError):  # what it does depends on values
        gflops = _gflops(create_model(card.name, None), card)
    return {"gflops": gflops, "made": datetime.now(UTC).date().isoformat()}


def _gflops(model: Any, card: ModelCard, device: str = "cpu") -> float:
    """Return the billions of additions and multiplications of matrices and convolutions at the first size."""
    size = (SIZES[0], SIZES[0])
    model.requires_grad_(False)  # else the counter asks parameters that are passed on for their history
    luma, guidance = sample_input(card.input, size), sample_guidance(card.guidance, size)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(luma.to(device), guidance.to(device))
    return round(counter.get_total_flops() / 1e9, 2)


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def lines(card: ModelCard, facts: Mapping[str, Mapping[str, Any]]) -> Sequence[tuple[str, str]]:
    """Return what the page of a model says of its costs, by heading; what was not measured, too."""
    found = facts.get(card.name, {})
    flops = "not counted yet"
    if found:
        flops = f"{found['gflops']:.3g} billion at {SIZES[0]} x {SIZES[0]}, two for a multiply-add"
    if "seconds" not in found:
        weights = f"not measured; the weights alone are {card.parameters * 4 / 1e6:,.0f} MB in float32"
        return (("FLOPs", flops), ("Speed", NOT_TIMED), ("Memory", weights))
    seconds = ", ".join(f"{value:.2g} s at {size} x {size}" for size, value in found["seconds"].items())
    return (
        ("FLOPs", flops),
        ("Speed", f"{seconds} ({found['where']})"),
        ("Memory", f"{found['megabytes']} MB for model and one picture of {SIZES[0]} x {SIZES[0]}"),
    )


if __name__ == "__main__":
    run_command(main)
