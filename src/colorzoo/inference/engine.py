"""A model run by ONNX Runtime in place of torch, from graphs that are made once and kept.

A graph takes one set of guidance tensors, so each set that comes up gets its own: nothing that is given
is lost, and what is not given costs nothing. Graphs lie below the user's cache under a hash of all that
decides them: weights, settings, guidance, versions. Each is compared with the model before it is kept.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, get_args

import torch
from torch import Tensor

from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.guidance import Guidance
from colorzoo.inference.device import Precision
from colorzoo.inference.digest import model_digest
from colorzoo.inference.export import (
    TOLERANCE,
    Graph,
    Sample,
    fill_guidance,
    guidance_tensors,
    load_onnx,
    require_onnx,
    tensor_names,
    write_graph,
)
from colorzoo.registry import list_models, model_card
from colorzoo.tasks import AbPrediction, ColoringModel, Prediction, RgbPrediction
from colorzoo.weights.catalog import cache_home

Engine = Literal["torch", "onnxruntime"]
ENGINES: tuple[Engine, ...] = get_args(Engine)
_TRACED = (61, 91)  # odd, so that padding is in the graph
_CHECKED = ((64, 96), (37, 53))


def require_cpu(device: str, precision: Precision) -> Precision:
    """Return the precision of ONNX Runtime, which is used on the CPU in float32 or int8.

    Raises:
        ColorzooError: Others were asked for.
    """
    if device not in ("auto", "cpu") or precision == "bfloat16":
        raise ColorzooError(
            "the engine onnxruntime runs on the CPU in float32 or int8; leave out other devices and "
            "precisions."
        )
    return "int8" if precision == "int8" else "float32"


class OnnxModel:
    """Answers as the model does, by ONNX Runtime on the CPU.

    Args:
        model: In evaluation mode, on the CPU.
        name: Registered name, or that of the class.

    Raises:
        ColorzooError: No graph can be made of the model, or a package is missing.
    """

    def __init__(self, model: ColoringModel, name: str) -> None:
        if name in list_models() and "export" in model_card(name).limits:
            raise ColorzooError(
                f"{name} runs on torch only: no graph can be made of it; leave out the engine onnxruntime."
            )
        require_onnx()
        self._model, self._name = model, name
        self._digest = model_digest(model, torch.__version__).hex()
        self._graphs: dict[str, Graph] = {}
        self._failed: dict[str, str] = {}

    def __call__(self, luma: Tensor, guidance: Guidance) -> Prediction:
        """Color a batch.

        Raises:
            GuidanceError: A setting of the guidance that is no tensor, which a graph cannot take.
            ColorzooError: No graph can be made, or it answers otherwise than the model.
        """
        unused = [kind for kind in guidance.kinds() if kind not in self._model.accepts]
        given = replace(guidance, **dict.fromkeys(unused))
        _refuse_settings(given)
        key = self._key(given)
        if key in self._failed:
            raise ColorzooError(self._failed[key])
        if key not in self._graphs:
            self._graphs[key] = self._graph(key, given)
        found = dict(self._graphs[key]([luma, *guidance_tensors(given)]))
        if self._model.output_kind == "rgb":
            return RgbPrediction(rgb=found.pop("rgb"), extras=found)
        return AbPrediction(ab=found.pop("ab"), extras=found)

    def _key(self, given: Guidance) -> str:
        """Return a name of the graph that takes this guidance: maps may have any size, nothing else may."""
        names = tensor_names(given)
        shapes = [None if t.ndim == 4 else tuple(t.shape[1:]) for t in guidance_tensors(given)]
        text = json.dumps([self._digest, *zip(names, shapes, strict=True)])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def _graph(self, key: str, given: Guidance) -> Graph:
        """Open a kept graph; make it where there is none, or none that can be read."""
        path = cache_home() / "graphs" / f"{self._name}-{key}.onnx"
        inputs = ["luma", *tensor_names(given)]
        if path.is_file():
            # onnxruntime raises classes of its own; a damaged graph is made anew
            with suppress(Exception):
                return load_onnx(path, inputs)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=path.parent, prefix=f".{key}.") as folder:
                self._make(Path(folder) / path.name, given).replace(path)
        except ColorzooError as error:  # no other picture with such guidance would fare better
            self._failed[key] = str(error)
            raise
        except OSError as error:
            raise ColorzooError(
                f"{path.parent}: the graph cannot be kept there ({error.strerror}); COLORZOO_HOME names "
                "another folder"
            ) from error
        return load_onnx(path, inputs)

    def _make(self, path: Path, given: Guidance) -> Path:
        """Write the graph that takes this guidance; see `__call__`."""
        traced = self._sample(given, _TRACED, 2)
        others = [self._sample(given, size, 1) for size in _CHECKED]
        try:
            made = write_graph(self._model, traced, others, path, {"model": self._name})
        except OSError:
            raise
        except Exception as error:  # torch and onnxscript raise many classes for what they do not know
            given_kinds = " and ".join(given.kinds()) or "no guidance"
            raise ColorzooError(
                f"{self._name} with {given_kinds} runs on torch only: no graph could be made of it "
                f"({str(error).strip().splitlines()[0][:200]}); leave out the engine onnxruntime."
            ) from error
        if (apart := max(made.differences.values())) > TOLERANCE:
            raise ColorzooError(
                f"{self._name} runs on torch only: its graph answers otherwise, by {apart:.1e} of the full "
                "scale; leave out the engine onnxruntime."
            )
        return path

    def _sample(self, given: Guidance, size: tuple[int, int], batch: int) -> Sample:
        """Return pictures of a size, with guidance of the very kinds and fields that are given."""
        from colorzoo.testing.samples import sample_input

        luma = sample_input(self._model.input_kind, size, batch=batch).contiguous()
        tensors = []
        for name, tensor in zip(tensor_names(given), guidance_tensors(given), strict=True):
            shape = (size[0] + 8, size[1] - 4) if name.startswith("exemplar") else size
            one = _resized(tensor[:1], shape) if tensor.ndim == 4 else tensor[:1]
            tensors.append(one.repeat(batch, *[1] * (one.ndim - 1)).contiguous())
        return luma, fill_guidance(given, tensors)


def _resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a map of any type at another size, each pixel the nearest one."""
    rows, columns = (torch.arange(new) * old // new for new, old in zip(size, maps.shape[-2:], strict=True))
    return maps[..., rows[:, None], columns]


def _refuse_settings(given: Guidance) -> None:
    """Refuse what is no tensor and so would be burnt into the graph.

    Raises:
        GuidanceError: There is such a setting.
    """
    for name in given.kinds():
        kind = getattr(given, name)
        for field in fields(kind):
            value = getattr(kind, field.name)
            if not isinstance(value, Tensor) and value != field.default:
                raise GuidanceError(
                    f"{name}.{field.name} = {value} is not in the graph, which only knows {field.default}; "
                    "leave out the engine onnxruntime."
                )
