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
from colorzoo.evaluation.methods import Method, proposer_of
from colorzoo.evaluation.protocol import Protocol
from colorzoo.guidance import Boxes, Guidance
from colorzoo.model import ColoringModel
from colorzoo.simulation import SessionResult, TargetImage, Turn, play
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
        """Return the numbers of interactions after which results of a method are measured."""
        return self.counts if is_guided(method, self.protocol) else (0,)

    def color_item(self, method: Method, item: Item, truth: Truth, entry: Entry) -> None:
        """Colorize an image with one method and store the results in ``entry``."""
        entry.gray = truth.is_gray
        counts = self.counts_of(method)
        turns = colorize_with_protocol(self.protocol, method, item, truth, sorted({0, *counts}))
        bleeding = Bleeding(turns[0].result, truth)  # the result without interactions
        for turn in turns:
            if turn.count in counts:
                self._measure(entry, turn, truth, bleeding)
        entry.thumbnails[counts[-1]] = thumbnail(turns[-1].result.rgb)
        entry.thumbnails[TRUE_IMAGE] = thumbnail(truth.rgb)
        if truth.reference is not None:
            entry.thumbnails[REFERENCE] = thumbnail(truth.reference)

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


def is_guided(method: Method, protocol: Protocol) -> bool:
    """Return whether a method accepts the guidance of the protocol's simulated user."""
    return protocol.user is not None and protocol.user.kind in method.accepts


def colorize_with_protocol(
    protocol: Protocol, method: Method, item: Item, truth: Truth, counts: Sequence[int]
) -> list[Turn]:
    """Colorize an image with the guidance of a protocol: labels, boxes, references and simulated hints.

    Args:
        protocol: Evaluation protocol.
        method: Method that colorizes the image.
        item: The image.
        truth: Ground truth of the image.
        counts: Numbers of interactions, ascending.

    Returns:
        A result for each number of interactions. All results are equal if the method does not accept the
        guidance of the simulated user.
    """
    model = method.model
    scene = truth.sketch_scene if model is not None and model.input_kind == "sketch" else truth.gray_scene
    user, proposer = None, None
    if model is not None and is_guided(method, protocol):
        user, proposer = protocol.user, proposer_of(model)
    background = _background_guidance(protocol, model, scene, truth)
    color = method.color_function(item, truth)
    return list(play(color, user, scene, counts, model=proposer, background=background))


def _background_guidance(
    protocol: Protocol, model: ColoringModel | None, scene: TargetImage, truth: Truth
) -> Guidance:
    """Return the guidance before the first interaction: label, boxes and `Protocol.background`."""
    if model is None:
        return Guidance()
    label = None
    if truth.label is not None and "label" in model.accepts:
        label = torch.tensor([truth.label], device=scene.lightness.device)
    guidance = Guidance(boxes=_boxes(model, scene, truth), label=label)
    user = protocol.background
    if user is None or user.kind not in model.accepts:
        return guidance
    nothing = SessionResult(scene.rgb, scene.ab)  # `Protocol.background` users do not use results
    give_input = user.begin(scene, nothing, proposer_of(model))
    return merged(guidance, give_input(protocol.background_count, nothing).guidance)


def _boxes(model: ColoringModel, scene: TargetImage, truth: Truth) -> Boxes | None:
    """Return the boxes of an image, or None if the model does not accept boxes.

    Without ``boxes.csv`` and a detector, the result contains no box.
    """
    if "boxes" not in model.accepts:
        return None
    if truth.boxes is not None:
        return truth.boxes
    if not model.detects:
        return Boxes.of([torch.zeros(0, 4)]).to(scene.lightness.device)
    with torch.inference_mode():
        return model.find_boxes(scene.lightness)


def thumbnail(rgb: Tensor) -> bytes:
    """Downscale RGB ``(1, 3, H, W)`` in [0, 1] and encode it as a JPEG."""
    image = eight_bit_image(rgb)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return stream.getvalue()


def eight_bit_image(rgb: Tensor) -> Image.Image:
    """Round RGB ``(1, 3, H, W)`` in [0, 1] to 8 bits."""
    return Image.fromarray((rgb[0] * 255 + 0.5).byte().permute(1, 2, 0).cpu().numpy())
