"""The options that speak of classes, for the verbs that take them."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from colorzoo.errors import GuidanceError


def add_class_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare label images and re-assignment."""
    parser.add_argument(
        "--classes",
        metavar="LABELS",
        help="image with the number of each pixel's class, for models whose colors travel inside classes",
    )
    parser.add_argument("--reference-classes", metavar="LABELS", help="the same for the reference")
    parser.add_argument(
        "--class",
        dest="reassigned",
        action="append",
        default=[],
        metavar="OLD=NEW",
        help="treat one class of the picture as another (`colorzoo segment` shows them); may be repeated",
    )


def with_classes(extra: Mapping[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """Write into the further fields of a recipe what the command line says of classes.

    The recipe's own label images lie beside it.

    Raises:
        GuidanceError: A re-assignment that is none.
    """
    classes = dict(extra.get("classes") or {})
    if args.recipe:
        for name in ("file", "reference_file"):
            if classes.get(name):
                classes[name] = str(Path(args.recipe).parent / classes[name])
    for name, path in (("file", args.classes), ("reference_file", args.reference_classes)):
        if path:
            classes[name] = path
    if args.reassigned:
        classes["map"] = {**classes.get("map", {}), **dict(map(_reassigned, args.reassigned))}
    return {**extra, "classes": classes} if classes else dict(extra)


def _reassigned(text: str) -> tuple[str, int]:
    old, _, new = text.partition("=")
    if not (old.isdigit() and new.isdigit()):
        raise GuidanceError(f"--class {text!r} is not OLD=NEW, for example 3=7")
    return old, int(new)
