"""Cache of the last answers of a model, so that an edit computes only what it changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256
from typing import Generic, TypeVar

from torch import Tensor

from colorzoo.guidance import Guidance
from colorzoo.guidance.hints import TensorFields

_ANSWERS = 8  # of each kind, 0.7 MB each

Answer = TypeVar("Answer")


class AnswerCache(Generic[Answer]):
    """The last answers of a model to lightness and guidance, for use from several threads."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, Answer] = OrderedDict()
        self._lock = threading.Lock()

    def get(
        self, lightness: Tensor, guidance: Guidance, compute: Callable[[Tensor, Guidance], Answer]
    ) -> Answer:
        """Return ``compute(lightness, guidance)``, or the cached answer to equal arguments."""
        key = _digest(lightness, guidance)
        with self._lock:
            found = self._answers.get(key)
        if found is None:
            found = compute(lightness, guidance)
        with self._lock:
            self._answers[key] = found
            self._answers.move_to_end(key)
            while len(self._answers) > _ANSWERS:
                self._answers.popitem(last=False)
        return found


def _digest(lightness: Tensor, guidance: Guidance) -> str:
    digest = sha256()
    for tensor in (lightness, *_tensors(guidance)):
        digest.update(repr((tuple(tensor.shape), str(tensor.dtype))).encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    digest.update(repr([f.name for f in fields(guidance) if getattr(guidance, f.name) is not None]).encode())
    if guidance.exemplar is not None:
        digest.update(repr(float(guidance.exemplar.alpha)).encode())
    return digest.hexdigest()


def _tensors(guidance: TensorFields) -> list[Tensor]:
    found: list[Tensor] = []
    for field in fields(guidance):
        value = getattr(guidance, field.name)
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, TensorFields):
            found += _tensors(value)
    return found
