"""Color the photo of a pad: the model's answer at the network's size, and its previews as JPEG."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple

import torch
from PIL import Image
from torch import Tensor

from colorzoo.guidance import Recipe
from colorzoo.guidance.rasterize import point_ab, points_lab
from colorzoo.inference.area_maps import LumaShift
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import (
    BicubicUpsampler,
    FullLuma,
    Overlay,
    PointCorrection,
    join_levels,
    shrink_luma,
)
from colorzoo.inference.full_size_points import correct_points
from colorzoo.inference.guidance_maps import draw_request
from colorzoo.inference.inside import Surroundings, crop_map
from colorzoo.inference.overlays import overlays_of
from colorzoo.inference.palette import Distribution
from colorzoo.inference.sketches import enlarge_painted_luma
from colorzoo.prediction import AbPrediction, DeferredMaps
from colorzoo.studio.palette import VISIBLE_CHANGE, DisplayedColor, displayed_colors
from colorzoo.studio.photo import Photo, fit_size, jpeg
from colorzoo.studio.protocol import Limits
from colorzoo.studio.workers import ThreadCountChooser

Quality = Literal["drag", "final", "full"]
_STAGES = ("prepare", "network", "join", "encode")
_CACHED = 4  # results of a session, 5 MB each: the last steps of undo, and one without the selected point


class _Logits(NamedTuple):
    """The distribution of colors of a result, computed when it is needed.

    Attributes:
        compute: Returns it.
        nbytes: Memory in use.
    """

    compute: Callable[[], Tensor]
    nbytes: int

    @classmethod
    def of(cls, extras: Mapping[str, Tensor]) -> _Logits | None:
        """Return the distribution among the extra outputs of a model, if there is one."""
        if "logits" not in extras:
            return None
        if isinstance(extras, DeferredMaps):
            return cls(lambda: extras["logits"], extras.nbytes)
        half = extras["logits"][:1].cpu().half()  # several are kept for every session
        return cls(lambda: half, half.nbytes)


@dataclass(frozen=True)
class Result:
    """Colors of a photo at the network's size.

    Attributes:
        ab: ``(2, h, w)`` in CIE units.
        logits: Returns ``(1, Q, h, w)``, for models that predict a distribution of colors.
        match: ``(2, h, w)`` place in the reference (x, y as shares of its size), for models that report it.
        notes: Remarks for the user.
        painted: ``(1, 1, h, w)`` lightness, from models that paint sketches.
        network_luma: The sketch's lightness at that size.
        shift: Changes of the photo's lightness by areas, if any.
        held: ``(h, w)`` in [0, 1], where areas lock the colors; None without such areas.
    """

    ab: Tensor
    logits: _Logits | None
    match: Tensor | None
    notes: tuple[str, ...]
    painted: Tensor | None = None
    network_luma: Tensor | None = None
    shift: LumaShift | None = None
    held: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return sum(m.nbytes for m in (self.ab, self.match, self.logits) if m is not None)

    def luma(self, luma: Tensor) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` of the result from that of the photo."""
        if self.painted is None or self.network_luma is None:
            return luma if self.shift is None else self.shift.apply(luma)
        return enlarge_painted_luma(luma, self.network_luma, self.painted)

    def distribution(self) -> Distribution | None:
        """Return the distribution of colors; computing it takes longer than the picture."""
        if self.logits is None:
            return None
        with torch.inference_mode():
            return Distribution.of(AbPrediction(ab=self.ab[None], extras={"logits": self.logits.compute()}))


@dataclass
class ResultCache:
    """The last results of a session, for undo and redo.

    Attributes:
        entries: Results by `Task.key`, newest last.
    """

    entries: OrderedDict[str, Result] = field(default_factory=OrderedDict)

    def get(self, key: str) -> Result | None:
        """Return a result and mark it as used."""
        found = self.entries.get(key)
        if found is not None:
            self.entries.move_to_end(key)
        return found

    def put(self, key: str, result: Result) -> None:
        """Add a result; the least recently used ones are dropped."""
        self.entries[key] = result
        while len(self.entries) > _CACHED:
            self.entries.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return sum(result.nbytes for result in list(self.entries.values()))


@dataclass
class Stopwatch:
    """Milliseconds spent, by name of the stage."""

    spent: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Add the time since the last call to a stage."""
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + (now - self._last) * 1e3
        self._last = now


@dataclass(frozen=True)
class Task:
    """A photo, a recipe and the model that colors it.

    Attributes:
        colorizer: The model.
        photo: The photo.
        recipe: Hints and settings; of the part, if the photo is one.
        reference: ``(1, 3, h, w)`` in [0, 1], or None.
        reference_id: Changes with the reference.
        threads: Chooses the number of torch's threads; None leaves it alone.
    """

    colorizer: Colorizer
    photo: Photo
    recipe: Recipe
    reference: Tensor | None = None
    reference_id: str = ""
    threads: ThreadCountChooser | None = None

    def key(self, size: int) -> str:
        """Return the key of the result in the cache of the session."""
        # paint and replaced colors lie above the answer of the network
        below = replace(self.recipe, paint=(), replacements=())
        plain = replace(below, model=None, width=None, height=None, sha256=None)
        text = json.dumps(plain.to_dict(), sort_keys=True)
        part = self.photo.window and self.photo.window.inside
        return f"{self.colorizer.name} {size} {self.photo.sha256} {part} {self.reference_id} {text}"

    def luma(self) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` that the network gets."""
        return self.photo.network_luma(self.colorizer.size)


def predict(task: Task, cache: ResultCache) -> Result:
    """Color a photo at the network's size, or return the cached result.

    Raises:
        ColorzooError: The recipe does not fit the photo, or the model fails.
    """
    return _predict(task, task.colorizer.size, cache, Stopwatch())


