"""Models of the studio: entries of the model menu, and caches of loaded models and stage results."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable
from typing import Any

from cachetools import LRUCache

from colorzoo.abilities import DetectionModel, SegmentationModel
from colorzoo.apps.studio.opened_image import nbytes_of
from colorzoo.apps.studio.worker_pool import stop_if_cancelled
from colorzoo.card import ModelCard
from colorzoo.guidance.kinds import guidance_kinds
from colorzoo.inference import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.registry import DEFAULT_MODELS, list_models, model_card
from colorzoo.weights.catalog import default_files

_MAX_LOADED = 2  # maximum number of loaded models
_MAX_BYTES = 256 << 20  # maximum size of the stage results
_MIN_BYTES = 1 << 12  # smaller results count as this size, which limits the number of results
_PURPOSES = (
    ("exemplar", "reference"),
    ("scribbles", "edges"),
    ("boxes", "things"),
    ("points", "natural"),
    ("statistics", "mood"),
    ("text", "text"),
)
_AUTHOR_AND_YEAR = re.compile(r"([a-z]+)((?:19|20)\d\d)")


class StageCache(LRUCache[Hashable, Any]):
    """Thread-safe cache of stage results, limited to 256 MiB; see `Edit.cache`.

    A larger result is not stored, and a stored result that has become larger is removed.
    """

    def __init__(self) -> None:
        super().__init__(_MAX_BYTES, getsizeof=lambda result: max(nbytes_of(result), _MIN_BYTES))
        self._lock = threading.RLock()

    def __getitem__(self, key: Hashable) -> Any:
        """Return a result, which becomes the most recently used result."""
        with self._lock:
            return super().__getitem__(key)

    def __setitem__(self, key: Hashable, result: Any) -> None:
        """Store a result; remove the least recently used results to make room."""
        with self._lock:
            if self.getsizeof(result) <= self.maxsize:
                super().__setitem__(key, result)
            else:
                self.pop(key, None)

    def clear(self) -> None:
        """Remove all results."""
        with self._lock:
            super().clear()


class ModelPool:
    """Cache of up to two loaded models; the least recently used model is unloaded first.

    Args:
        load: Function that loads the colorizer of a registered model by name.
        own: Colorizer that the caller has loaded. Its model is the default model. None if there is none.
        default: Name of the default model, which colorizes recipes without a model name. The argument is
            ignored if ``own`` is set. None selects the default model for color points.

    Attributes:
        is_selected: Whether the caller selected the default model, which then also opens drawings.
    """

    def __init__(
        self,
        load: Callable[[str], Colorizer],
        own: Colorizer | None = None,
        default: str | None = None,
    ) -> None:
        self._load, self._own = load, own
        self.is_selected = own is not None or default is not None
        self.cache = StageCache()  # shared by all models and drawing pads
        if own is not None:
            self.default = own.name
            make_cancellable(own)
        else:
            self.default = model_card(default or DEFAULT_MODELS["points"]).name
        self._loaded: LRUCache[str, Colorizer] = LRUCache(_MAX_LOADED)
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def get(self, name: str | None) -> Colorizer:
        """Return the colorizer of a model; load the model if necessary.

        Args:
            name: Name or alias of the model; None selects the default model.

        Raises:
            UnknownModelError: The model name is unknown.
            ColorzooError: The weights of the model are not available.
        """
        colorizer = self._find(name)
        if colorizer is not None:
            return colorizer
        with self._loading:
            # another thread may have loaded the model in the meantime
            colorizer = self._find(name)
            if colorizer is None:
                registered_name = model_card(name or self.default).name
                colorizer = self._load(registered_name)
                make_cancellable(colorizer)
                with self._lock:
                    self._loaded[registered_name] = colorizer  # removes the least recently used model
            return colorizer

    def has(self, name: str | None) -> bool:
        """Return whether a model is loaded."""
        return self._find(name) is not None

    def _find(self, name: str | None) -> Colorizer | None:
        """Return a loaded model, which becomes the most recently used model; None if it is not loaded."""
        if self._own is not None and name in (None, self._own.name):
            return self._own
        with self._lock:
            return self._loaded.get(model_card(name or self.default).name)

    def describe(self) -> list[dict[str, Any]]:
        """Return the entries of the model menu, a field of the ``hello`` message."""
        names = list_models()
        entries = []
        for card in map(model_card, names):
            files = default_files(card)
            is_ready = not card.trainable or any(file.where != "missing" for file in files)
            entry = _menu_entry(card) | {
                "ready": is_ready,
                "usable": is_ready or any(file.weights.urls for file in files),
                "bytes": next((file.weights.size for file in files if file.weights.urls), 0),
            }
            entries.append(entry)
        if self._own is not None and self.default not in names:
            name, model = self._own.name, self._own.model
            card = ModelCard(
                name=name,
                title=name,
                paper="",
                year=0,
                summary="Custom model.",
                task="",
                parameters=sum(parameter.numel() for parameter in model.parameters()),
                guidance=tuple(model.accepts),
                input=model.input_kind,
                output=model.output_kind,
            )
            entry = _menu_entry(card) | {
                "caption": f"Custom: {name}",
                "guidance": _drawn_guidance(model),
                "detects": isinstance(model, DetectionModel) and model.detects,
            }
            entries.insert(0, entry)
        for entry in entries:
            entry["default"] = entry["name"] == self.default
            if self._own is not None and entry["default"]:
                entry |= {"ready": True, "usable": True}
        return entries

    def for_sketches(self) -> str:
        """Return the name of the default model for sketches."""
        if self._own is not None and self._own.is_sketch_model:
            return self._own.name
        return DEFAULT_MODELS["sketch"]


def make_cancellable(colorizer: Colorizer) -> None:
    """Stop the model between two layers when its request is cancelled."""
    for layer in colorizer.model.modules():
        layer.register_forward_pre_hook(stop_if_cancelled)


def describe_model(colorizer: Colorizer) -> dict[str, Any]:
    """Return the fields of the ``model`` message: the capabilities of a loaded model."""
    model = colorizer.model
    detects = isinstance(model, DetectionModel) and model.detects
    return {"name": colorizer.name, "accepts": _drawn_guidance(model), "detects": detects}


def _menu_entry(card: ModelCard) -> dict[str, Any]:
    return {
        "name": card.name,
        "caption": _caption(card.name),
        "guidance": [kind for kind in card.guidance if kind != "classes" or "classes" in card.uses],
        "input": card.input,
        "parameters": card.parameters,
        "group": _group(card),
        "purpose": _purpose(card) if card.parameters else None,
        "recommended": card.name in DEFAULT_MODELS.values(),
    }


def _caption(name: str) -> str:
    """Return a caption without underscores, such as ``"Kim 2021 with Su 2020, compact"``."""
    papers = [f"{author.capitalize()} {year}" for author, year in _AUTHOR_AND_YEAR.findall(name)]
    if not papers:
        return name.replace("_", " ").capitalize()
    variant = _AUTHOR_AND_YEAR.sub("", name).replace("small", "compact").split("_")
    return ", ".join(word for word in (" with ".join(papers), *variant) if word)


def _drawn_guidance(model: ColoringModel) -> list[str]:
    """Return the kinds of guidance that the drawing pad offers for a model."""
    return sorted(kind for kind in model.accepts if kind != "classes" or isinstance(model, SegmentationModel))


def _purpose(card: ModelCard) -> str:
    """Return the purpose of a model; the menu shows the best model for each purpose."""
    if card.input == "sketch":
        return "sketch"
    purposes = (purpose for kind, purpose in _PURPOSES if kind in card.plain_guidance)
    return next(purposes, next(iter(_described(card)), "vivid"))


def _described(card: ModelCard) -> list[str]:
    """Return the accepted kinds of guidance with an input element, such as text, without optional kinds."""
    kinds = {kind.name for kind in guidance_kinds() if kind.widget and not kind.optional}
    return [kind for kind in card.plain_guidance if kind in kinds]


def _group(card: ModelCard) -> str:
    """Return the group of a model in the model menu."""
    if card.input == "sketch":
        return "sketch"
    if "exemplar" in card.plain_guidance:
        return "reference"
    hints = {"points", "scribbles", "boxes"} & set(card.plain_guidance)
    return "hints" if hints or _described(card) else "automatic"
