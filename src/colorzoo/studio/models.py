"""The models of the pad: what each can do, and one worker with its colorizer for each in use."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from colorzoo.card import ModelCard
from colorzoo.guidance import Guidance
from colorzoo.inference.classes import FindsClasses
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.defaults import choose_default
from colorzoo.inference.kinds import FindsBoxes
from colorzoo.inference.regions import ProposesRegions
from colorzoo.registry import list_models, model_card
from colorzoo.studio.threads import ThreadChooser
from colorzoo.studio.worker import Worker
from colorzoo.tiers import ready_places
from colorzoo.weights.catalog import list_weights

_LOADED = 2  # models in memory at once
_TRIAL = 32  # pixels a side of the picture on which a model is tried


class Bench:
    """A model at work: a thread, and the colorizer that it makes on first use.

    Args:
        name: Of the model.
        make: Makes its colorizer.
        waiting: Most requests of one session that wait.
    """

    def __init__(self, name: str, make: Callable[[str], Colorizer], waiting: int) -> None:
        self.name = name
        self.worker = Worker(name, waiting)
        self._make = make
        self._colorizer: Colorizer | None = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the colorizer is there already."""
        return self._colorizer is not None

    def colorizer(self) -> Colorizer:
        """Return the colorizer, loading it first if need be.

        Raises:
            ColorzooError: Its weights cannot be had.
        """
        with self._lock:
            if self._colorizer is None:
                self._colorizer = self._make(self.name)
            return self._colorizer

    def abilities(self) -> dict[str, Any]:
        """Return what the message ``model`` says: what it takes and gives, found by trying it.

        Raises:
            ColorzooError: As `colorizer`.
        """
        colorizer = self.colorizer()
        trial = torch.full((1, 1, _TRIAL, _TRIAL), 50.0)
        with torch.inference_mode():
            extras = colorizer.predict(trial, Guidance()).extras if _tries(colorizer) else {}
        return {
            "name": self.name,
            "accepts": sorted(colorizer.model.accepts),
            "distribution": "logits" in extras,
            "match": "match" in extras,
            "regions": isinstance(colorizer.model, ProposesRegions),
            "classes": isinstance(colorizer.model, FindsClasses),
            "detects": _detects(colorizer),
            "notes": [],
        }


class ModelPool:
    """The benches in use; the one unused for longest is closed when there are too many.

    Args:
        make: Makes the colorizer of a registered name.
        own: A colorizer that is already there, the default then.
        default: Name of the model for recipes that name none.
        waiting: See `Bench`.
    """

    def __init__(
        self,
        make: Callable[[str], Colorizer],
        own: Colorizer | None = None,
        default: str | None = None,
        waiting: int = 8,
    ) -> None:
        self._make, self._own, self._waiting = make, own, waiting
        self.threads: ThreadChooser | None = None
        self.default = own.name if own is not None else model_card(default or choose_default("points")).name
        self._benches: OrderedDict[str, Bench] = OrderedDict()
        self._lock = threading.Lock()

    def bench(self, name: str | None) -> Bench:
        """Return the bench of a model by name or alias.

        Raises:
            UnknownModelError: No such model.
        """
        name = self._canonical(name)
        with self._lock:
            bench = self._benches.get(name)
            if bench is None:
                bench = self._benches[name] = Bench(name, self._maker(name), self._waiting)
            self._benches.move_to_end(name)
            spare = next(iter(self._benches)) if len(self._benches) > _LOADED else None
            closed = self._benches.pop(spare) if spare is not None else None
        if closed is not None:
            closed.worker.retire()
        return bench

    def describe(self) -> list[dict[str, Any]]:
        """Return the entry of every model in the message ``hello``."""
        names = list_models()
        entries = [_entry(name) for name in names]
        if self._own is not None and self.default not in names:
            entries.insert(0, _own_entry(self._own))
        for entry in entries:
            entry["default"] = entry["name"] == self.default
        return entries

    def for_sketches(self) -> str | None:
        """Return the model that is proposed for drawings, or None if there is none on this machine."""
        if self._own is not None and self._own.paints:
            return self._own.name
        ready = ready_places("sketch")
        return ready[0].card.name if ready else None

    def withdraw(self, session: str) -> None:
        """Forget what waits of a session at every model."""
        with self._lock:
            benches = list(self._benches.values())
        for bench in benches:
            bench.worker.withdraw(session)

    def close(self) -> None:
        """Stop all workers."""
        with self._lock:
            benches = list(self._benches.values())
            self._benches.clear()
        for bench in benches:
            bench.worker.close()

    def _canonical(self, name: str | None) -> str:
        if name is None or (self._own is not None and name == self._own.name):
            return self.default if name is None else name
        return model_card(name).name

    def _maker(self, name: str) -> Callable[[str], Colorizer]:
        own = self._own
        return (lambda _: own) if own is not None and name == own.name else self._make


def _tries(colorizer: Colorizer) -> bool:
    """Whether a model answers without guidance; one that only copies a reference may not."""
    return not ({"exemplar"} & colorizer.model.accepts)


def _detects(colorizer: Colorizer) -> bool:
    """Whether a model looks for the things of a picture where nobody has said."""
    model = colorizer.model
    return isinstance(model, FindsBoxes) and model.detects


def _entry(name: str) -> dict[str, Any]:
    card = model_card(name)
    rows = list_weights([card])
    return facts_of(card) | {
        "ready": not card.trainable or any(row.where != "missing" for row in rows),
        "usable": not card.trainable or any(row.where != "missing" or row.weights.urls for row in rows),
        "bytes": next((row.weights.size for row in rows if row.weights.urls), 0),
    }


def facts_of(card: ModelCard) -> dict[str, Any]:
    """Return what the menus of a pad say of a model, wherever its colors are made."""
    return {
        "name": card.name,
        "title": card.title,
        "summary": card.summary,
        "paper": card.paper,
        "year": card.year,
        "guidance": list(card.guidance),
        "input": card.input,
        "output": card.output,
        "parameters": card.parameters,
        "group": _group(card.input, card.guidance),
    }


def _own_entry(colorizer: Colorizer) -> dict[str, Any]:
    model = colorizer.model
    return {
        "name": colorizer.name,
        "title": colorizer.name,
        "summary": "Your own model.",
        "paper": "",
        "year": None,
        "guidance": sorted(model.accepts),
        "input": model.input_kind,
        "output": model.output_kind,
        "parameters": sum(p.numel() for p in model.parameters()),
        "ready": True,
        "usable": True,
        "group": _group(model.input_kind, tuple(model.accepts)),
        "detects": _detects(colorizer),
    }


def _group(reads: str, guidance: Sequence[str]) -> str:
    """Return what a model is for, in the menu: drawings, or photos by a reference, by hand or by itself."""
    if reads == "sketch":
        return "sketch"
    if "exemplar" in guidance:
        return "reference"
    return "hints" if {"points", "scribbles", "boxes"} & set(guidance) else "automatic"