def _predict(task: Task, size: int, cache: ResultCache, watch: Stopwatch) -> Result:
    key = task.key(size)
    if (found := cache.get(key)) is not None:
        watch.lap("network")
        return found
    luma = task.luma() if size == task.colorizer.size else task.photo.approximate_luma(size)
    request = draw_request(task.recipe, task.photo.size, (int(luma.shape[2]), int(luma.shape[3])))
    threads = None if task.threads is None else task.threads.choose()
    if threads is not None:
        torch.set_num_threads(threads)
    watch.lap("prepare")
    started = time.thread_time()
    with torch.inference_mode():
        solved = task.colorizer.color_luma(luma, request, task.reference)
        match = solved.extras.get("match")
        result = Result(
            solved.ab,
            _Logits.of(solved.extras),
            None if match is None else match[0].float().cpu(),
            solved.notes,
            solved.painted_luma,
            None if solved.painted_luma is None else luma,
            solved.luma_shift,
            solved.locked,
        )
    cache.put(key, result)
    watch.lap("network")
    if threads is not None and task.threads is not None and size == task.colorizer.size:
        processor = (time.thread_time() - started) * 1e3
        task.threads.record(threads, watch.spent["network"], processor)
    return result


def preview(
    task: Task, quality: Quality, cache: ResultCache, limits: Limits
) -> tuple[Result, bytes, dict[str, Any]]:
    """Color a photo at the size of a quality.

    Returns:
        The result, the JPEG, and ``width``, ``height``, ``timing`` of the message ``colored``.
    """
    watch = Stopwatch()
    # regions and classes depend on the network's size, so a drag keeps it for them
    halved = quality == "drag" and not {"regions", "classes"} & set(task.recipe.kinds())
    size = task.colorizer.size // 2 if halved else task.colorizer.size
    result = _predict(task, size, cache, watch)
    luma = _preview_luma(task.photo.whole or task.photo, quality, limits)
    surroundings = None
    if (window := task.photo.window) is not None:
        inside = window.scaled(int(luma.shape[3]), int(luma.shape[2]))
        surroundings = Surroundings(luma[0, 0], inside)
        luma = crop_map(luma, inside)
    watch.lap("prepare")
    with torch.inference_mode():
        luma = result.luma(luma)
        levels = join_levels(luma[0, 0], result.ab, _pins(task, result, luma), _overlays(task, result, luma))
    levels = levels if surroundings is None else surroundings.around(levels, 8)
    watch.lap("join")
    picture = jpeg(Image.fromarray(levels))
    watch.lap("encode")
    timing = {name: round(watch.spent.get(name, 0.0), 2) for name in _STAGES}
    return result, picture, {"width": levels.shape[1], "height": levels.shape[0], "timing": timing}


def _preview_luma(photo: Photo, quality: Quality, limits: Limits) -> Tensor:
    width, height = photo.view
    if quality == "drag":
        return shrink_luma(photo.luma, fit_size(height, width, limits.view_side * 3 // 8))
    if quality == "final" or photo.view == photo.size:
        return photo.luma
    luma = FullLuma(photo.decode(limits).levels)
    pixels = photo.size[0] * photo.size[1]
    if pixels <= limits.full_pixels:
        return luma.whole()
    scale = (limits.full_pixels / pixels) ** 0.5
    return luma.shrunk((int(photo.size[1] * scale), int(photo.size[0] * scale)))


def _pins(task: Task, result: Result, luma: Tensor) -> list[PointCorrection]:
    """Return corrections that give the points their exact colors at the size of ``luma``."""
    if result.painted is not None:
        return []
    points = task.recipe.points
    width, height = int(luma.shape[3]), int(luma.shape[2])
    if task.photo.size != (width, height):
        x, y = width / task.photo.size[0], height / task.photo.size[1]
        points = tuple(replace(p, x=p.x * x, y=p.y * y, radius=p.radius * (x + y) / 2) for p in points)
    return correct_points(points, result.ab, luma[0, 0], strength=task.recipe.strength, locked=result.held)


def _overlays(task: Task, result: Result, luma: Tensor) -> tuple[Overlay, ...]:
    """Return what lies above the answer, at the size of ``luma``."""
    shape = (int(luma.shape[2]), int(luma.shape[3]))
    return overlays_of(task.recipe, task.photo.size, shape, task.recipe.strength, result.held)


def displayed_points(task: Task) -> list[DisplayedColor]:
    """Return the colors of the points as they are displayed at the lightness of their places."""
    points = task.recipe.points
    if not points:
        return []
    luma = torch.tensor([task.photo.luma_at((point.x, point.y)) for point in points])
    chosen = torch.stack([point_ab(point) for point in points])
    at_luma = points_lab(points, luma)[:, 1:]
    paler = chosen.norm(dim=1) - at_luma.norm(dim=1) > VISIBLE_CHANGE
    shown = displayed_colors(at_luma * task.recipe.strength, luma)
    return [replace(s, snapped=s.snapped or lost) for s, lost in zip(shown, paler.tolist(), strict=True)]


def color_at(task: Task, result: Result, place: tuple[float, float]) -> Tensor:
    """Return the ``(3,)`` Lab of the result at x and y in pixels of the photo, as the preview shows it."""
    luma = result.luma(task.photo.luma)
    row, column = task.photo.view_pixel(place)
    with torch.inference_mode():
        line = BicubicUpsampler(result.ab, (luma.shape[2], luma.shape[3])).rows(row, row + 1)
        for pin in _pins(task, result, luma):
            pin.add_to(line, row)
        for overlay in _overlays(task, result, luma):
            overlay.add_to(line, luma[0, 0, row : row + 1], row)
        return torch.cat([luma[0, 0, row, column : column + 1], line[:, 0, column]])
