"""Evaluation of models with named protocols, and reports of the results."""

from colorzoo.evaluation.bibtex import bibtex
from colorzoo.evaluation.protocol import Protocol, list_protocols, load_protocol
from colorzoo.evaluation.run import Outcome, evaluate
from colorzoo.evaluation.vote import KEY_FILE, PAGE_FOLDER, count_votes, write_vote

__all__ = [
    "KEY_FILE",
    "PAGE_FOLDER",
    "Outcome",
    "Protocol",
    "bibtex",
    "count_votes",
    "evaluate",
    "list_protocols",
    "load_protocol",
    "write_vote",
]
