"""The work on one picture: every method plays its turns, every result is measured and cached."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.errors import PictureError
from colorzoo.evaluation.cache import REFERENCE, TRUE_PICTURE, Cache, Entry
from colorzoo.evaluation.measures import Bleeding, Measure, Shown
from colorzoo.evaluation.methods import Method
from colorzoo.evaluation.picture_list import Item, Truth, read_truth
from colorzoo.evaluation.protocol import Protocol, UserChoice
from colorzoo.evaluation.stopwatch import Stopwatch
from colorzoo.guidance import Guidance
from colorzoo.users import Scene, SeenResult, SimulatedUser, Turn, make_user, play
from colorzoo.users.session import Painter

THUMBNAIL = 128  # pixels of the longer side
_QUALITY = 80


@dataclass(frozen=True)
class Work:
    """What is done with every picture.

    Attributes:
        protocol: How.
        methods: Who.
        measures: What is measured.
        counts: Numbers of interactions.
        cache: Where results go.
        device: Where models and metrics run.
        watch: Told how long each stage takes.
    """

    protocol: Protocol
    methods: Sequence[Method]
    measures: Sequence[Measure]
    counts: tuple[int, ...]
    cache: Cache
    device: torch.device
    watch: Stopwatch

    def do(self, item: Item) -> None:
        """Evaluate one picture with all methods; what is in the cache already is not done again."""
        with self.watch.stage("cache"):
            missing = [(method, entry) for method in self.methods if (entry := self._open(method, item))]
        if not missing:
            return
        try:
            with self.watch.stage("read pictures"):
                truth = read_truth(item, self.protocol, self.device)
        except PictureError as error:
            for method, _ in missing:
                self.cache.write(method.key, item.key, Entry(skipped=str(error)))
            return
        for method, entry in missing:
            try:
                self._color(method, item, truth, entry)
            except PictureError as error:
                entry = Entry(skipped=str(error))
            with self.watch.stage("cache"):
                self.cache.write(method.key, item.key, entry)

    def counts_of(self, method: Method) -> tuple[int, ...]:
        """Return the numbers of interactions of a method: none for one that does not take the user's kind."""
        return self.counts if self.user_of(method) else (0,)

    def user_of(self, method: Method) -> SimulatedUser | None:
        """Return the user who guides a method, or None if it cannot be guided so."""
        user = _make(self.protocol.user)
        return user if user is not None and user.kind in method.accepts else None

    def _open(self, method: Method, item: Item) -> Entry | None:
        """Return the entry of what is still to be done, or None."""
        entry = self.cache.read(method.key, item.key)
        keys = [output.key for measure in self.measures for output in measure.outputs]
        return entry if entry.lacks(self.counts_of(method), keys) else None

    def _color(self, method: Method, item: Item, truth: Truth, entry: Entry) -> None:
        """Fill an entry with the results of one method."""
        entry.gray = truth.is_gray
        scene = truth.sketch_scene if method.input_kind == "sketch" else truth.gray_scene
        with self.watch.stage("networks"):
            paint = self._timed(method.painter(item, truth))
        with self.watch.stage("users"):
            turns = self._turns(method, paint, scene)
        bleeding = Bleeding(turns[0].answer, truth)  # the turn without interactions
        wanted = self.counts_of(method)
        for turn in turns:
            if turn.count in wanted:
                self._keep(entry, turn, truth, bleeding)
        with self.watch.stage("thumbnails"):
            entry.thumbnails[wanted[-1]] = thumbnail(turns[-1].answer.rgb)
            entry.thumbnails[TRUE_PICTURE] = thumbnail(truth.rgb)
            if truth.reference is not None:
                entry.thumbnails[REFERENCE] = thumbnail(truth.reference)

    def _turns(self, method: Method, paint: Painter, scene: Scene) -> list[Turn]:
        background = self._background(method, scene)
        user = self.user_of(method)
        model = method.module() if user is not None else None
        counts = sorted({0, *self.counts_of(method)})
        return list(play(paint, user, scene, counts, model=model, background=background))

    def _background(self, method: Method, scene: Scene) -> Guidance | None:
        choice = self.protocol.background
        user = _make(choice)
        if choice is None or user is None or user.kind not in method.accepts:
            return None
        nothing = SeenResult(scene.rgb, scene.ab)  # a background does not watch
        return user.begin(scene, nothing, method.module())(choice.count, nothing).guidance

    def _timed(self, paint: Painter) -> Painter:
        def timed(scene: Scene, guidance: Guidance) -> SeenResult:
            with self.watch.stage("networks"):
                return paint(scene, guidance)

        return timed

    def _keep(self, entry: Entry, turn: Turn, truth: Truth, bleeding: Bleeding) -> None:
        moments = entry.moments.setdefault(turn.count, {})
        features = entry.features.setdefault(turn.count, {})
        shown = Shown(turn.answer.rgb, turn.answer.ab, truth, bleeding, turn.guidance)
        for measure in self.measures:
            keys = [output.key for output in measure.outputs]
            if all(key in moments or key in features for key in keys):
                continue
            with self.watch.stage(f"measure {measure.name}"), torch.inference_mode():
                values = measure.run(shown)
            for key, value in zip(keys, values, strict=True):
                if measure.features:
                    features[key] = np.asarray(value, dtype=np.float32)
                else:
                    moments[key] = value
        entry.given[turn.count] = turn.interactions


def thumbnail(rgb: Tensor) -> bytes:
    """Return a small JPEG of ``(1, 3, H, W)`` in [0, 1]."""
    levels = (rgb[0].clamp(0, 1) * 255 + 0.5).byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(levels)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


def _make(choice: UserChoice | None) -> SimulatedUser | None:
    return None if choice is None else make_user(choice.name, **choice.options)
