"""Evaluation of single images with all methods and cached results."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from colorzoo.abilities import DetectionModel
from colorzoo.errors import ImageError
from colorzoo.evaluation.cache import REFERENCE, TRUE_IMAGE, Cache, Entry
from colorzoo.evaluation.images import Item, Truth, read_truth
from colorzoo.evaluation.measures import Bleeding, MeasuredImage
from colorzoo.evaluation.methods import Method, proposer_of
from colorzoo.evaluation.protocol import Protocol
from colorzoo.evaluation.summary import EvaluationSetup
from colorzoo.guidance import Boxes, Guidance, guidance_kind
from colorzoo.model import ColoringModel
from colorzoo.simulation import SessionResult, TargetImage, Turn, play
from colorzoo.simulation.session import merged

THUMBNAIL = 128  # pixels of the longer side


def evaluate_item(
    setup: EvaluationSetup, methods: Sequence[Method], item: Item, cache: Cache, device: torch.device
) -> None:
    """Evaluate an image with several methods and cache the results; skip methods with cached values.

    Args:
        setup: Setup of the evaluation.
        methods: Methods of the setup, or these methods and the ground truth.
        item: The image.
        cache: Cache of the measured values.
        device: Device of the image.
    """
    keys = [output.key for output in setup.outputs]
    entries = [(method, cache.read(method.key, item.key)) for method in methods]
    missing = [(method, entry) for method, entry in entries if entry.lacks(_counts_of(setup, method), keys)]
    if not missing:
        return
    try:
        truth = read_truth(item, setup.protocol, device)
    except ImageError as error:
        for method, _ in missing:
            cache.write(method.key, item.key, Entry(skipped=str(error)))
        return
    for method, entry in missing:
        try:
            measure_method(setup, method, item, truth, entry)
        except ImageError as error:
            entry = Entry(skipped=str(error))
        cache.write(method.key, item.key, entry)


def measure_method(setup: EvaluationSetup, method: Method, item: Item, truth: Truth, entry: Entry) -> None:
    """Colorize an image with one method and store the measured values and thumbnails in ``entry``."""
    entry.gray, entry.skipped = truth.is_gray, ""
    counts = _counts_of(setup, method)
    turns = colorize_with_protocol(setup.protocol, method, item, truth, sorted({0, *counts}))
    bleeding = Bleeding(turns[0].result, truth)  # the result without interactions
    for turn in turns:
        if turn.count in counts:
            result = MeasuredImage(turn.result.rgb, turn.result.ab, truth, bleeding, turn.guidance)
            entry.actual_interactions[turn.count] = turn.interactions
            moments = entry.moments.setdefault(turn.count, {})
            features = entry.features.setdefault(turn.count, {})
            for measure in setup.measures:
                keys = [output.key for output in measure.outputs]
                if all(key in moments or key in features for key in keys):
                    continue  # the cache contains the values
                with torch.inference_mode():
                    values = measure.run(result)
                for key, value in zip(keys, values, strict=True):
                    (features if measure.features else moments)[key] = value
    entry.thumbnails[counts[-1]] = thumbnail(turns[-1].result.rgb)
    entry.thumbnails[TRUE_IMAGE] = thumbnail(truth.rgb)
    if truth.reference is not None:
        entry.thumbnails[REFERENCE] = thumbnail(truth.reference)


def _counts_of(setup: EvaluationSetup, method: Method) -> tuple[int, ...]:
    """Return the numbers of interactions after which results of a method are measured."""
    return setup.counts.get(method.name, (0,))  # the ground truth need not be a row of the report


def is_guided(method: Method, protocol: Protocol) -> bool:
    """Return whether a method accepts the guidance of the protocol's simulated user."""
    return protocol.user is not None and protocol.user.kind in method.accepts


def colorize_with_protocol(
    protocol: Protocol, method: Method, item: Item, truth: Truth, counts: Sequence[int]
) -> list[Turn]:
    """Colorize an image with the guidance of a protocol: labels, boxes, text, references and simulated hints.

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
    color = method.color_function(item, truth)
    model = method.model
    if model is None:
        return list(play(color, None, truth.gray_scene, counts))
    scene = truth.sketch_scene if model.input_kind == "sketch" else truth.gray_scene
    # guidance before the first interaction: label, boxes and `Protocol.background`
    label = None
    if truth.label is not None and "label" in model.accepts:
        label = torch.tensor([truth.label], device=scene.lightness.device)
    background = Guidance(boxes=_boxes(model, scene, truth), label=label)
    height, width = scene.lightness.shape[2:]
    for kind, value in truth.hints.items():
        if kind in model.accepts:
            tensors = guidance_kind(kind).tensors(value, scene.lightness, (width, height))
            background = background.with_hints(**{kind: tensors.to(scene.lightness.device)})
    background_user = protocol.background
    if background_user is not None and background_user.kind in model.accepts:
        nothing = SessionResult(scene.rgb, scene.ab)  # users of `Protocol.background` do not use results
        give_input = background_user.begin(scene, nothing, proposer_of(model))
        background = merged(background, give_input(protocol.background_count, nothing).guidance)
    user = protocol.user if is_guided(method, protocol) else None
    proposer = None if user is None else proposer_of(model)
    return list(play(color, user, scene, counts, model=proposer, background=background))


def _boxes(model: ColoringModel, scene: TargetImage, truth: Truth) -> Boxes | None:
    """Return the boxes of an image, or None if the model does not accept boxes.

    Without ``boxes.csv`` and a detector, the result contains no box.
    """
    if "boxes" not in model.accepts:
        return None
    if truth.boxes is not None:
        return truth.boxes
    if not (isinstance(model, DetectionModel) and model.detects):
        return Boxes.of([torch.zeros(0, 4)]).to(scene.lightness.device)
    with torch.inference_mode():
        return model.find_boxes(scene.lightness)


def thumbnail(rgb: Tensor) -> str:
    """Downscale RGB ``(1, 3, H, W)`` in [0, 1] and return the ``data:`` URL of a JPEG."""
    image = eight_bit_image(rgb)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    stream = io.BytesIO()
    image.save(stream, "JPEG")
    return "data:image/jpeg;base64," + b64encode(stream.getvalue()).decode("ascii")


def eight_bit_image(rgb: Tensor) -> Image.Image:
    """Round RGB ``(1, 3, H, W)`` in [0, 1] to 8 bits."""
    return Image.fromarray((rgb[0] * 255 + 0.5).byte().permute(1, 2, 0).cpu().numpy())
