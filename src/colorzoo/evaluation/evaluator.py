"""Evaluation of single images with all methods and cached results."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from colorzoo.errors import ImageError
from colorzoo.evaluation.cache import REFERENCE, TRUE_IMAGE, Cache, Entry
from colorzoo.evaluation.images import Item, Truth, read_truth
from colorzoo.evaluation.measures import Bleeding, Measure, MeasuredImage
from colorzoo.evaluation.methods import Method
from colorzoo.evaluation.protocol import Protocol, UserChoice
from colorzoo.guidance import Boxes, Guidance
from colorzoo.simulation import SessionResult, SimulatedUser, TargetImage, Turn, make_user, play
from colorzoo.simulation.session import merged

THUMBNAIL = 128  # pixels of the longer side


@dataclass(frozen=True)
class Evaluator:
    """Evaluator that colorizes images with all methods and measures the results.

    Attributes:
        protocol: Evaluation protocol.
        methods: Methods to evaluate.
        measures: Measures of each result.
        counts: Numbers of simulated user interactions after which results are measured.
        cache: Cache of the measured values.
        device: Device of the images.
    """

    protocol: Protocol
    methods: Sequence[Method]
    measures: Sequence[Measure]
    counts: tuple[int, ...]
    cache: Cache
    device: torch.device

    def evaluate(self, item: Item) -> None:
        """Evaluate an image with all methods and cache the results; skip cached methods."""
        keys = [output.key for measure in self.measures for output in measure.outputs]
        entries = [(method, self.cache.read(method.key, item.key)) for method in self.methods]
        missing = [pair for pair in entries if pair[1].lacks(self.counts_of(pair[0]), keys)]
        if not missing:
            return
        try:
            truth = read_truth(item, self.protocol, self.device)
        except ImageError as error:
            for method, _ in missing:
                self.cache.write(method.key, item.key, Entry(skipped=str(error)))
            return
        for method, entry in missing:
            try:
                self.color_item(method, item, truth, entry)
            except ImageError as error:
                entry = Entry(skipped=str(error))
            self.cache.write(method.key, item.key, entry)

    def counts_of(self, method: Method) -> tuple[int, ...]:
        """Return the numbers of interactions after which results of a method are measured.

        The result is ``(0,)`` if the method does not accept the guidance of the simulated user.
        """
        return self.counts if self.user_of(method) else (0,)

    def user_of(self, method: Method) -> SimulatedUser | None:
        """Return the simulated user, or None if the method does not accept the user's guidance."""
        user = _make_user(self.protocol.user)
        return user if user is not None and user.kind in method.accepts else None

    def color_item(self, method: Method, item: Item, truth: Truth, entry: Entry) -> None:
        """Colorize an image with one method and store the results in ``entry``."""
        entry.gray = truth.is_gray
        scene = truth.sketch_scene if method.input_kind == "sketch" else truth.gray_scene
        color_function = method.color_function(item, truth)
        user = self.user_of(method)
        model = method.module() if user is not None else None
        counts = sorted({0, *self.counts_of(method)})
        background = self._background_guidance(method, scene, truth)
        turns = list(play(color_function, user, scene, counts, model=model, background=background))
        bleeding = Bleeding(turns[0].result, truth)  # the result without interactions
        method_counts = self.counts_of(method)
        for turn in turns:
            if turn.count in method_counts:
                self._measure(entry, turn, truth, bleeding)
        entry.thumbnails[method_counts[-1]] = thumbnail(turns[-1].result.rgb)
        entry.thumbnails[TRUE_IMAGE] = thumbnail(truth.rgb)
        if truth.reference is not None:
            entry.thumbnails[REFERENCE] = thumbnail(truth.reference)

    def _background_guidance(self, method: Method, scene: TargetImage, truth: Truth) -> Guidance:
        """Return the guidance before the first interaction."""
        label = None
        if truth.label is not None and "label" in method.accepts:
            label = torch.tensor([truth.label], device=scene.lightness.device)
        guidance = Guidance(boxes=self._boxes(method, scene, truth), label=label)
        choice = self.protocol.background
        user = _make_user(choice)
        if choice is None or user is None or user.kind not in method.accepts:
            return guidance
        nothing = SessionResult(scene.rgb, scene.ab)  # `Protocol.background` users do not use results
        return merged(guidance, user.begin(scene, nothing, method.module())(choice.count, nothing).guidance)

    def _boxes(self, method: Method, scene: TargetImage, truth: Truth) -> Boxes | None:
        """Return the boxes of an image, or None if the method does not accept boxes.

        Without ``boxes.csv`` and a detector, the result contains no box.
        """
        if "boxes" not in method.accepts:
            return None
        if truth.boxes is not None:
            return truth.boxes
        detector = method.detector()
        if detector is None:
            return Boxes.of([torch.zeros(0, 4)]).to(scene.lightness.device)
        with torch.inference_mode():
            return detector.find_boxes(scene.lightness)

    def _measure(self, entry: Entry, turn: Turn, truth: Truth, bleeding: Bleeding) -> None:
        """Compute the missing measures of the entry."""
        moments = entry.moments.setdefault(turn.count, {})
        features = entry.features.setdefault(turn.count, {})
        result = MeasuredImage(turn.result.rgb, turn.result.ab, truth, bleeding, turn.guidance)
        for measure in self.measures:
            keys = [output.key for output in measure.outputs]
            if all(key in moments or key in features for key in keys):
                continue
            with torch.inference_mode():
                values = measure.run(result)
            for key, value in zip(keys, values, strict=True):
                if measure.features:
                    features[key] = np.asarray(value, dtype=np.float32)
                else:
                    moments[key] = value
        entry.actual_interactions[turn.count] = turn.interactions


def thumbnail(rgb: Tensor) -> bytes:
    """Downscale RGB ``(1, 3, H, W)`` in [0, 1] and encode it as a JPEG."""
    levels = (rgb[0] * 255 + 0.5).byte().permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(levels)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def _make_user(choice: UserChoice | None) -> SimulatedUser | None:
    return None if choice is None else make_user(choice.name, **choice.options)
