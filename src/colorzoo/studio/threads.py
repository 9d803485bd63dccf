"""How many threads one prediction should use: all cores on an idle machine, one where others compute too."""

from __future__ import annotations

import time

import torch

from colorzoo.guidance import Guidance
from colorzoo.inference.colorizer import Colorizer

_ROUNDS = 2


def tune_threads(colorizer: Colorizer) -> int:
    """Let torch use the number of threads that is fastest now, in the thread that calls this; returns it.

    Threads of one prediction wait for each other many times. If another program holds a core, each wait takes
    as long as the other's turn, and several threads are many times slower than one.
    """
    if colorizer.device.type != "cpu":
        return torch.get_num_threads()
    luma = torch.full((1, 1, colorizer.size, colorizer.size), 50.0)
    spent: dict[int, float] = {}
    for count in sorted({1, torch.get_num_threads()}):
        torch.set_num_threads(count)
        colorizer.predict(luma, Guidance())
        spent[count] = min(_time(colorizer, luma) for _ in range(_ROUNDS))
    best = min(spent, key=lambda count: spent[count])
    torch.set_num_threads(best)
    return best


def _time(colorizer: Colorizer, luma: torch.Tensor) -> float:
    start = time.perf_counter()
    colorizer.predict(luma, Guidance())
    return time.perf_counter() - start
