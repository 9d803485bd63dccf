"""The models of a server: their entries in the menu, and a worker thread for each model in use."""

from __future__ import annotations

import ctypes
import gc
import platform
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from colorzoo.capabilities import Edits, FindsBoxes, FindsClasses, ProposesRegions
from colorzoo.card import ModelCard
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.inference.colorizer import Colorizer
from colorzoo.lru_cache import LRUCache
from colorzoo.model import ColoringModel
from colorzoo.registry import list_models, model_card
from colorzoo.studio.worker_pool import ThreadCountChooser, Worker, stop_if_cancelled
from colorzoo.weights.catalog import default_tags, list_weights
from colorzoo.weights.choice import choose_model, rank_models

_MAX_LOADED = 2  # models in memory
_PURPOSES = (
    ("exemplar", "reference"),
    ("scribbles", "edges"),
    ("boxes", "things"),
    ("points", "natural"),
    ("statistics", "mood"),
)
_TRIAL_SIDE = 32  # pixels of the image on which a model is tried


class ModelWorker:
    """A model with its worker thread; the model is loaded on first use.

    Args:
        name: Name of the model.
        load: Returns its colorizer.
        max_queued: Waiting requests per session.
    """

    def __init__(self, name: str, load: Callable[[str], Colorizer], max_queued: int) -> None:
        self.name = name
        self.worker = Worker(name, max_queued)
        self._load = load
        self._colorizer: Colorizer | None = None
        self._lock = threading.Lock()

    @property
    def loaded(self) -> bool:
        """Whether the model is loaded."""
        return self._colorizer is not None

    def colorizer(self) -> Colorizer:
        """Return the colorizer, loaded if necessary.

        Raises:
            ColorzooError: Its weights are not available.
        """
        with self._lock:
            if self._colorizer is None:
                self._colorizer = self._load(self.name)
                for layer in self._colorizer.model.modules():
                    layer.register_forward_pre_hook(stop_if_cancelled)
            return self._colorizer

    def capabilities(self) -> dict[str, Any]:
        """Return the fields of the message ``model``: guidance and outputs, found by a trial run.

        Raises:
            ColorzooError: Its weights are not available.
        """
        colorizer = self.colorizer()
        model = colorizer.model
        extras: Collection[str] = ()
        # a model with a reference may not run without one, unless points change its automatic answer
        if "exemplar" not in model.accepts or isinstance(model, Edits):
            trial = torch.full((1, 1, _TRIAL_SIDE, _TRIAL_SIDE), 50.0)
            reference = Exemplar(torch.zeros(1, 3, _TRIAL_SIDE, _TRIAL_SIDE))
            with torch.inference_mode():
                extras = colorizer.predict(
                    trial, Guidance(exemplar=reference if "exemplar" in model.accepts else None)
                ).extras
        return {
            "name": self.name,
            "accepts": _drawn_guidance(model),
            "distribution": "logits" in extras,
            "match": "match" in extras,
            "regions": isinstance(model, ProposesRegions),
            "classes": isinstance(model, FindsClasses),
            "detects": _detects(colorizer),
            "notes": [],
        }


