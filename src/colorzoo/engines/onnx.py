"""Inference with ONNX Runtime and cached graphs.

A separate graph is exported for each combination of guidance tensors. The file name of a cached graph
contains a hash of weights, settings, guidance and versions. Each graph is compared with the model before it
is stored.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from colorzoo.engines.export import (
    TOLERANCE,
    Graph,
    Sample,
    fill_guidance,
    guidance_tensors,
    load_onnx,
    require_onnx,
    write_graph,
)
from colorzoo.engines.samples import sample_input
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction, Prediction, RgbPrediction
from colorzoo.registry import list_models, model_card
from colorzoo.weights.catalog import cache_home

_TRACED = (61, 91)  # odd, so that padding is in the graph
_CHECKED = ((64, 96), (37, 53))


class OnnxModel:
    """Model that runs with ONNX Runtime on the CPU.

    Args:
        model: Model in evaluation mode on the CPU.
        name: Registered name of the model, or name of its class.

    Raises:
        ColorzooError: The model cannot be exported, or a package is missing.
    """

    def __init__(self, model: ColoringModel, name: str) -> None:
        if name in list_models() and "export" in model_card(name).limits:
            raise ColorzooError(
                f"--engine must be torch for {name}, because this model cannot be exported to ONNX"
            )
        require_onnx()
        self._model, self._name = model, name
        self._digest = model.digest(torch.__version__).hex()
        self._graphs: dict[str, Graph] = {}
        self._failed: dict[str, str] = {}

    def __call__(self, lightness: Tensor, guidance: Guidance) -> Prediction:
        """Colorize a batch.

        Args:
            lightness: Network input, see `ColoringModel.forward`.
            guidance: Guidance of the batch.

        Raises:
            GuidanceError: A guidance setting that is not a tensor, such as ``Exemplar.alpha``, differs from
                its default.
            ColorzooError: The export failed, or the predictions of graph and model differ.
        """
        # remove guidance that the model ignores, so that it does not become an input of the graph
        removed = {kind: None for kind in guidance.kinds() if kind not in self._model.accepts}
        guidance = replace(guidance, **removed)
        # settings that are not tensors would become constants of the graph
        for name in guidance.kinds():
            hint = getattr(guidance, name)
            if isinstance(hint, Tensor):
                continue
            for field in fields(hint):
                value = getattr(hint, field.name)
                if not isinstance(value, Tensor) and value != field.default:
                    raise GuidanceError(
                        f"{name}.{field.name} must be {field.default} with --engine onnxruntime, got {value}"
                    )
        # the graph with inputs for this guidance; loaded or exported at its first use
        key = self.graph_key(guidance)
        if key in self._failed:
            raise ColorzooError(self._failed[key])
        if key not in self._graphs:
            self._graphs[key] = self._load_or_export(key, guidance)
        outputs = dict(self._graphs[key]([lightness, *guidance_tensors(guidance).values()]))
        if self._model.output_kind == "rgb":
            return RgbPrediction(rgb=outputs.pop("rgb"), extras=outputs)
        return AbPrediction(ab=outputs.pop("ab"), extras=outputs)

    def graph_key(self, given: Guidance) -> str:
        """Return the cache key of the graph that has the guidance tensors ``given`` as inputs.

        The key is a hash of the model and of all tensor shapes except batch size, height and width.
        """
        tensors = guidance_tensors(given).items()
        shapes = [(name, None if t.ndim == 4 else tuple(t.shape[1:])) for name, t in tensors]
        text = json.dumps([self._digest, *shapes])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def _load_or_export(self, key: str, guidance: Guidance) -> Graph:
        """Load the graph from the cache folder; export the graph if it is missing or damaged.

        Args:
            key: Cache key from `graph_key`.
            guidance: Guidance whose tensors are inputs of the graph.

        Raises:
            ColorzooError: The export failed, or the cache folder is not writable.
        """
        path = cache_home() / "graphs" / f"{self._name}-{key}.onnx"
        inputs = ["lightness", *guidance_tensors(guidance)]
        if path.is_file():
            # onnxruntime raises its own exception classes for a damaged file
            with suppress(Exception):
                return load_onnx(path, inputs)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent, prefix=f".{key}.") as folder:
                self._export(Path(folder) / path.name, guidance).replace(path)
        except ColorzooError as error:  # not tried again, because the export would fail for every image
            self._failed[key] = str(error)
            raise
        except OSError as error:
            raise ColorzooError(
                f"cannot write {path.parent} ({error.strerror}). Set COLORZOO_HOME to a writable folder."
            ) from error
        return load_onnx(path, inputs)

    def _export(self, path: Path, given: Guidance) -> Path:
        """Export a graph for the tensors of this guidance."""
        traced = self._sample(given, _TRACED, 2)
        others = [self._sample(given, size, 1) for size in _CHECKED]
        try:
            made = write_graph(self._model, traced, others, path, {"model": self._name})
        except ColorzooError as error:
            kinds = " and ".join(given.kinds()) or "no guidance"
            raise ColorzooError(f"--engine must be torch for {self._name} with {kinds}: {error}") from error
        if (difference := max(made.differences.values())) > TOLERANCE:
            raise ColorzooError(
                f"--engine must be torch for {self._name}, because the ONNX results differ from the torch "
                f"results by up to {difference:.1e} of the full scale"
            )
        return path

    def _sample(self, given: Guidance, size: tuple[int, int], batch: int) -> Sample:
        """Return random images of a size, with guidance of the same kinds as ``given``."""
        lightness = sample_input(self._model.input_kind, size, batch=batch).contiguous()
        tensors = []
        for name, tensor in guidance_tensors(given).items():
            shape = (size[0] + 8, size[1] - 4) if name.startswith("exemplar") else size
            one = tensor[:1]
            if tensor.ndim == 4:  # resize with nearest-neighbor interpolation, which supports any dtype
                pairs = zip(shape, tensor.shape[-2:], strict=True)
                rows, columns = (torch.arange(new) * old // new for new, old in pairs)
                one = one[..., rows[:, None], columns]
            tensors.append(one.repeat(batch, *[1] * (one.ndim - 1)).contiguous())
        return lightness, fill_guidance(given, tensors)
