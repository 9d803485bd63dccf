"""Where the result of each picture goes, and what is to be done about a file that is there already.

A result says of which picture and with which settings it was made (`colorzoo.inference.origin`), so a run
knows its own results from those of another box of scans with the same names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import warnings
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

from colorzoo.card import ModelCard
from colorzoo.cli._telling import told_warnings
from colorzoo.errors import PictureError
from colorzoo.guidance import Recipe
from colorzoo.inference.guide import wanted_model
from colorzoo.inference.origin import Origin, read_origin
from colorzoo.inference.paths import numbered
from colorzoo.inference.references import recipe_reference_files
from colorzoo.registry import model_card
from colorzoo.weights import resolve_weights
from colorzoo.weights._files import sha256_of

Plan = Literal["color", "done", "changed", "foreign", "unknown"]
_SETTINGS = (
    "strength",
    "size",
    "temperature",
    "render_factor",
    "alpha",
    "reference_weights",
    "reassigned",
    "quality",
    "frames",
)


@dataclass(frozen=True)
class Place:
    """Where the result of a picture goes.

    Attributes:
        path: The file.
        plan: ``"color"`` it; or a file is there: ``"done"``, of the same picture with the same settings;
            ``"changed"``, with other settings; ``"foreign"``, of another picture; ``"unknown"``, it does not
            say.
        other: A file of the wanted name that was made of another picture; it stays.
    """

    path: Path
    plan: Plan
    other: Path | None = None


def find_place(source: Path, wanted: Path, asked: Origin, *, fixed: bool, taken: Set[Path]) -> Place:
    """Decide where the result of one picture goes.

    Args:
        source: The picture.
        wanted: Where its result would be if nothing were there.
        asked: What decides the colors; its ``source`` is not looked at.
        fixed: The user named this very file, so no other name will do.
        taken: Places that other pictures of this run have.
    """
    other = None
    for path in _candidates(wanted, fixed):
        if path in taken and path != wanted:
            continue
        if not os.path.lexists(path):
            return Place(path, "color", other)
        found = read_origin(path)
        if found is None:
            return Place(path, "unknown", other)
        if found.source == _hash_of(source):
            return Place(path, "done" if found.settings == asked.settings else "changed", other)
        if fixed:
            return Place(path, "foreign", other)
        other = other or path
    raise PictureError(f"{wanted}: too many files of this name")


def asked_of(args: argparse.Namespace, recipe: Recipe) -> Origin:
    """Describe what decides the colors besides the picture, from the command line and the recipe.

    Raises:
        ColorzooError: There is no such model, or its weights cannot be had.
    """
    references = reference_files(args, recipe)
    with told_warnings():  # of weights that do not fit, which are known then and not tried again
        named = bool(references)
        model = wanted_model(args.model, recipe, args.weights, reference=named, fast=args.fast)
    card = model_card(model)
    sha256 = weights_of(card, args.weights)
    given = {name: getattr(args, name) for name in _SETTINGS}
    engine = args.engine
    if args.precision == "int8":  # its colors are others, those of the rest are the same
        given["precision"], engine = "int8", f"{engine} in int8"
    written = _without_files({**recipe.to_dict(), "image": None})
    files = [_hash_of(path) for path in (*references, *_label_files(recipe))]
    digest = hashlib.sha256(json.dumps([model, sha256, given, written, files], sort_keys=True).encode())
    text = recipe.to_json() if recipe.kinds() or recipe.extra else ""
    made = Origin("", digest.hexdigest(), card.name, sha256, recipe=text, trained=card.trainable)
    return replace(made, engine=engine)


def reference_files(args: argparse.Namespace, recipe: Recipe) -> list[Path]:
    """Return the references: those named, or the recipe's, which lie beside it."""
    if args.reference or not args.recipe:
        return [Path(name) for name in args.reference or ()]
    return [path for path, _ in recipe_reference_files(recipe, Path(args.recipe).parent)]


def weights_of(card: ModelCard, weights: str | Path | None) -> str:
    """Return the SHA-256 of the weights that a model is to be used with; empty where it has none.

    Raises:
        WeightsError: They cannot be had.
    """
    with warnings.catch_warnings():  # of weights that are not here; whoever loads the model says so
        warnings.simplefilter("ignore")
        found = resolve_weights(card, weights)
    return "" if found is None else found.sha256 or sha256_of(found.path)


def _label_files(recipe: Recipe) -> Iterator[Path]:
    classes: dict[str, Any] = recipe.extra.get("classes") or {}
    yield from (Path(classes[name]) for name in ("file", "reference_file") if classes.get(name))


def _without_files(document: Any) -> Any:
    """Return a recipe without the names of files, whose content is what counts."""
    if isinstance(document, list):
        return [_without_files(item) for item in document]
    if not isinstance(document, dict):
        return document
    kept = document.keys() - {"path", "file", "reference_file"}
    return {name: _without_files(document[name]) for name in kept}


def _candidates(wanted: Path, fixed: bool) -> Iterable[Path]:
    yield wanted
    if not fixed:
        yield from (numbered(wanted, count) for count in range(2, 10_000))


@cache
def _hash_of(path: Path) -> str:
    """Hash a file once a run; the empty text for one that cannot be read, which is told when it is opened."""
    try:
        return sha256_of(path)
    except OSError:
        return ""
