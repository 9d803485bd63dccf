"""The network of a model, run as fast as its device allows."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from colorzoo.capabilities import ComparesPlaces
from colorzoo.engines.device import Engine, Precision, choose_dtype
from colorzoo.engines.fast import fast_module
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Guidance
from colorzoo.inference.incremental import IncrementalModel
from colorzoo.model import ColoringModel
from colorzoo.prediction import Prediction

if TYPE_CHECKING:
    from colorzoo.engines.onnx import OnnxModel


class NetworkRunner:
    """A model on its device, for one call at a time from any thread.

    If the memory of the device is too small, the model goes on on the CPU.

    Attributes:
        device: Device of the model.
        notes: Remarks for the user.
        lock: Held by each call, and by whoever calls the model otherwise.

    Args:
        model: The model, which is moved to the device.
        name: Its name for errors.
        device: The device.
        precision: See `Colorizer`.
        engine: See `Colorizer`.
    """

    def __init__(
        self, model: ColoringModel, name: str, device: torch.device, precision: Precision, engine: Engine
    ) -> None:
        self._model, self._name, self._precision = model.to(device).eval(), name, precision
        self._graph = _graph_of(model, name, precision) if engine == "onnxruntime" else None
        self._fast: ColoringModel | None = None
        self._incremental = IncrementalModel()
        self.device = device
        self.notes: tuple[str, ...] = ()
        self.lock = threading.Lock()

    def forget(self) -> None:
        """Drop what is kept of earlier pictures."""
        with self.lock:
            self._incremental = IncrementalModel()

    def predict(self, network_input: Tensor, guidance: Guidance) -> Prediction:
        """Run the model.

        Args:
            network_input: ``(B, 1, h, w)`` lightness or sketch.
            guidance: Guidance of the same size.

        Returns:
            The prediction: its colors in float32 on the CPU, its extras on the device.

        Raises:
            ColorzooError: The prediction is not finite, in float32 either.
        """
        with self.lock:
            try:
                return self._predict_finite(network_input, guidance)
            except RuntimeError as error:  # MPS has no error class of its own for this
                out_of_memory = isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error)
                if not out_of_memory or self.device.type == "cpu":
                    raise
            # outside the handler, whose traceback would keep the tensors on the device alive
            self.notes = (f"{self.device.type} ran out of memory; colored on the CPU",)
            self.device = torch.device("cpu")
            self._model.to(self.device)
            self._incremental = IncrementalModel()  # its maps lie on the full device
            return self._predict_finite(network_input, guidance)

    def likeness(self, lightness: Tensor, mask: Tensor) -> Tensor:
        """Return `ComparesPlaces.likeness` of a model that has it, in float32 on the CPU."""
        dtype = choose_dtype(self._precision, self.device)
        with self.lock, self._at_precision(dtype):
            model = self._model_for(dtype)
            assert isinstance(model, ComparesPlaces)
            found = self._incremental.likeness(model, lightness.to(self.device), mask.to(self.device))
            return found.float().cpu()

    def _predict_finite(self, network_input: Tensor, guidance: Guidance) -> Prediction:
        """Run the model; repeat in float32 if the prediction of a lower precision is not finite."""
        preferred = choose_dtype(self._precision, self.device)
        network_input, guidance = network_input.to(self.device), guidance.to(self.device)
        for dtype in dict.fromkeys((preferred, torch.float32)):
            with self._at_precision(dtype):
                if self._graph is None:
                    prediction = self._incremental.predict(self._model_for(dtype), network_input, guidance)
                else:
                    prediction = self._graph(network_input, guidance)
            if torch.isfinite(prediction.colors).all():
                return prediction.with_colors(prediction.colors.float().cpu())
        raise ColorzooError(
            f"{self._name} predicted values that are not finite, in float32 too; check its weights."
        )

    @contextmanager
    def _at_precision(self, dtype: torch.dtype) -> Iterator[None]:
        low = torch.autocast(self.device.type, dtype) if dtype != torch.float32 else nullcontext()
        with torch.inference_mode(), low:
            yield

    def _model_for(self, dtype: torch.dtype) -> ColoringModel:
        """Return the model, or on a CPU its faster copy, which is made on first use."""
        if self.device.type != "cpu" or dtype != choose_dtype(self._precision, self.device):
            return self._model  # also where the copy's precision was too low
        if self._fast is None:
            self._fast = fast_module(self._model, dtype)
        return self._fast


def _graph_of(model: ColoringModel, name: str, precision: Precision) -> OnnxModel:
    if precision == "int8":
        from colorzoo.engines.int8 import Int8Model

        return Int8Model(model, name)
    from colorzoo.engines.onnx import OnnxModel

    return OnnxModel(model, name)
