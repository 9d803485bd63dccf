"""Options that several verbs share."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from colorzoo.card import Use
from colorzoo.cli._fields import numbers
from colorzoo.errors import ColorzooError

if TYPE_CHECKING:
    from colorzoo.weights.choice import ModelChoice


def add_model_group(
    parser: argparse.ArgumentParser, default: str = "the best one on this machine"
) -> argparse._ArgumentGroup:
    """Declare ``--model``, ``--fast`` and ``--weights`` in a group of their own, and return the group.

    Args:
        parser: Parser of the verb.
        default: Default model, in words.
    """
    group = parser.add_argument_group("model")
    group.add_argument("--model", help=f"registered name (default: {default})")
    add_fast_argument(group)
    group.add_argument("--weights", default="default", help="default, published, or the path of a file")
    return group


def choose_from_options(args: argparse.Namespace, use: Use, able: type | None = None) -> ModelChoice:
    """Choose the model of `add_model_group`, printing warnings about files that do not fit.

    Args:
        args: The command line.
        use: Use of the model.
        able: Protocol that a default model must implement.

    Raises:
        ColorzooError: No model can be chosen.
    """
    from colorzoo.cli._output import printed_warnings
    from colorzoo.factory import create_coloring_model
    from colorzoo.weights.choice import choose_model

    with printed_warnings():
        create = create_coloring_model
        return choose_model(args.model, use, args.weights, fast=args.fast, able=able, create=create)


def add_device_argument(parser: argparse._ActionsContainer, default: str = "auto") -> None:
    """Declare ``--device``.

    Args:
        parser: Parser of the verb, or a group of it.
        default: Default device.
    """
    parser.add_argument("--device", default=default, help="auto, cpu, cuda or mps (default: %(default)s)")


def add_fast_argument(parser: argparse._ActionsContainer) -> None:
    """Declare ``--fast``."""
    parser.add_argument(
        "--fast",
        action="store_true",
        help="without --model: use a small model that ships with colorzoo, even if a better one is here",
    )


def add_reference_weights_argument(parser: argparse._ActionsContainer) -> None:
    """Declare the weights of several references."""
    parser.add_argument(
        "--reference-weights",
        type=numbers,
        metavar="W,W",
        help="weights of the references in the mix (default: equal)",
    )


def check_alpha(alpha: float) -> None:
    """Raise if ``--alpha`` is out of range.

    Raises:
        ColorzooError: It is not from 0 to 1.
    """
    if not 0 <= alpha <= 1:
        raise ColorzooError(f"--alpha must be from 0 to 1, got {alpha:g}")


def file_identity(path: str | Path) -> tuple[int, int] | None:
    """Return what is the same for all names of a file; None if there is none."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def keep_inputs(out: Path, *inputs: str | Path | None) -> None:
    """Refuse to write to a file that is read, even if the user asks to overwrite.

    Args:
        out: The file to write.
        inputs: Files that are read; None for one that is not given.

    Raises:
        ColorzooError: They are the same file.
    """
    found = file_identity(out)
    if found is not None and found in {file_identity(path) for path in inputs if path is not None}:
        raise ColorzooError(f"{out} is one of the inputs, name another file for the result")


def add_overwrite_argument(parser: argparse.ArgumentParser) -> None:
    """Declare ``--overwrite``, without which `require_new` refuses files that exist."""
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")


def require_new(path: Path, *, overwrite: bool) -> None:
    """Refuse to replace a file, unless the user asks for it.

    Raises:
        ColorzooError: It exists.
    """
    if path.exists() and not overwrite:
        raise ColorzooError(f"{path} exists already; --overwrite replaces it, or name another file")
