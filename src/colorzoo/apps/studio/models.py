"""Models of the studio: entries of the model menu, and a cache of loaded models."""

from __future__ import annotations

import ctypes
import gc
import platform
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Any

from colorzoo.apps.studio.stage_cache import StageCache
from colorzoo.apps.studio.worker_pool import stop_if_cancelled
from colorzoo.card import ModelCard
from colorzoo.inference import Colorizer
from colorzoo.model import ColoringModel
from colorzoo.registry import list_models, model_card
from colorzoo.weights import choose_model, default_files, rank_models

_MAX_LOADED = 2  # maximum number of loaded models
_PURPOSES = (
    ("exemplar", "reference"),
    ("scribbles", "edges"),
    ("boxes", "things"),
    ("points", "natural"),
    ("statistics", "mood"),
)

# captions for the model menu, because the titles of papers are long and registered names contain underscores
_CAPTIONS = {
    "antic2019": "DeOldify, vivid",
    "antic2019_stable": "DeOldify, muted",
    "colorzoo2026": "Colorzoo 2026, recommended",
    "feature_match": "Feature matching",
    "gray": "No colors",
    "kang2023": "DDColor, large",
    "kang2023_small": "DDColor, compact",
    "kang2023_tiny": "DDColor, medium",
    "yun2023": "iColoriT, large",
    "yun2023_s": "iColoriT, medium",
    "yun2023_tiny": "iColoriT, small",
    "zhang2016": "Zhang 2016, large",
    "zhang2017_global": "Zhang 2017, large",
    "zhang2017_global_small": "Zhang 2017, compact",
    "zhang2017_local": "Zhang 2017, large",
    "zhang2017_local_small": "Zhang 2017, compact",
}
_AUTHOR_AND_YEAR = re.compile(r"([a-z]+)((?:19|20)\d\d)")


class ModelPool:
    """Cache of up to two loaded models; the least recently used model is unloaded first.

    Args:
        load: Function that loads the colorizer of a registered model by name.
        own: Colorizer that the caller has loaded. Its model is the default model. None if there is none.
        default: Name of the default model, which colorizes recipes without a model name. The argument is
            ignored if ``own`` is set. None selects the highest-ranked model for color points.
        fast: Whether None selects only a model with weights in the package.

    Attributes:
        is_selected: Whether the caller selected the default model, which then also opens drawings.
    """

    def __init__(
        self,
        load: Callable[[str], Colorizer],
        own: Colorizer | None = None,
        default: str | None = None,
        *,
        fast: bool = False,
    ) -> None:
        self._load, self._own = load, own
        self.is_selected = own is not None or default is not None
        self.cache = StageCache()  # shared by all models and drawing pads
        if own is not None:
            self.default = own.name
            _make_cancellable(own)
        else:
            self.default = model_card(choose_model(default, "points", fast=fast).name).name
        self._loaded: OrderedDict[str, Colorizer] = OrderedDict()
        self._lock, self._loading = threading.Lock(), threading.Lock()

    def get(self, name: str | None) -> Colorizer:
        """Return the colorizer of a model; load the model if necessary.

        Args:
            name: Name or alias of the model; None selects the default model.

        Raises:
            UnknownModelError: The model name is unknown.
            ColorzooError: The weights of the model are not available.
        """
        if self._own is not None and name in (None, self._own.name):
            return self._own
        name = model_card(name or self.default).name
        colorizer = self._find(name)
        if colorizer is not None:
            return colorizer
        with self._loading:
            # another thread may have loaded the model in the meantime
            return self._find(name) or self._load_and_store(name)

    def _load_and_store(self, name: str) -> Colorizer:
        """Load a model and store it; remove the least recently used model if necessary."""
        colorizer = self._load(name)
        _make_cancellable(colorizer)
        with self._lock:
            self._loaded[name] = colorizer
            if len(self._loaded) > _MAX_LOADED:
                self._loaded.popitem(last=False)
        return colorizer

    def has(self, name: str | None) -> bool:
        """Return whether a model is loaded."""
        if self._own is not None and name in (None, self._own.name):
            return True
        return self._find(model_card(name or self.default).name) is not None

    def _find(self, name: str) -> Colorizer | None:
        """Return a loaded model, which becomes the most recently used model; None if it is not loaded."""
        with self._lock:
            if name in self._loaded:
                self._loaded.move_to_end(name)
            return self._loaded.get(name)

    def free_memory(self) -> None:
        """Clear the cache of intermediate results and return memory to the operating system."""
        self.cache.clear()
        gc.collect()
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)

    def describe(self) -> list[dict[str, Any]]:
        """Return the entries of the model menu, a field of the message ``hello``."""
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
        """Return the name of the best sketch model with local weights, or None."""
        if self._own is not None and self._own.is_sketch_model:
            return self._own.name
        return next((ranked.card.name for ranked in rank_models("sketch") if ranked.available), None)


