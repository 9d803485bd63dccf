"""Class-wise matching against global matching and a loop over classes: time and peak memory.

4096 positions of 256 channels, 22 uneven classes (Dirichlet(1) sizes for each picture, scattered), tau 0.01.
Global matching is written out here as Zhang et al. 2019 publish it, the loop as SPColor describes it: masks
that repeat the labels over all channels, one class after the other.
"""

from __future__ import annotations

import ctypes
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, share_of, single_thread, time_in_turn, where
from colorzoo.networks.matching import match

POSITIONS, CHANNELS, TAU = 4096, 256, 0.01
GOAL_TIME, GOAL_MEMORY, GOAL_GPU = 0.35, 0.25, 0.7
_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")

Call = Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def run(options: Options) -> list[Row]:
    """Return the rows of time and memory on a CPU, and of time on a GPU where there is one."""
    del options
    single_thread()
    rows = _rows("cpu", where(), GOAL_TIME)
    if torch.cuda.is_available():
        rows += _rows("cuda", torch.cuda.get_device_name(), GOAL_GPU)
        rows.append(_more_classes("cuda"))
    return rows


def global_match(query: Tensor, key: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Match every place with every place, in the published order of steps."""
    ours, theirs = (part - part.mean(dim=1, keepdim=True) for part in (query, key))
    ours, theirs = (part / (part.norm(dim=2, keepdim=True) + 1e-12) for part in (ours, theirs))
    scores = ours @ theirs.transpose(1, 2)
    similarity = scores.max(dim=2).values
    return torch.softmax(scores / TAU, dim=2) @ values, similarity


def loop_match(
    query: Tensor, key: Tensor, values: Tensor, *, labels: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Match class after class, with a mask over all channels for each."""
    batch, places, channels = query.shape
    found, best = values.new_zeros(batch, places, values.shape[2]), values.new_zeros(batch, places)
    for picture in range(batch):
        for number in labels[0][picture].unique().tolist():
            ours, theirs = labels[0][picture] == number, labels[1][picture] == number
            if not theirs.any():
                continue
            ours_wide, theirs_wide = (mask[:, None].repeat(1, channels) for mask in (ours, theirs))
            a = query[picture].masked_select(ours_wide).view(1, -1, channels)
            b = key[picture].masked_select(theirs_wide).view(1, -1, channels)
            got, similar = global_match(a, b, values[picture, theirs][None])
            found = found.masked_scatter(_wide(ours, picture, batch, values.shape[2]), got)
            best = best.masked_scatter(_wide(ours, picture, batch, 1)[..., 0], similar)
    return found, best


def _wide(mask: Tensor, picture: int, batch: int, channels: int) -> Tensor:
    whole = mask.new_zeros(batch, len(mask), channels)
    whole[picture] = mask[:, None]
    return whole


def ours(
    query: Tensor, key: Tensor, values: Tensor, *, labels: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Match class-wise by `colorzoo.networks.matching`."""
    matched = match(query, key, values, labels, tau=TAU)
    return matched.values, matched.similarity


def _data(device: str, classes: int, batch: int = 1) -> tuple[tuple[Tensor, ...], tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    features = [torch.randn(batch, POSITIONS, CHANNELS, generator=generator) for _ in range(2)]
    values = torch.randn(batch, POSITIONS, 3, generator=generator)
    labels = [_uneven(classes, batch, generator) for _ in range(2)]
    moved = tuple(part.to(device) for part in (*features, values))
    return moved, (labels[0].to(device), labels[1].to(device))


def _uneven(classes: int, batch: int, generator: torch.Generator) -> Tensor:
    shares = torch.empty(batch, classes).exponential_(generator=generator)  # normalized: Dirichlet(1)
    return torch.multinomial(shares, POSITIONS, replacement=True, generator=generator)


def _forward(call: Call, data: tuple[Tensor, ...]) -> None:
    with torch.inference_mode():
        call(*data)
    _wait(data[0])


def _both(call: Call, data: tuple[Tensor, ...]) -> None:
    query, key = (part.clone().requires_grad_() for part in data[:2])
    found, similarity = call(query, key, data[2])
    (found.square().mean() + similarity.mean()).backward()
    _wait(query)


def _wait(tensor: Tensor) -> None:
    if tensor.is_cuda:
        torch.cuda.synchronize()


def _rows(device: str, place: str, goal: float) -> list[Row]:
    data, labels = _data(device, 22)
    calls: dict[str, Call] = {
        "ours": partial(ours, labels=labels),
        "global": global_match,
        "loop": partial(loop_match, labels=labels),
    }
    rows = []
    for name, step in (("forward", _forward), ("forward and backward", _both)):
        each = {key: partial(step, call, data) for key, call in calls.items()}
        seconds = time_in_turn(each, runs=7)
        text = f"milliseconds of class-wise matching, {name}; reference: "
        for other in ("global", "loop"):
            aim = goal if other == "global" else 1.0
            ms = 1000 * seconds["ours"], 1000 * seconds[other]
            rows.append(share_of(f"{text}{other}", *ms, aim, place))
        peak = _peaks(each, device)
        text = f"MiB of peak memory, {name}; reference: global"
        rows.append(share_of(text, peak["ours"], peak["global"], GOAL_MEMORY, place))
    return rows


def _peaks(calls: dict[str, Callable[[], None]], device: str) -> dict[str, float]:
    """Return the median growth of each call over three rounds in turn."""
    found: dict[str, list[float]] = {key: [] for key in calls}
    for _ in range(3):
        for key, call in calls.items():
            found[key].append(peak_growth(call, device))
    return {key: statistics.median(values) for key, values in found.items()}


def _more_classes(device: str) -> Row:
    calls = {}
    for classes in (27, 4):
        data, labels = _data(device, classes)
        calls[str(classes)] = partial(_forward, partial(ours, labels=labels), data)
    seconds = time_in_turn(calls, runs=9)
    return share_of(
        "milliseconds with 27 classes; reference: with 4",
        1000 * seconds["27"],
        1000 * seconds["4"],
        1.0,
        device,
    )


def peak_growth(call: Callable[[], object], device: str) -> float:
    """Return by how many MiB a call lets the memory grow at its peak, below 1 counted as 1."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        call()
        return max(1.0, (torch.cuda.max_memory_allocated() - before) / 2**20)
    _trim()
    _CLEAR.write_text("5")  # resets the peak to what is resident now
    before = _kilobytes("VmRSS")
    call()
    return max(1.0, (_kilobytes("VmHWM") - before) / 1024)


def _trim() -> None:
    """Give freed memory back, so that no call lives on what another one left behind."""
    ctypes.CDLL(None).malloc_trim(0)


def _kilobytes(field: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(field))
    return int(line.split()[1])


def same_as_loop() -> float:
    """Return the largest difference from the loop."""
    data, labels = _data("cpu", 22)
    with torch.inference_mode():
        pairs = zip(ours(*data, labels=labels), loop_match(*data, labels=labels), strict=True)
        return max(float((a - b).abs().max()) for a, b in pairs)
