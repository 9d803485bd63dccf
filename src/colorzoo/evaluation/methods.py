"""What is evaluated: models of the registry, the truth itself, gray, and folders of finished results."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import torch

from colorzoo import __version__
from colorzoo.card import GuidanceKind, InputKind, ModelCard
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.errors import DataError, UnknownModelError, WeightsError
from colorzoo.evaluation.picture_list import Item, Truth, file_sha256, read_result
from colorzoo.evaluation.proposals import guide_of
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.report_files import digest
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance
from colorzoo.registry import model_card
from colorzoo.tasks import ColorizationModule
from colorzoo.tasks.measuring import shown_colors
from colorzoo.users import Scene, SeenResult
from colorzoo.users.session import Painter
from colorzoo.weights import resolve_weights

TRUTH, GRAY = "truth", "gray"
PSEUDO = (TRUTH, GRAY)


@dataclass(frozen=True)
class Method:
    """Something that colors pictures.

    Attributes:
        name: As reports show it.
        identity: Text that differs whenever results may differ; part of the cache's key.
        painter: Gives what colors one picture.
        accepts: Kinds of guidance it takes.
        input_kind: What it reads.
        module: Gives the model for a user to ask for proposals; None where there is none.
        about: What reports say of it.
    """

    name: str
    identity: str
    painter: Callable[[Item, Truth], Painter]
    accepts: frozenset[GuidanceKind] = frozenset()
    input_kind: InputKind = "gray"
    module: Callable[[], object] = lambda: None
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name}-{digest(self.identity)[:12]}"


def open_methods(
    names: Sequence[str], weights: Mapping[str, str], protocol: Protocol, device: torch.device
) -> list[Method]:
    """Find what is to be evaluated; networks are built at their first picture.

    Args:
        names: Registered names or aliases, ``truth``, ``gray``, or ``NAME=FOLDER`` of finished results.
        weights: Weight files by registered name.
        protocol: For the size of finished results.
        device: Where models run.

    Raises:
        ColorzooError: An unknown or repeated name, or a model without weights.
    """
    methods = [_open(name, weights.get(registered_name(name), "default"), protocol, device) for name in names]
    seen: set[str] = set()
    for method in methods:
        if method.name in seen:
            raise DataError(f"the method {method.name!r} is named twice in --models")
        seen.add(method.name)
    return methods


def registered_name(name: str) -> str:
    """Return the registry's name of a model that may be given by an alias; other names as they are."""
    try:
        return model_card(name).name
    except UnknownModelError:
        return name


def _open(name: str, weights: str, protocol: Protocol, device: torch.device) -> Method:
    name, _, folder = name.partition("=")
    if folder:
        return _folder_method(name, Path(folder), protocol)
    if name == TRUTH:
        return truth_method()
    try:
        card = model_card(name)
    except UnknownModelError:
        if name == GRAY:
            return gray_method()
        raise
    return _model_method(card, weights, device)


def truth_method() -> Method:
    """Return the method that answers the truth: the best value of every metric."""

    def painter(item: Item, truth: Truth) -> Painter:
        del item, truth
        return _paint_truth

    return Method(TRUTH, TRUTH, painter, about={"weights": "the truth itself"})


def gray_method() -> Method:
    """Return the method that adds no color."""

    def painter(item: Item, truth: Truth) -> Painter:
        del item, truth
        return _paint_gray

    return Method(GRAY, GRAY, painter, about={"weights": "no color at all"})


def _paint_truth(scene: Scene, guidance: Guidance) -> SeenResult:
    del guidance
    return SeenResult(scene.rgb, scene.ab)


def _paint_gray(scene: Scene, guidance: Guidance) -> SeenResult:
    del guidance
    luma = rgb_to_lab(scene.rgb)[:, :1]
    ab = torch.zeros_like(scene.ab)
    return SeenResult(lab_to_rgb(torch.cat([luma, ab], dim=1)), ab)


def _folder_method(name: str, folder: Path, protocol: Protocol) -> Method:
    if not folder.is_dir():
        raise DataError(f"no folder {str(folder)!r} with the results of {name!r} (--models NAME=FOLDER)")
    files = {path.relative_to(folder).with_suffix(""): path for path in folder.rglob("*") if path.is_file()}

    def painter(item: Item, truth: Truth) -> Painter:
        stem = Path(item.name).with_suffix("")
        rgb = read_result(files.get(stem, folder / item.name), truth, protocol, item.name)
        answer = SeenResult(rgb, rgb_to_lab(rgb)[:, 1:])

        def paint(scene: Scene, guidance: Guidance) -> SeenResult:
            del scene, guidance
            return answer

        return paint

    stamps = (f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in sorted(files.values()))
    return Method(name, digest(*stamps), painter, about={"weights": f"results in {folder}"})


def _model_method(card: ModelCard, weights: str, device: torch.device) -> Method:
    tag: str | Path = weights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the error below says the same
        found = resolve_weights(card, tag)
    sha = _hash_of_weights(found.path, found.sha256) if found else "none"

    @cache
    def model() -> ColorizationModule:
        return _create(card.name, tag, device)

    def painter(item: Item, truth: Truth) -> Painter:
        return model_painter(model())(item, truth)

    def guide() -> object:
        return guide_of(model())

    if found is None:
        model()  # a model that needs no training is fine without weights; another one fails here

    identity = digest(card.name, sha, repr(sorted(card.hparams.items())), __version__, device.type)
    about = {
        "weights": f"{found.path.name} sha256 {sha[:16]}" if found else "none needed",
        "parameters": str(card.parameters),
        "guidance": ", ".join(card.guidance) or "none",
        "paper": card.paper,
    }
    return Method(
        card.name,
        identity,
        painter,
        frozenset(card.guidance),
        card.input,
        guide,
        about,
    )


def _hash_of_weights(path: Path, known: str | None) -> str:
    return known or file_sha256(path)


def _create(name: str, weights: str | Path, device: torch.device) -> ColorizationModule:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = create_model(name, weights)
    if not model.trained:
        raise WeightsError(
            f"{name} has no weights here; give --weights {name}=FILE (`colorzoo weights` lists what exists)"
        )
    return model.to(device).eval()


def model_painter(model: ColorizationModule) -> Callable[[Item, Truth], Painter]:
    """Return what colors any picture by a model."""

    def painter(item: Item, truth: Truth) -> Painter:
        del item, truth
        return paint

    def paint(scene: Scene, guidance: Guidance) -> SeenResult:
        with torch.inference_mode():
            prediction = model(scene.luma, guidance)
            rgb, ab = shown_colors(prediction, scene.luma)
        return SeenResult(rgb.clone(), ab.clone())

    return painter
