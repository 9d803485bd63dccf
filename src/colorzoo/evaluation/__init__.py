"""Evaluation of models by named protocols, with reports whose numbers carry their protocol."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from colorzoo.evaluation.protocol import Protocol, list_protocols, load_protocol
    from colorzoo.evaluation.run import Outcome, Plan, evaluate

_PUBLIC = {
    "Outcome": "run",
    "Plan": "run",
    "Protocol": "protocol",
    "evaluate": "run",
    "list_protocols": "protocol",
    "load_protocol": "protocol",
}

__all__ = ["Outcome", "Plan", "Protocol", "evaluate", "list_protocols", "load_protocol"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_PUBLIC[name]}"), name)
