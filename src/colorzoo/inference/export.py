"""A model as a graph for other programs: ONNX, or torch.export; checked against the model as it is written.

Both take batches of any number of pictures. The inputs are ``luma`` and then every tensor of the guidance
that the model accepts, such as ``points_ab`` and ``points_mask`` (all zeros: no points).
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from colorzoo.card import ModelCard, OutputKind
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance
from colorzoo.settings import flatten_arguments
from colorzoo.tasks import ColorizationModule

Graph = Callable[[Sequence[Tensor]], Tensor]
"""A written graph, run: its inputs in order, and the picture."""

Format = Literal["onnx", "pt2"]

TOLERANCE = 1e-4
"""Largest difference from the model, as a share of the full scale, that counts as the same."""

_FULL_SCALE: Mapping[OutputKind, float] = {"ab": 100.0, "rgb": 1.0}
_CONVENTIONS = "luma: L in [0, 100] or a sketch in [0, 1]; ab in CIE units (D65); RGB in [0, 1]"
# of height and width for torch.export, whose guards hold for what was traced without padding
_MULTIPLE, _SMALLEST = 32, 64
_TRACED: Mapping[Format, tuple[int, int]] = {"onnx": (61, 91), "pt2": (64, 96)}
_CHECKED: Mapping[Format, tuple[tuple[int, int], ...]] = {
    "onnx": ((64, 96), (37, 53), (128, 40)),
    "pt2": ((96, 64), (64, 160)),
}
_SIZES: Mapping[Format, str] = {
    "onnx": "any height and width",
    "pt2": f"height and width in multiples of {_MULTIPLE} from {_SMALLEST} on",
}


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: The file.
        inputs: Names of the graph's inputs, in order.
        sizes: Which pictures it takes, in words.
        differences: Largest difference from the model by height and width, as a share of the full scale.
    """

    path: Path
    inputs: tuple[str, ...]
    sizes: str
    differences: Mapping[tuple[int, int], float]


class TensorsOnly(nn.Module):
    """A model whose guidance is spread out into plain tensors, as exported graphs need.

    Args:
        model: The model.
        template: Guidance that says which kinds and fields the tensors fill, in order.
    """

    def __init__(self, model: ColorizationModule, template: Guidance) -> None:
        super().__init__()
        self.model, self.template = model, template

    def forward(self, luma: Tensor, guidance: list[Tensor]) -> Tensor:
        """Color a batch; see `guidance_tensors` for the order."""
        prediction = self.model(luma, fill_guidance(self.template, guidance))
        picture: Tensor = getattr(prediction, self.model.output_kind)
        return picture


def export_model(
    card: ModelCard, out: Path, *, weights: str | Path | None = "default", **hparams: Any
) -> Exported:
    """Write a model as a graph, whole or not at all, and compare it with the model.

    Args:
        card: The model.
        out: File to write; its ending chooses the format, ``.onnx`` or ``.pt2``.
        weights: See `create_model`; None exports random weights.
        **hparams: See `create_model`.

    Raises:
        ColorzooError: Another ending, a model that cannot be exported, untrained, or a package is missing.
    """
    kind = _format(out)
    if "export" in card.limits:
        raise ColorzooError(f"{card.name} cannot be exported: its answer is no graph of tensors.")
    if kind == "onnx":
        _require_onnx()
    model = create_model(card.name, weights, **hparams)
    if weights is not None and not model.trained:
        raise ColorzooError(f"{card.name} is not exported with random weights; fetch or name its weights.")
    luma, guidance = _sample(card, _TRACED[kind], seed=0)
    inputs = ("luma", *tensor_names(guidance))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        part = Path(folder) / out.name
        program = trace(model, luma, guidance)
        write = _write_onnx if kind == "onnx" else _write
        graph = write(program, part, inputs, card.output, _metadata(card, model))
        differences = {size: _difference(card, model, graph, size) for size in _CHECKED[kind]}
        part.replace(out)
    return Exported(out, inputs, _SIZES[kind], differences)


@torch.no_grad()
def trace(model: ColorizationModule, luma: Tensor, guidance: Guidance) -> ExportedProgram:
    """Return the graph of a model; batch, height and width are dynamic.

    Args:
        model: The model, in evaluation mode.
        luma: ``(2, 1, H, W)``; a batch of 1 would be burnt into the graph.
        guidance: All kinds that the graph is to take.
    """
    tensors = guidance_tensors(guidance)
    shapes = [_dynamic(luma), [_dynamic(tensor) for tensor in tensors]]
    return torch.export.export(TensorsOnly(model, guidance), (luma, tensors), dynamic_shapes=shapes)


