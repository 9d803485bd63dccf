"""How many threads a prediction should use: all cores on an idle machine, one where others compute too.

Threads of one prediction wait for each other many times. If another program holds a core, each wait takes as
long as the other's turn, and two threads were measured to be thirteen times slower than one.
"""

from __future__ import annotations

import threading

import torch

_IDLE = 1.2  # wall time over processor time up to which a thread counts as undisturbed
_PATIENCE = 24  # predictions on one thread after several threads have lost; doubled each time


class ThreadChooser:
    """Learns from every prediction: several threads while nothing disturbs, else one.

    Args:
        most: Number of threads on an idle machine; by default as many as torch uses.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most or torch.get_num_threads()
        self._count, self._alone, self._rest, self._patience = 1, 0.0, 0, _PATIENCE
        self._lock = threading.Lock()

    def choose(self) -> int:
        """Return the number of threads for the next prediction."""
        return self._count

    def note(self, count: int, wall: float, processor: float) -> None:
        """Remember how long a prediction took.

        Args:
            count: Threads that it had.
            wall: Milliseconds that it took.
            processor: Milliseconds for which its first thread really ran.
        """
        with self._lock:
            if count > 1:
                if wall > self._alone:
                    self._count, self._rest = 1, self._patience
                    self._patience *= 2
                return
            self._alone, self._rest = wall, self._rest - 1
            if wall <= _IDLE * processor and self._rest <= 0:
                self._count = self._most