class ModelPool:
    """The models in use; the least recently used one is closed when there are too many.

    Args:
        load: Returns the colorizer of a registered model.
        own: A loaded colorizer, which becomes the default.
        default: Name of the model for recipes without one.
        max_queued: Waiting requests per session and model.
    """

    def __init__(
        self,
        load: Callable[[str], Colorizer],
        own: Colorizer | None = None,
        default: str | None = None,
        max_queued: int = 8,
    ) -> None:
        self._load, self._own, self._max_queued = load, own, max_queued
        self.threads: ThreadCountChooser | None = None
        self.cache = LRUCache()  # one for all models and pads
        if own is not None:
            self.default = own.name
        else:
            choice = choose_model(default, "points")
            self.default = model_card(choice.name).name
        self._workers: OrderedDict[str, ModelWorker] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str | None) -> ModelWorker:
        """Return the worker of a model by name or alias; None selects the default model.

        Raises:
            UnknownModelError: No model has this name.
        """
        own = self._own
        if name is None:
            name = self.default
        elif own is None or name != own.name:
            name = model_card(name).name
        with self._lock:
            worker = self._workers.get(name)
            if worker is None:
                load = self._load if own is None or name != own.name else lambda _: own
                worker = self._workers[name] = ModelWorker(name, load, self._max_queued)
            self._workers.move_to_end(name)
            retired = self._workers.popitem(last=False)[1] if len(self._workers) > _MAX_LOADED else None
        if retired is not None:
            retired.worker.retire()
        return worker

    @contextmanager
    def borrow(self, name: str) -> Iterator[Colorizer]:
        """Yield the colorizer of a model, which is loaded temporarily if it is not in use."""
        own = self._own
        name = own.name if own is not None and name == own.name else model_card(name).name
        with self._lock:
            worker = self._workers.get(name)
        if worker is not None and worker.loaded:
            yield worker.colorizer()
        else:
            yield own if own is not None and name == own.name else self._load(name)

    def free_memory(self) -> None:
        """Clear the stage cache and return freed memory to the operating system.

        Without the collection and the trim, resident memory grows by 50 MB with each photo.
        """
        self.cache.clear()
        gc.collect()  # cached factorizations are part of reference cycles
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)

    def describe(self) -> list[dict[str, Any]]:
        """Return the entries of all models in the message ``hello``."""
        names = list_models()
        entries = [_entry(name) for name in names]
        if self._own is not None and self.default not in names:
            entries.insert(0, _own_entry(self._own))
        for entry in entries:
            entry["default"] = entry["name"] == self.default
            if self._own is not None and entry["default"]:
                entry |= {"ready": True, "usable": True}
        return entries

    def for_sketches(self) -> str | None:
        """Return the model to propose for sketches, or None if no sketch model has local weights."""
        if self._own is not None and self._own.is_sketch_model:
            return self._own.name
        return next((ranked.card.name for ranked in rank_models("sketch") if ranked.available), None)

    def cancel(self, session: str) -> None:
        """Drop the waiting requests of a session at every model."""
        with self._lock:
            workers = list(self._workers.values())
        for worker in workers:
            worker.worker.cancel(session)

    def close(self) -> None:
        """Stop all workers."""
        with self._lock:
            workers = list(self._workers.values())
            self._workers.clear()
        for worker in workers:
            worker.worker.close()


def _detects(colorizer: Colorizer) -> bool:
    """Return whether a model detects the objects of an image itself."""
    model = colorizer.model
    return isinstance(model, FindsBoxes) and model.detects


def _entry(name: str) -> dict[str, Any]:
    card = model_card(name)
    wanted = default_tags(card)
    rows = [row for row in list_weights([card]) if row.tag in wanted]
    return menu_entry(card) | {
        "ready": not card.trainable or any(row.where != "missing" for row in rows),
        "usable": not card.trainable or any(row.where != "missing" or row.weights.urls for row in rows),
        "bytes": next((row.weights.size for row in rows if row.weights.urls), 0),
    }


def menu_entry(card: ModelCard) -> dict[str, Any]:
    """Return a model's fields in the menu of the pad."""
    return {
        "name": card.name,
        "title": card.title,
        "summary": card.summary,
        "paper": card.paper,
        "year": card.year,
        "guidance": [kind for kind in card.guidance if kind != "classes" or _ranked_for_classes(card)],
        "input": card.input,
        "output": card.output,
        "parameters": card.parameters,
        "group": _group(card.input, card.plain_guidance),
        "purpose": _purpose(card.input, card.plain_guidance) if card.parameters else None,
        "rank": max((each.rank for each in card.quality), default=0),
    }


def _own_entry(colorizer: Colorizer) -> dict[str, Any]:
    model = colorizer.model
    return {
        "name": colorizer.name,
        "title": colorizer.name,
        "summary": "Your own model.",
        "paper": "",
        "year": None,
        "guidance": _drawn_guidance(model),
        "input": model.input_kind,
        "output": model.output_kind,
        "parameters": sum(p.numel() for p in model.parameters()),
        "group": _group(model.input_kind, model.accepts),
        "purpose": _purpose(model.input_kind, model.accepts),
        "rank": 0,
        "detects": _detects(colorizer),
    }


def _drawn_guidance(model: ColoringModel) -> list[str]:
    """Return the kinds of guidance that the pad offers; classes require a model that predicts them."""
    return sorted(kind for kind in model.accepts if kind != "classes" or isinstance(model, FindsClasses))


def _ranked_for_classes(card: ModelCard) -> bool:
    """Return whether a model predicts classes, without importing its code."""
    return any(quality.use == "classes" for quality in card.quality)


def _purpose(input_kind: str, guidance: Collection[str]) -> str:
    """Return the purpose of a model; the menu shows the best model for each purpose."""
    if input_kind == "sketch":
        return "sketch"
    for kind, purpose in _PURPOSES:
        if kind in guidance:
            return purpose
    return "vivid"


def _group(input_kind: str, guidance: Collection[str]) -> str:
    """Return the model's group in the menu."""
    if input_kind == "sketch":
        return "sketch"
    if "exemplar" in guidance:
        return "reference"
    return "hints" if {"points", "scribbles", "boxes"} & set(guidance) else "automatic"
