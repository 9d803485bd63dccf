"""Rows, options, timers, and the images and models that several benchmarks share."""

from __future__ import annotations

import csv
import hashlib
import platform
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from timm.data import ImageNetInfo
from torch import Tensor
from torch.nn import functional as F

from benchmarks._held_out import unseen
from colorzoo import Guidance
from colorzoo.card import ModelCard
from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import read_square
from colorzoo.data.sources import StoredImage, find_sources
from colorzoo.errors import DataError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import GlobalStatistics, Points
from colorzoo.guidance.hints import resize_points
from colorzoo.inference.full_size import shrink_lightness, working_size
from colorzoo.model import ColoringModel
from colorzoo.registry import list_models, model_card

DOCS = Path(__file__).resolve().parents[1] / "docs"
PHOTOS = Path("data/photos/val")
SIDE = 256
NO_WEIGHTS = "no weights"


class SkippedError(Exception):
    """A benchmark requires data, weights or a program that is missing."""


@dataclass(frozen=True)
class Options:
    """Options of the command line; a benchmark ignores those that it does not use.

    Attributes:
        data: Folder of color photos.
        weights: Weight file or checkpoint instead of the embedded weights.
        images: Number of images.
        model: Name of the model.
        strength: Factor on the predicted ab.
        aged: Simulate an old print of each photo.
        models: Names of several models.
        sizes: Sides of the images in pixels.
        repeats: Number of timed rounds.
        device: Device to measure on; empty for the benchmark's default.
        quick: Dry run on tiny inputs with meaningless results.
        download: Download published weights.
    """

    data: Path | None = None
    weights: Path | None = None
    images: int | None = None
    model: str | None = None
    strength: float = 1.0
    aged: bool = False
    models: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    repeats: int | None = None
    device: str = ""
    quick: bool = False
    download: bool = False


@dataclass(frozen=True)
class Row:
    """Result of one claim.

    Attributes:
        claim: Description, with the unit of ``ours`` and ``reference``.
        ours: Measured value.
        reference: Value of the alternative, or a limit.
        ratio: Value compared with the goal.
        goal: Target of ``ratio``.
        better: Direction of the goal.
        where: Machine and data.
    """

    claim: str
    ours: float
    reference: float
    ratio: float
    goal: float
    better: Literal["higher", "lower"]
    where: str

    @property
    def reached(self) -> bool:
        """True if the goal is reached; False for NaN."""
        return self.ratio >= self.goal if self.better == "higher" else self.ratio <= self.goal

    def __str__(self) -> str:
        sign = ">=" if self.better == "higher" else "<="
        verdict = "ok   " if self.reached else "BELOW"
        figures = f"ours {self.ours:.5g}, reference {self.reference:.5g}, ratio {self.ratio:.4g}"
        return f"{verdict} {self.claim}: {figures} (goal {sign} {self.goal:g}; {self.where})"


def times_faster(claim: str, ours: float, reference: float, goal: float, where: str) -> Row:
    """Return a row whose ratio is the speed-up: reference time over our time."""
    return Row(claim, ours, reference, reference / ours, goal, "higher", where)


def share_of(claim: str, ours: float, reference: float, goal: float, where: str) -> Row:
    """Return a row whose ratio is a cost or an error as a fraction of the reference."""
    return Row(claim, ours, reference, ours / reference, goal, "lower", where)


def time_in_turn(
    calls: Mapping[str, Callable[[], object]], *, runs: int = 5, warmup: int = 1
) -> dict[str, float]:
    """Return the median processor seconds of each call; every round runs each call once.

    Processor seconds of a single thread (`single_thread`) equal the wall seconds of an idle machine.
    """
    spent: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(warmup + runs):
        for name, call in calls.items():
            start = time.process_time()
            call()
            spent[name].append(time.process_time() - start)
    return {name: statistics.median(seconds[warmup:]) for name, seconds in spent.items()}


def single_thread() -> None:
    """Limit torch to one thread."""
    torch.set_num_threads(1)


