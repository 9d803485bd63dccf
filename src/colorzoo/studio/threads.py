"""How many threads a prediction should use: all cores on an idle machine, one where others compute too.

Threads of one prediction wait for each other many times. If another program holds a core, each wait takes as
long as the other's turn, and several threads are many times slower than one.
"""

from __future__ import annotations

import threading

import torch

_RETRY = 24  # predictions after which the slower way is tried again
_MEMORY = 0.5  # weight of the past in the mean


class ThreadChooser:
    """Learns from every prediction which number of threads is faster now.

    Args:
        most: Number to hold against one thread; by default as many as torch uses.
    """

    def __init__(self, most: int | None = None) -> None:
        self._means: dict[int, float | None] = dict.fromkeys((most or torch.get_num_threads(), 1))
        self._lock = threading.Lock()
        self._count = 0

    def choose(self) -> int:
        """Return the number of threads for the next prediction."""
        with self._lock:
            known = {count: mean for count, mean in self._means.items() if mean is not None}
            untried = [count for count in self._means if count not in known]
            if untried:
                return untried[0]
            self._count += 1
            by_speed = sorted(known, key=lambda count: known[count])
            return by_speed[-1] if self._count % _RETRY == 0 else by_speed[0]

    def note(self, count: int, milliseconds: float) -> None:
        """Remember how long a prediction took."""
        with self._lock:
            mean = self._means.get(count)
            self._means[count] = (
                milliseconds if mean is None else _MEMORY * mean + (1 - _MEMORY) * milliseconds
            )
