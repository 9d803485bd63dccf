"""Coloring for the pad: what an edit needs, from maps that were made when the photo was opened."""

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

from colorzoo.color import lab_to_rgb_in_gamut
from colorzoo.guidance import PointHint, Recipe
from colorzoo.guidance.rasterize import point_ab, points_lab
from colorzoo.inference.areas import LumaShift
from colorzoo.inference.colorizer import Colorizer
from colorzoo.inference.full_size import FullLuma, join_levels
from colorzoo.inference.guide import draw_wishes
from colorzoo.inference.palette import Distribution
from colorzoo.inference.pins import Pin, fit_pins
from colorzoo.inference.resample import BicubicUpsampler, shrink_luma
from colorzoo.inference.sketches import painted_luma
from colorzoo.studio.gamut import SNAPPED, Shown, show
from colorzoo.studio.limits import Limits
from colorzoo.studio.palette import luma_at
from colorzoo.studio.photo import Photo, fit, jpeg
from colorzoo.studio.threads import ThreadChooser
from colorzoo.tasks import AbPrediction
from colorzoo.tasks.prediction import DeferredMaps

Quality = Literal["drag", "final", "full"]
STAGES = ("prepare", "network", "join", "encode")
_KEPT = 4  # solved recipes of a session, 5 MB each: the last of undo, and one without the selected point


class _Logits(NamedTuple):
    """The distribution of an answer, which few ask for.

    Attributes:
        make: Gives it.
        nbytes: Memory that is held for it.
    """

    make: Callable[[], Tensor]
    nbytes: int

    @classmethod
    def among(cls, extras: Mapping[str, Tensor]) -> _Logits | None:
        """Return what a model answered, if it has a distribution."""
        if "logits" not in extras:
            return None
        if isinstance(extras, DeferredMaps):
            return cls(lambda: extras["logits"], extras.nbytes)
        half = extras["logits"][:1].cpu().half()  # some are kept for every session
        return cls(lambda: half, half.nbytes)


@dataclass(frozen=True)
class Answer:
    """A recipe solved at the network's size.

    Attributes:
        ab: ``(2, h, w)`` in CIE units.
        logits: Gives ``(1, Q, h, w)``, where the model has a distribution of colors.
        match: ``(2, h, w)`` place in the reference (x, y as shares of its size), where the model tells.
        notes: What the user should know.
        painted: ``(1, 1, h, w)`` lightness, of models that paint sketches.
        seen: The sketch's lightness at that size.
        shift: How areas move the photo's lightness.
        held: ``(h, w)`` in [0, 1], where areas keep the colors; None if none does.
    """

    ab: Tensor
    logits: _Logits | None
    match: Tensor | None
    notes: tuple[str, ...]
    painted: Tensor | None = None
    seen: Tensor | None = None
    shift: LumaShift = field(default_factory=LumaShift)
    held: Tensor | None = None

    @property
    def nbytes(self) -> int:
        """Memory that it takes."""
        return sum(m.nbytes for m in (self.ab, self.match, self.logits) if m is not None)

    def luma(self, luma: Tensor) -> Tensor:
        """Return the lightness ``(1, 1, h, w)`` of the result where the photo has ``luma``."""
        if self.painted is None or self.seen is None:
            return self.shift.on(luma)
        return painted_luma(luma, self.seen, self.painted)

    def distribution(self) -> Distribution | None:
        """Return the distribution of colors; it takes longer than the picture, so only who asks waits."""
        if self.logits is None:
            return None
        with torch.inference_mode():
            return Distribution.of(AbPrediction(ab=self.ab[None], extras={"logits": self.logits.make()}))


