"""Execution of a model on its device, and conversion of guidance for the model.

Functions with the argument ``network`` run the model. The other functions convert guidance to tensors at the
size of the network input.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]
from torch.nn import functional as F

from colorzoo.engines.device import choose_dtype
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import (
    Boxes,
    Exemplar,
    GlobalStatistics,
    Guidance,
    Points,
    Regions,
    Scribbles,
    Stroke,
)
from colorzoo.guidance.hints import rasterize_scribbles
from colorzoo.guidance.objects import StatisticsHint
from colorzoo.inference.steps.reach import PointPatches
from colorzoo.model import ColoringModel, check_input
from colorzoo.prediction import Prediction
from colorzoo.settings import Engine, Precision

if TYPE_CHECKING:
    from colorzoo.engines.onnx import OnnxModel

T = TypeVar("T", Tensor, Prediction)
H = TypeVar("H", Tensor, Guidance)
States = dict[torch.dtype, dict[str, Any]]
"""Intermediate results of one image by numeric precision; see `ColoringModel.edit`."""


class NetworkRunner:
    """Thread-safe wrapper that runs a model on a device.

    Attributes:
        model: The model.
        name: Name of the model in messages.
        is_sketch: Whether the model colorizes sketches and predicts the lightness.
        graph: ONNX graph that replaces the model in predictions; None for the engine ``"torch"``.
        device: Device of the model.
        dtype: Preferred numeric precision; predictions that are not finite are repeated in float32.

    Args:
        model: The model, which is moved to the device.
        name: Name of the model in messages.
        device: Device on which to run the model.
        precision: Numeric precision; ``"auto"`` selects bfloat16 if the hardware supports it.
        engine: ``"torch"`` or ``"onnxruntime"``.
    """

    def __init__(
        self, model: ColoringModel, name: str, device: torch.device, precision: Precision, engine: Engine
    ) -> None:
        self.model, self.name = model.to(device).eval(), name
        self.is_sketch = model.input_kind == "sketch"
        self.graph = _graph_of(model, name) if engine == "onnxruntime" else None
        self._lock = threading.Lock()
        self.device = device
        self.dtype = choose_dtype(precision, device)

    @contextmanager
    def session(self, dtype: torch.dtype = torch.float32) -> Iterator[Any]:
        """Lock the model and yield it in inference mode.

        Args:
            dtype: Numeric precision; a precision other than float32 enables autocast.
        """
        low = torch.autocast(self.device.type, dtype) if dtype != torch.float32 else nullcontext()
        with self._lock, torch.inference_mode(), low:
            yield self.model

    def run_method(
        self, method: Callable[[Tensor, H, dict[str, Any]], T], image: Tensor, hints: H, states: States
    ) -> T:
        """Run a method in the preferred precision, and again in float32 if the result is not finite.

        Args:
            method: Method of the model to run: `ColoringModel.edit` or `ColoringModel.similarity`.
            image: Network input ``(B, 1, h, w)``, first argument of the method.
            hints: Second argument of the method.
            states: Results of earlier edits of the image by precision, updated in place.

        Returns:
            Result of the method. Its values (`Prediction.colors` of a prediction) are float32 on the CPU.

        Raises:
            ColorzooError: The result is not finite in float32, or the device has too little memory.
        """
        try:
            for dtype in dict.fromkeys((self.dtype, torch.float32)):
                state = states.setdefault(dtype, {})
                # a system of equations with NaN cannot be solved
                with suppress(LinAlgError), self.session(dtype):
                    found = method(image.to(self.device), hints.to(self.device), state)
                    values = (found.colors if isinstance(found, Prediction) else found).float().cpu()
                    if torch.isfinite(values).all():
                        return found.with_colors(values) if isinstance(found, Prediction) else values
        except RuntimeError as error:  # on MPS, exhausted memory raises a plain RuntimeError
            if not isinstance(error, torch.OutOfMemoryError) and "out of memory" not in str(error):
                raise
            raise ColorzooError(
                f"{self.device.type} ran out of memory. Set a smaller --size, or set --device cpu."
            ) from error
        raise ColorzooError(f"{self.name} predicted NaN or inf in float32. Set --weights to other weights.")


def _graph_of(model: ColoringModel, name: str) -> OnnxModel:
    from colorzoo.engines.onnx import OnnxModel

    return OnnxModel(model, name)


Size = tuple[int, int]


def draw_strokes(lightness: Tensor, *, strokes: tuple[Stroke, ...], image_size: Size) -> Scribbles | None:
    """Rasterize the strokes of a recipe at the size of a lightness map ``(1, 1, h, w)``.

    The strokes are in pixels of an image of ``image_size`` (width, height).
    """
    size = int(lightness.shape[2]), int(lightness.shape[3])
    return rasterize_scribbles(strokes, *image_size, size)


def set_statistics(*, wanted: StatisticsHint) -> GlobalStatistics:
    """Convert the color statistics of a recipe to tensors.

    Raises:
        GuidanceError: All weights of the histogram are 0.
    """
    saturation = wanted.saturation
    histogram = None if wanted.histogram is None else torch.tensor(wanted.histogram)[None]
    if histogram is not None:
        if not histogram.sum() > 0:
            raise GuidanceError("recipe.statistics.histogram must have a weight above 0")
        histogram = histogram / histogram.sum()
    return GlobalStatistics(histogram, None if saturation is None else torch.tensor([[saturation]]))


def resize_points(points: Points, *, size: Size) -> Points:
    """Downscale point maps to the size ``(h, w)`` of the network input.

    Each output pixel gets the mean color of the hinted pixels that it covers.
    """
    if tuple(points.mask.shape[-2:]) == size:
        return points
    share = F.interpolate(points.mask, size=size, mode="area")
    mask = (share > 0).to(points.mask.dtype)

    def mean(values: Tensor) -> Tensor:
        sums = F.interpolate(values * points.mask, size=size, mode="area")
        return sums / share.clamp(min=1e-6) * mask

    lightness = None if points.lightness is None else mean(points.lightness)
    exact = None if points.exact is None else (mean(points.exact) > 0.5).to(mask.dtype)
    return Points(mean(points.ab), mask, lightness, exact)


def resize_maps(guidance: Guidance, *, size: Size) -> Guidance:
    """Resize scribbles, regions and classes to the size ``(h, w)`` of the network input.

    Points are resized by `resize_points`.
    """

    def labels(values: Tensor) -> Tensor:
        return F.interpolate(values.double(), size=size, mode="nearest-exact").to(values.dtype)

    scribbles, regions, classes = guidance.scribbles, guidance.regions, guidance.classes
    if scribbles is not None and tuple(scribbles.mask.shape[-2:]) != size:
        share = F.interpolate(scribbles.mask, size=size, mode="area")
        scribbles = Scribbles((share > 0).to(share.dtype))
    if regions is not None and tuple(regions.index.shape[-2:]) != size:
        segments = None if regions.segments is None else labels(regions.segments)
        regions = replace(regions, index=labels(regions.index), segments=segments)
    if classes is not None and tuple(classes.target.shape[-2:]) != size:
        classes = replace(classes, target=labels(classes.target))
    return replace(guidance, scribbles=scribbles, regions=regions, classes=classes)


def run_network(image: Tensor, guidance: Guidance, states: States, *, network: NetworkRunner) -> Prediction:
    """Run the model or its ONNX graph and return the prediction; reuse results of earlier edits.

    Args:
        image: ``(B, 1, h, w)`` lightness or sketch.
        guidance: Guidance with maps of size ``(h, w)``.
        states: Results of earlier edits of the image, updated in place.
        network: Runner of the model.

    Returns:
        The prediction. `Prediction.colors` is float32 on the CPU; `Prediction.extras` are on the device of
        the model.

    Raises:
        ColorzooError: The prediction is not finite in float32, or the device has too little memory.
    """
    check_input(network.model, image, guidance)  # some models are not run by a call
    method = network.model.edit if network.graph is None else network.graph
    return network.run_method(method, image, guidance, states)


def compute_similarity(
    lightness: Tensor, states: States, *, network: NetworkRunner, patches: PointPatches
) -> Tensor:
    """Compute the similarity ``(1, 1, h, w)`` in [0, 1] of each location to the points.

    Args:
        lightness: ``(1, 1, h, w)`` in [0, 100].
        states: Results of earlier edits of the image, updated in place.
        network: Runner of the model.
        patches: Squares of the points.
    """
    mask = patches.mask((int(lightness.shape[2]), int(lightness.shape[3])))
    return network.run_method(network.model.similarity, lightness, mask, states)


def find_objects(lightness: Tensor, *, network: NetworkRunner) -> Boxes:
    """Detect the bounding boxes of objects in a lightness map ``(1, 1, h, w)``.

    Raises:
        GuidanceError: The model has no detector.
    """
    with network.session() as model:
        found: Boxes = model.find_boxes(lightness.to(model.device)).to("cpu")
    return found


def embed_exemplar(exemplar: Exemplar, *, network: NetworkRunner) -> Exemplar:
    """Encode a reference image; return the exemplar with its embedding."""
    with network.session() as model:
        embedding = model.encode_reference(exemplar.rgb.to(model.device))
    return replace(exemplar, embedding=embedding.float().cpu())


def propose_regions(sketch: Tensor, *, network: NetworkRunner) -> Regions:
    """Run a model and return the regions that it proposes for a sketch ``(1, 1, h, w)``."""
    with network.session() as model:
        found: Regions = model.propose(sketch.to(model.device)).to("cpu")
    return found
