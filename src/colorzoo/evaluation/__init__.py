"""Evaluation of models with named protocols, and reports of the results."""

from colorzoo.evaluation.bibtex import bibtex
from colorzoo.evaluation.protocol import Protocol, list_protocols, load_protocol
from colorzoo.evaluation.run import Outcome, Plan, evaluate

__all__ = [
    "Outcome",
    "Plan",
    "Protocol",
    "bibtex",
    "evaluate",
    "list_protocols",
    "load_protocol",
]
