"""Selection of the device and the precision, and execution of a model on the device."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import torch
from torch import Tensor
from torch.linalg import LinAlgError  # type: ignore[attr-defined]

from colorzoo.abilities import EncodingModel, MatchingModel, SimilarityModel, VideoModel
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Boxes, Exemplar, Guidance, Regions
from colorzoo.inference.full_size import map_size
from colorzoo.inference.steps.reach import PointPatches
from colorzoo.model import ColoringModel, check_input
from colorzoo.prediction import Prediction
from colorzoo.settings import Engine, Precision

if TYPE_CHECKING:
    from colorzoo.engines.onnx import OnnxModel

T = TypeVar("T", Tensor, Prediction)


class States(dict[torch.dtype, Any]):
    """Encodings of one image by numeric precision; see `EncodingModel.encode_image`.

    The encoding of a model without this ability is None. If the key float32 is present although another
    precision is preferred, a prediction in the preferred precision was not finite.
    """


def choose_device(name: str) -> torch.device:
    """Return a device by name; ``"auto"`` selects CUDA if available, else MPS, else the CPU.

    Examples:
        >>> choose_device("cpu")
        device(type='cpu')

    Raises:
        ColorzooError: The device is not available.
    """
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(0, device=device)  # raises if the device is not available
    except (RuntimeError, AssertionError) as error:
        raise ColorzooError(
            f"device must be auto or a device of this machine (cpu, and cuda or mps if present), got {name!r}"
        ) from error
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """Return the torch dtype for a precision name.

    The name ``"auto"`` selects bfloat16 if the device has bfloat16 instructions, otherwise float32.

    Raises:
        ColorzooError: The name is unknown.
    """
    if precision not in get_args(Precision):
        raise ColorzooError(f"precision must be one of {', '.join(get_args(Precision))}, got {precision!r}")
    if precision != "auto":
        return torch.bfloat16 if precision == "bfloat16" else torch.float32
    fast = False
    if device.type == "cuda":
        fast = bool(torch.cuda.is_bf16_supported(including_emulation=False))
    elif device.type == "cpu":
        fast = bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return torch.bfloat16 if fast else torch.float32


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
        self.graph: OnnxModel | None = None
        if engine == "onnxruntime":
            from colorzoo.engines.onnx import OnnxModel  # requires the extra `export`

            self.graph = OnnxModel(model, name)
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

    def run_network(self, image: Tensor, guidance: Guidance, states: States) -> Prediction:
        """Run the model or its ONNX graph and return the prediction; reuse encodings of the image.

        Args:
            image: ``(B, 1, h, w)`` lightness or sketch.
            guidance: Guidance with maps of size ``(h, w)``.
            states: Encodings of the image, updated in place.

        Returns:
            The prediction. `Prediction.colors` is float32 on the CPU; `Prediction.extras` are on the device
            of the model.

        Raises:
            ColorzooError: The prediction is not finite in float32, a system of equations has no solution, or
                the device has too little memory.
        """
        check_input(self.model, image, guidance)  # some models are not run by a call

        def predict(encoded: Any) -> tuple[Any, Prediction]:
            inputs = image.to(self.device), guidance.to(self.device)
            if self.graph is not None:
                return None, self.graph(*inputs)
            if not isinstance(self.model, EncodingModel):
                return None, self.model(*inputs)
            encoded = self.model.encode_image(*inputs, encoded)
            return encoded, self.model.decode_image(*inputs, encoded)

        return self._run_finite(predict, states)

    def compute_similarity(self, lightness: Tensor, patches: PointPatches, states: States) -> Tensor:
        """Compute the similarity ``(1, 1, h, w)`` in [0, 1] of each location to points.

        Args:
            lightness: ``(1, 1, h, w)`` in [0, 100].
            patches: Squares of the points.
            states: Encodings of the image, updated in place.
        """
        model = self.model
        assert isinstance(model, SimilarityModel), "callers test the ability"
        is_covered = torch.from_numpy(patches.numbers(map_size(lightness)) >= 0)
        mask = is_covered[None, None].float()

        def compare(encoded: Any) -> tuple[Any, Tensor]:
            if encoded is None:
                encoded = model.encode_image(lightness.to(self.device), Guidance())
            return encoded, model.similarity(encoded, mask.to(self.device))

        return self._run_finite(compare, states)

    def compute_match_features(self, lightness: Tensor, states: States) -> Tensor:
        """Compute the features ``(B, C, h, w)`` that match video frames; see `MatchingModel.match_features`.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            states: Encodings of the image.
        """
        model = self.model
        assert isinstance(model, MatchingModel), "callers test the ability"

        def match(encoded: Any) -> tuple[Any, Tensor]:
            return encoded, model.match_features(lightness.to(self.device), encoded)

        return self._run_finite(match, states)

    def color_frames(self, frame: Tensor, exemplar: Exemplar, previous: Tensor | None) -> Tensor:
        """Return the ab ``(1, 2, h, w)`` of a video frame; see `VideoModel.color_frames`.

        Args:
            frame: ``(1, 1, h, w)`` in [0, 100].
            exemplar: Reference image.
            previous: Lab ``(1, 3, h, w)`` of the previous frame; None for the first frame.
        """
        model = self.model
        assert isinstance(model, VideoModel), "callers test the ability"
        before = None if previous is None else previous.to(self.device)

        def color(_: Any) -> tuple[Any, Tensor]:
            return None, model.color_frames(frame.to(self.device), exemplar.to(self.device), before)

        return self._run_finite(color, States())

    def find_objects(self, lightness: Tensor) -> Boxes:
        """Detect the bounding boxes of objects in a lightness map ``(1, 1, h, w)``.

        Raises:
            GuidanceError: The model has no detector.
        """
        with self.session() as model:
            found: Boxes = model.find_boxes(lightness.to(self.device)).to("cpu")
        return found

    def embed_exemplar(self, exemplar: Exemplar) -> Exemplar:
        """Encode a reference image; return the exemplar with its embedding."""
        with self.session() as model:
            embedding = model.encode_reference(exemplar.rgb.to(self.device))
        return replace(exemplar, embedding=embedding.float().cpu())

    def propose_regions(self, sketch: Tensor) -> Regions:
        """Return the regions that the model proposes for a sketch ``(1, 1, h, w)``."""
        with self.session() as model:
            found: Regions = model.propose(sketch.to(self.device)).to("cpu")
        return found

    def _run_finite(self, compute: Callable[[Any], tuple[Any, T]], states: States) -> T:
        """Run a model in the preferred precision, and again in float32 if the result is not finite.

        Later results for the image are then computed only in float32.

        Args:
            compute: Function that computes the new encoding and the result from the encoding in ``states``,
                which is None at first.
            states: Encodings of the image, updated in place.

        Returns:
            The result. Its values (`Prediction.colors` of a prediction) are float32 on the CPU.

        Raises:
            ColorzooError: The result is not finite in float32, a system of equations has no solution, or the
                device has too little memory.
        """
        has_fallen_back = torch.float32 in states  # an earlier result was not finite
        for dtype in (torch.float32,) if has_fallen_back else dict.fromkeys((self.dtype, torch.float32)):
            try:
                with self.session(dtype):
                    states[dtype], result = compute(states.get(dtype))
                    values = (result.colors if isinstance(result, Prediction) else result).float().cpu()
            except LinAlgError as error:  # a system of equations with NaN
                if dtype == torch.float32:
                    raise ColorzooError(
                        f"{self.name} cannot solve a system of equations in float32 ({error}). "
                        "Change the guidance, or set --weights to other weights."
                    ) from error
            except RuntimeError as error:
                # on MPS, exhausted memory raises a plain RuntimeError
                is_out_of_memory = isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)
                if not is_out_of_memory:
                    raise
                raise ColorzooError(
                    f"{self.device.type} ran out of memory. Set a smaller --size, or set --device cpu."
                ) from error
            else:
                if torch.isfinite(values).all():
                    return result.with_colors(values) if isinstance(result, Prediction) else values
            if dtype != torch.float32:
                states.pop(dtype, None)
        raise ColorzooError(f"{self.name} predicted NaN or inf in float32. Set --weights to other weights.")
