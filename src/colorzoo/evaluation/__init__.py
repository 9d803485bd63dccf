"""Evaluation of models with named protocols, and reports of the results."""

from colorzoo.evaluation.measures import list_metrics
from colorzoo.evaluation.protocol import Protocol, list_protocols, load_protocol
from colorzoo.evaluation.run import Outcome, evaluate

__all__ = [
    "Outcome",
    "Protocol",
    "evaluate",
    "list_metrics",
    "list_protocols",
    "load_protocol",
]
