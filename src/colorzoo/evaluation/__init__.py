"""Evaluation of models by named protocols, with reports whose numbers carry their protocol."""

from colorzoo.evaluation.protocol import Protocol, list_protocols, load_protocol
from colorzoo.evaluation.run import Outcome, Plan, evaluate

__all__ = ["Outcome", "Plan", "Protocol", "evaluate", "list_protocols", "load_protocol"]
