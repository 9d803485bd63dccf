"""Options of several verbs: references, and which model colors when none is named."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from colorzoo.errors import ColorzooError


def add_reference_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the references of ``colorize``."""
    parser.add_argument(
        "--reference",
        action="append",
        metavar="IMG",
        help="picture, or look of `colorzoo look`, whose colors to use; may be repeated to mix several "
        "(default: the recipe's, beside it)",
    )
    add_weights_argument(parser)
    parser.add_argument(
        "--alpha", type=float, metavar="A", help="how far to go towards the reference, 0 to 1 (default 1)"
    )


def add_weights_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the weights of several references."""
    parser.add_argument(
        "--reference-weights",
        type=_weights,
        metavar="W,W",
        help="shares of the references in the mix (default: all alike)",
    )


def add_fast_argument(parser: argparse.ArgumentParser) -> None:
    """Declare the choice between the best model on this machine and the best one that ships."""
    parser.add_argument(
        "--fast",
        action="store_true",
        help="without --model: take a small model that ships with colorzoo, though a better one is here",
    )


def with_alpha(extra: Mapping[str, Any], alpha: float | None) -> dict[str, Any]:
    """Write into the further fields of a recipe how far to go towards the reference.

    Raises:
        ColorzooError: It is not from 0 to 1.
    """
    if alpha is None:
        return dict(extra)
    check_alpha(alpha)
    return {**extra, "exemplar": {**(extra.get("exemplar") or {}), "alpha": alpha}}


def check_alpha(alpha: float) -> None:
    """Make sure that ``--alpha`` is from 0 to 1.

    Raises:
        ColorzooError: It is not.
    """
    if not 0 <= alpha <= 1:
        raise ColorzooError(f"--alpha must be from 0 to 1, got {alpha:g}")


def _weights(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a list of numbers such as 2,1") from None