def _make_cancellable(colorizer: Colorizer) -> None:
    """Stop the model between two layers when its request is cancelled."""
    for layer in colorizer.model.modules():
        layer.register_forward_pre_hook(stop_if_cancelled)


def describe_model(colorizer: Colorizer) -> dict[str, Any]:
    """Return the fields of the message ``model``: the capabilities of a loaded model."""
    accepts = _drawn_guidance(colorizer.model)
    return {"name": colorizer.name, "accepts": accepts, "detects": colorizer.model.detects}


def _entry(name: str) -> dict[str, Any]:
    card = model_card(name)
    rows = default_files(card)
    return menu_entry(card) | {
        "ready": not card.trainable or any(row.where != "missing" for row in rows),
        "usable": not card.trainable or any(row.where != "missing" or row.weights.urls for row in rows),
        "bytes": next((row.weights.size for row in rows if row.weights.urls), 0),
    }


def menu_entry(card: ModelCard) -> dict[str, Any]:
    """Return the entry of a model in the model menu of the drawing pad."""
    return {
        "name": card.name,
        "caption": _caption(card.name),
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
        "rank": max((quality.rank for quality in card.quality), default=0),
    }


def _caption(name: str) -> str:
    """Return a caption without underscores, such as ``"Kim 2021 with Su 2020, compact"``."""
    if name in _CAPTIONS:
        return _CAPTIONS[name]
    papers = [f"{author.capitalize()} {year}" for author, year in _AUTHOR_AND_YEAR.findall(name)]
    rest = _AUTHOR_AND_YEAR.sub("", name).replace("small", "compact").split("_")
    caption = ", ".join(word for word in (" with ".join(papers), *rest) if word)
    return caption[:1].upper() + caption[1:]


def _own_entry(colorizer: Colorizer) -> dict[str, Any]:
    model = colorizer.model
    return {
        "name": colorizer.name,
        "caption": f"Custom: {colorizer.name}",
        "title": colorizer.name,
        "summary": "Custom model.",
        "paper": "",
        "year": None,
        "guidance": _drawn_guidance(model),
        "input": model.input_kind,
        "output": model.output_kind,
        "parameters": sum(p.numel() for p in model.parameters()),
        "group": _group(model.input_kind, model.accepts),
        "purpose": _purpose(model.input_kind, model.accepts),
        "rank": 0,
        "detects": colorizer.model.detects,
    }


def _drawn_guidance(model: ColoringModel) -> list[str]:
    """Return the kinds of guidance that the drawing pad offers for a model."""
    return sorted(kind for kind in model.accepts if kind != "classes" or model.supports("segment"))


def _ranked_for_classes(card: ModelCard) -> bool:
    """Return whether the model card ranks the model for the use case ``classes``."""
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
    """Return the group of a model in the model menu."""
    if input_kind == "sketch":
        return "sketch"
    if "exemplar" in guidance:
        return "reference"
    return "hints" if {"points", "scribbles", "boxes"} & set(guidance) else "automatic"