def guidance_tensors(guidance: Guidance) -> list[Tensor]:
    """Return all tensors of a guidance in the order of its kinds and their fields."""
    return [value for _, value in _named_tensors(guidance)]


def tensor_names(guidance: Guidance) -> list[str]:
    """Return the names of `guidance_tensors`, such as ``points_ab``."""
    return [name for name, _ in _named_tensors(guidance)]


def fill_guidance(template: Guidance, tensors: list[Tensor]) -> Guidance:
    """Return a guidance like ``template`` that holds other tensors; undoes `guidance_tensors`."""
    left = iter(tensors)
    filled = {}
    for name in template.kinds():
        kind = getattr(template, name)
        given = [field.name for field in fields(kind) if isinstance(getattr(kind, field.name), Tensor)]
        filled[name] = replace(kind, **{field: next(left) for field in given})
    return Guidance(**filled)


def _named_tensors(guidance: Guidance) -> list[tuple[str, Tensor]]:
    kinds = [(name, getattr(guidance, name)) for name in guidance.kinds()]
    found = [
        (f"{name}_{field.name}", getattr(kind, field.name)) for name, kind in kinds for field in fields(kind)
    ]
    return [(name, value) for name, value in found if isinstance(value, Tensor)]


def _dynamic(tensor: Tensor) -> dict[int, Any]:
    return {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO} if tensor.ndim == 4 else {0: Dim.AUTO}


def _write(
    program: ExportedProgram, path: Path, inputs: Sequence[str], output: str, metadata: Mapping[str, str]
) -> Graph:
    metadata = {**metadata, "inputs": ",".join(inputs), "output": output}
    torch.export.save(program, path, extra_files={"colorzoo.json": json.dumps(metadata, sort_keys=True)})
    module = torch.export.load(path).module()
    return lambda tensors: torch.as_tensor(module(tensors[0], list(tensors[1:])))


def _write_onnx(
    program: ExportedProgram, path: Path, inputs: Sequence[str], output: str, metadata: Mapping[str, str]
) -> Graph:
    import onnxruntime

    # Decomposed first: the exporter to ONNX knows attention of four axes only.
    graph = torch.onnx.export(
        program.run_decompositions(),
        input_names=list(inputs),
        output_names=[output],
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert graph is not None, "torch.onnx.export answers a program unless it is given a file"
    graph.model.metadata_props.update(metadata)
    graph.save(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    known = [value.name for value in session.get_inputs()]  # one that changes nothing may be gone

    def run(tensors: Sequence[Tensor]) -> Tensor:
        given = dict(zip(inputs, tensors, strict=True))
        (answer,) = session.run(None, {name: given[name].numpy() for name in known})
        return torch.from_numpy(answer)

    return run


def _difference(card: ModelCard, model: ColorizationModule, graph: Graph, size: tuple[int, int]) -> float:
    """Compare graph and model on one picture; the graph was traced with two."""
    luma, guidance = _sample(card, size, seed=1, batch=1)
    with torch.inference_mode():
        expected = getattr(model(luma, guidance), card.output)
        answer = graph([luma, *guidance_tensors(guidance)])
    return float((answer - expected).abs().max()) / _FULL_SCALE[card.output]


def _sample(card: ModelCard, size: tuple[int, int], *, seed: int, batch: int = 2) -> tuple[Tensor, Guidance]:
    from colorzoo.testing.samples import sample_guidance, sample_input

    # Contiguous, because torch.export guards the strides that it saw.
    luma = sample_input(card.input, size, batch=batch, seed=seed).contiguous()
    guidance = sample_guidance(card.guidance, size, batch=batch, seed=seed)
    tensors = [tensor.contiguous() for tensor in guidance_tensors(guidance)]
    return luma, fill_guidance(guidance, tensors)


def _metadata(card: ModelCard, model: ColorizationModule) -> dict[str, str]:
    hparams = json.dumps(flatten_arguments(type(model), model.hparams), sort_keys=True, default=str)
    return {"model": card.name, "hparams": hparams, "conventions": _CONVENTIONS, "paper": card.paper}


def _format(out: Path) -> Format:
    if out.suffix == ".onnx":
        return "onnx"
    if out.suffix == ".pt2":
        return "pt2"
    raise ColorzooError(f"{out}: the ending chooses the format; expected .onnx or .pt2 (torch.export)")


def _require_onnx() -> None:
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ColorzooError(
            f"ONNX needs the package {error.name}: python -m pip install 'colorzoo[export]'"
        ) from error