@dataclass
class AnswerCache:
    """The last answers of a session; undo and redo find theirs here.

    Attributes:
        entries: By model, recipe and size; the newest last.
    """

    entries: OrderedDict[str, Answer] = field(default_factory=OrderedDict)

    def get(self, key: str) -> Answer | None:
        """Return an answer and mark it as used."""
        found = self.entries.get(key)
        if found is not None:
            self.entries.move_to_end(key)
        return found

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer; the one unused for longest goes."""
        self.entries[key] = answer
        while len(self.entries) > _KEPT:
            self.entries.popitem(last=False)

    @property
    def nbytes(self) -> int:
        """Memory that the answers take."""
        return sum(answer.nbytes for answer in list(self.entries.values()))


@dataclass
class Stopwatch:
    """Milliseconds spent, by name."""

    spent: dict[str, float] = field(default_factory=dict)
    _last: float = field(default_factory=time.perf_counter)

    def lap(self, name: str) -> None:
        """Book the time since the last call under a name."""
        now = time.perf_counter()
        self.spent[name] = self.spent.get(name, 0.0) + (now - self._last) * 1e3
        self._last = now


@dataclass(frozen=True)
class Task:
    """One recipe for one photo by one model.

    Attributes:
        colorizer: The model.
        photo: The photo.
        recipe: The wishes.
        reference: ``(1, 3, h, w)`` in [0, 1], or None.
        stamp: What else the answer depends on: which reference is attached.
        threads: Chooses how many threads torch uses, if anyone does.
    """

    colorizer: Colorizer
    photo: Photo
    recipe: Recipe
    reference: Tensor | None = None
    stamp: str = ""
    threads: ThreadChooser | None = None

    def key(self, size: int) -> str:
        """Return what tells this answer from others of the session."""
        plain = replace(self.recipe, model=None, width=None, height=None, sha256=None)
        text = json.dumps(plain.to_dict(), sort_keys=True)
        return f"{self.colorizer.name} {size} {self.photo.sha256} {self.stamp} {text}"

    def size(self, quality: Quality) -> int:
        """Return the shorter side at which the network works; regions and classes depend on it."""
        fixed = {"regions", "classes"} & set(self.recipe.kinds())
        return self.colorizer.size // 2 if quality == "drag" and not fixed else self.colorizer.size


def solve(task: Task, size: int, cache: AnswerCache, watch: Stopwatch | None = None) -> Answer:
    """Solve a recipe at the network's size, or find it solved.

    Raises:
        ColorzooError: The recipe does not fit the photo, or the model fails.
    """
    watch = watch or Stopwatch()
    key = task.key(size)
    if (found := cache.get(key)) is not None:
        watch.lap("network")
        return found
    small = task.photo.seen(size) if size == task.colorizer.size else task.photo.roughly(size)
    shape = (int(small.shape[2]), int(small.shape[3]))
    wishes = draw_wishes(task.recipe, task.photo.size, shape)
    count = None if task.threads is None else task.threads.choose()
    if count is not None:
        torch.set_num_threads(count)
    watch.lap("prepare")
    ran = time.thread_time()
    with torch.inference_mode():
        solved = task.colorizer.solve(small, wishes, task.reference)
        match = solved.extras.get("match")
        answer = Answer(
            solved.ab,
            _Logits.among(solved.extras),
            None if match is None else match[0].float().cpu(),
            solved.notes,
            solved.painted,
            None if solved.painted is None else small,
            solved.shift,
            solved.held,
        )
    cache.put(key, answer)
    watch.lap("network")
    if count is not None and task.threads is not None and size == task.colorizer.size:
        task.threads.note(count, watch.spent["network"], (time.thread_time() - ran) * 1e3)
    return answer


def paint(task: Task, answer: Answer, luma: Tensor, watch: Stopwatch) -> bytes:
    """Join an answer with a lightness ``(1, 1, h, w)`` of any size and return the JPEG."""
    with torch.inference_mode():
        shown_luma = answer.luma(luma)
        shown = join_levels(shown_luma[0, 0], answer.ab, pins_for(task, answer, shown_luma))
    watch.lap("join")
    encoded = jpeg(Image.fromarray(shown))
    watch.lap("encode")
    return encoded


def pins_for(task: Task, answer: Answer, luma: Tensor) -> list[Pin]:
    """Return the pins of the points at the size of ``luma``; a painting has none."""
    if answer.painted is not None:
        return []
    hints = scaled_points(task.recipe.points, task.photo.size, (int(luma.shape[3]), int(luma.shape[2])))
    return fit_pins(hints, answer.ab, luma[0, 0], strength=task.recipe.strength, held=answer.held)


def preview(
    task: Task, quality: Quality, cache: AnswerCache, limits: Limits
) -> tuple[Answer, bytes, dict[str, Any]]:
    """Color a photo at the size that a quality asks for.

    Returns:
        The answer, the JPEG, and ``width``, ``height``, ``timing`` of the message ``colored``.
    """
    watch = Stopwatch()
    answer = solve(task, task.size(quality), cache, watch)
    luma = _luma(task, quality, limits)
    watch.lap("prepare")
    picture = paint(task, answer, luma, watch)
    timing = {name: round(watch.spent.get(name, 0.0), 2) for name in STAGES}
    return answer, picture, {"width": luma.shape[3], "height": luma.shape[2], "timing": timing}


def shown_points(task: Task) -> list[Shown]:
    """Return what became of the points: their colors at the lightness of their places."""
    points = task.recipe.points
    if not points:
        return []
    luma = torch.tensor([luma_at(task.photo, (point.x, point.y)) for point in points])
    chosen = torch.stack([point_ab(point) for point in points])
    there = points_lab(points, luma)[:, 1:]
    paler = chosen.norm(dim=1) - there.norm(dim=1) > SNAPPED
    shown = show(there * task.recipe.strength, luma)
    return [replace(s, snapped=s.snapped or lost) for s, lost in zip(shown, paler.tolist(), strict=True)]


def color_at(task: Task, answer: Answer, place: tuple[float, float]) -> Tensor:
    """Return the ``(3,)`` Lab of the result at a place, as its view shows it."""
    luma = answer.luma(task.photo.luma)
    rows, columns = luma.shape[2:]
    row = min(max(int(place[1] * rows / task.photo.size[1]), 0), rows - 1)
    column = min(max(int(place[0] * columns / task.photo.size[0]), 0), columns - 1)
    with torch.inference_mode():
        line = BicubicUpsampler(answer.ab, (rows, columns)).rows(row, row + 1)
        for pin in pins_for(task, answer, luma):
            pin.add_to(line, row)
        return torch.cat([luma[0, 0, row, column : column + 1], line[:, 0, column]])


def displayed(lab: Tensor) -> Tensor:
    """Return ``(3,)`` RGB in [0, 1] of one Lab color."""
    return lab_to_rgb_in_gamut(lab.view(3, 1, 1)).flatten()


def scaled_points(
    points: tuple[PointHint, ...], whole: tuple[int, int], view: tuple[int, int]
) -> tuple[PointHint, ...]:
    """Return points in pixels of a view instead of pixels of the photo."""
    if whole == view:
        return points
    x, y = view[0] / whole[0], view[1] / whole[1]
    return tuple(replace(p, x=p.x * x, y=p.y * y, radius=p.radius * (x + y) / 2) for p in points)


def _luma(task: Task, quality: Quality, limits: Limits) -> Tensor:
    photo = task.photo
    width, height = photo.view
    if quality == "drag":
        return shrink_luma(photo.luma, fit(height, width, limits.view_side * 3 // 8))
    if quality == "final" or photo.view == photo.size:
        return photo.luma
    luma = FullLuma(photo.picture(limits).levels)
    pixels = photo.size[0] * photo.size[1]
    if pixels <= limits.full_pixels:
        return luma.whole()
    scale = (limits.full_pixels / pixels) ** 0.5
    return luma.shrunk((int(photo.size[1] * scale), int(photo.size[0] * scale)))
