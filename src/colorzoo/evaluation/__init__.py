"""Evaluation of models with named protocols, and reports of the results."""

from colorzoo.evaluation.bibtex import bibtex
from colorzoo.evaluation.measures import list_metrics
from colorzoo.evaluation.protocol import Protocol, check_interactions, list_protocols, load_protocol
from colorzoo.evaluation.run import Outcome, evaluate, print_notes
from colorzoo.evaluation.tables import format_interval, format_number, metric_heading
from colorzoo.evaluation.vote import KEY_FILE, PAGE_FOLDER, count_votes, write_vote

__all__ = [
    "KEY_FILE",
    "PAGE_FOLDER",
    "Outcome",
    "Protocol",
    "bibtex",
    "check_interactions",
    "count_votes",
    "evaluate",
    "format_interval",
    "format_number",
    "list_metrics",
    "list_protocols",
    "load_protocol",
    "metric_heading",
    "print_notes",
    "write_vote",
]