def multiplies_bfloat16() -> bool:
    """Return True if the CPU has instructions that multiply bfloat16."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def where() -> str:
    """Return a description of the machine."""
    kind = "bf16 instructions" if multiplies_bfloat16() else "no bf16 instructions"
    return f"CPU {platform.machine()}, {kind}, {torch.get_num_threads()} thread, torch {torch.__version__}"


def trained_model(name: str, options: Options) -> ColoringModel:
    """Return a model with the weights of the options, by default the embedded weights.

    Raises:
        SkippedError: The model has no trained weights.
    """
    model = create_coloring_model(name, options.weights or "default", offline=True)
    if not model.trained:
        raise SkippedError("trained weights are needed; give --weights")
    return model


def photos(folder: Path | None, count: int | None = None) -> Iterator[Tensor]:
    """Yield the central 256 x 256 of photos, ``(3, 256, 256)`` in [0, 1]; see `evenly_spaced`."""
    for source in evenly_spaced(folder, count):
        yield read_square(source, SIDE)


def evenly_spaced(folder: Path | None, count: int | None = None) -> list[StoredImage]:
    """Return unseen photos of a folder, evenly spaced in the sorted list.

    Args:
        folder: Folder of color photos; None for `PHOTOS`.
        count: Number of photos; None for all.

    Raises:
        SkippedError: The folder is missing or has no image.
    """
    try:
        sources = unseen_sources(folder or PHOTOS)
    except DataError as error:
        raise SkippedError(str(error)) from error
    step = max(1, len(sources) // (count or len(sources)))
    return sources[::step][:count]


def unseen_sources(folder: Path) -> list[StoredImage]:
    """Return the images below a folder that were not training images; see `benchmarks._held_out`.

    Raises:
        DataError: The folder is missing or has no image.
    """
    sources = {source.name: source for source in find_sources(folder.resolve())}
    return [sources[name] for name in unseen(sources)]


def color_as_shipped(
    model: ColoringModel,
    lightness: Tensor,
    points: Points | None = None,
    statistics: GlobalStatistics | None = None,
) -> Tensor:
    """Return ab ``(1, 2, H, W)``, predicted at the size at which the `Colorizer` runs the model.

    Args:
        model: A model of photos.
        lightness: ``(1, 1, H, W)`` in [0, 100].
        points: Color points of the size of ``lightness``.
        statistics: Histogram or saturation of the image.
    """
    height, width = lightness.shape[2:]
    size = working_size(height, width, model.working_size)
    resized = None if points is None else resize_points(points, size)
    with torch.inference_mode():
        ab = model(shrink_lightness(lightness, size), Guidance(points=resized, statistics=statistics)).to_ab()
    return F.interpolate(ab, (height, width), mode="bicubic", align_corners=False)


def imagenet_classes(listed: Path, folder: str) -> dict[str, int]:
    """Return the class of each image of a folder that comes from ImageNet, by its path.

    Args:
        listed: List with the columns path and source, which ends with ``nNNNNNNNN_...`` for such an image.
        folder: The folder, as in the paths.

    Raises:
        DataError: There is no such image.
    """
    numbers = {name: index for index, name in enumerate(ImageNetInfo().label_names())}
    with listed.open(newline="", encoding="utf-8") as stream:
        names = {
            row["path"]: row["source"].rpartition(":")[2].partition("_")[0]
            for row in csv.DictReader(stream)
            if row["path"].startswith(f"{folder}/")
        }
    found = {path: numbers[names[path]] for path in unseen(names) if names[path] in numbers}
    if not found:
        raise DataError(f"{listed} lists no image of {folder} with a class of ImageNet.")
    return found


def lab_of(rgb: NDArray[np.float32]) -> Tensor:
    """Return Lab ``(3, H, W)`` of RGB ``(H, W, 3)`` in [0, 1]."""
    return rgb_to_lab(torch.from_numpy(rgb).permute(2, 0, 1)[None])[0]


def with_table(page: str, name: str, text: str, command: str) -> str:
    """Return a page with a table in place of what stands between its comments.

    Args:
        page: Text of the page.
        name: Name of the table in the comments.
        text: The table.
        command: Command that writes the table, as in the first comment.

    Raises:
        DataError: The page has no such comments.
    """
    begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- end of {name} -->"
    found = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
    if not found.search(page):
        raise DataError(f"the page has no {begin} ... {end}")
    return found.sub(lambda _: f"{begin}\n\n{text}\n\n{end}", page)


def weights_digest(name: str) -> str:
    """Return a digest of the embedded weights of a model and its backbones, or `NO_WEIGHTS`."""
    hashes = sorted(set(_hashes(model_card(name))))
    return hashlib.sha256("".join(hashes).encode()).hexdigest()[:16] if hashes else NO_WEIGHTS


def _hashes(card: ModelCard) -> Iterator[str]:
    entry = card.weights.get("default")
    if entry is None:
        return
    yield entry.sha256 or ""
    names = set(list_models())
    for value in card.hparams.values():
        if isinstance(value, str) and value in names:
            yield from _hashes(model_card(value))
