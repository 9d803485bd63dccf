"""What a model costs: ``python -m benchmarks.pages.facts [MODEL ...]`` writes ``docs/models/facts.json``.

FLOPs of a plain call, seconds of the `Colorizer` by size, and the memory of one picture, each model
in a process of its own. Models whose weights have not changed since are not measured again.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import sys
import traceback
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._digests import weights_digest
from benchmarks._files import write_text
from benchmarks._harness import single_thread, time_in_turn, where
from benchmarks.pages import DOCS
from colorzoo import create_model
from colorzoo.card import ModelCard
from colorzoo.inference.colorizer import Colorizer
from colorzoo.registry import list_models, model_card
from colorzoo.testing import sample_guidance, sample_input

FILE = DOCS / "models" / "facts.json"
SIZES = (256, 512)
SLOW = 1.0  # seconds at the first size from which the second one is left out


def main() -> None:
    """Measure what is missing and write the file after each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("models", nargs="*", help="by default all")
    args = parser.parse_args()
    single_thread()
    facts = read_facts()
    for name in args.models or list_models():
        if facts.get(name, {}).get("weights") == weights_digest(name):
            continue
        if (found := in_a_process(model_card(name))) is None:
            print(f"{name} could not be measured", file=sys.stderr, flush=True)
        else:
            facts[name] = found
            print(name, found, flush=True)
            write_text(FILE, json.dumps(dict(sorted(facts.items())), indent=1) + "\n")


def read_facts() -> dict[str, dict[str, Any]]:
    """Return the facts by model."""
    return json.loads(FILE.read_text(encoding="utf-8")) if FILE.is_file() else {}


def stale_facts() -> list[str]:
    """Return the models whose facts are older than their weights."""
    return [name for name, found in read_facts().items() if found["weights"] != weights_digest(name)]


def in_a_process(card: ModelCard) -> dict[str, Any] | None:
    """Measure in a forked process, so that its memory is its own; None if it ended without an answer."""
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
    shipped = any(entry.file for entry in card.weights.values()) or not card.trainable
    model = create_model(card.name, offline=True) if shipped else create_model(card.name, None)
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
        "weights": weights_digest(card.name),
        "gflops": _gflops(model, card),
        "seconds": seconds,
        "megabytes": round(peak),
        "made": datetime.now(UTC).date().isoformat(),
        "where": where(),
    }


def _gflops(model: Any, card: ModelCard) -> float:
    """Return the billions of additions and multiplications of matrices and convolutions at the first size."""
    size = (SIZES[0], SIZES[0])
    model.requires_grad_(False)  # else the counter asks parameters that are passed on for their history
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample_input(card.input, size), sample_guidance(card.guidance, size))
    return round(counter.get_total_flops() / 1e9, 2)


def _status(field: str) -> float:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


def lines(name: str, facts: Mapping[str, Mapping[str, Any]]) -> Sequence[tuple[str, str]]:
    """Return what the page of a model says of its costs, by heading."""
    found = facts.get(name)
    if found is None:
        return ()
    seconds = ", ".join(f"{value:.2g} s at {size} x {size}" for size, value in found["seconds"].items())
    return (
        ("FLOPs", f"{found['gflops']:.3g} billion at {SIZES[0]} x {SIZES[0]}, two for a multiply-add"),
        ("Speed", f"{seconds} ({found['where']})"),
        ("Memory", f"{found['megabytes']} MB for model and one picture of {SIZES[0]} x {SIZES[0]}"),
    )


if __name__ == "__main__":
    main()
