"""Reuse of earlier answers while a picture is edited: only what an edit changes is computed again."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from colorzoo.capabilities import ComparesPlaces, Edits, Redraws
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction

_PICTURES = 2  # with all points, and without those of limited reach


class _State(NamedTuple):
    model: ColoringModel
    lightness: Tensor
    others: Guidance
    state: Any


class IncrementalModel:
    """Calls of a model that reuse what the next scribble or point leaves unchanged."""

    def __init__(self) -> None:
        self._states: list[_State] = []
        self._memory: tuple[Edits | ComparesPlaces, Any] | None = None

    def predict(self, model: ColoringModel, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Return ``model(lightness, guidance)``."""
        prediction: Prediction
        if guidance.scribbles is not None and isinstance(model, Redraws):
            others = replace(guidance, scribbles=None)
            state = next((s for s in self._states if _equal((model, lightness, others), s[:3])), None)
            state = state or _State(model, lightness, others, model.open(lightness, others))
            self._states = [state, *(other for other in self._states if other is not state)][:_PICTURES]
            return model.redraw(state.state, guidance.scribbles)
        # after the first edit pictures without points are remembered too: they get points next
        edits = guidance.points is not None or self._memory is not None
        if edits and len(lightness) == 1 and lightness.device.type == "cpu" and isinstance(model, Edits):
            return model.edit(lightness, guidance, self._memory_of(model))
        prediction = model(lightness, guidance)
        return prediction

    def likeness(self, model: ComparesPlaces, lightness: Tensor, mask: Tensor) -> Tensor:
        """Return ``model.likeness(lightness, mask, memory)``."""
        return model.likeness(lightness, mask, self._memory_of(model))

    def _memory_of(self, model: Edits | ComparesPlaces) -> Any:
        if self._memory is None or self._memory[0] is not model:
            self._memory = (model, model.remember())
        return self._memory[1]


def _equal(one: Any, other: Any) -> bool:
    """Compare tensors, and dataclasses and sequences of them."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Tensor):
        return one.device == other.device and torch.equal(one, other)
    if is_dataclass(one):
        return all(_equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one))
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return one is other or bool(one == other)
