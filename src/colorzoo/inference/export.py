"""A model as a graph for other programs: ONNX, or torch.export; checked against the model as it is written.

Both take batches of any number of pictures. The inputs are ``luma`` and then every tensor of the guidance
that the model accepts, such as ``points_ab`` and ``points_mask`` (all zeros: no points). The outputs are the
picture and, of a model that has one, the distribution over colors as ``logits``.
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

from colorzoo.card import ModelCard
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_model
from colorzoo.guidance import Guidance
from colorzoo.inference.palette import bins_of, has_distribution
from colorzoo.settings import flatten_arguments
from colorzoo.tasks import ColoringModel

Graph = Callable[[Sequence[Tensor]], Mapping[str, Tensor]]
"""A written graph, run: its inputs in order, and its outputs by name."""
Sample = tuple[Tensor, Guidance]
"""What a model is called with."""

Format = Literal["onnx", "pt2"]

TOLERANCE = 1e-4
"""Largest difference from the model, as a share of the full scale, that counts as the same."""

_FULL_SCALE: Mapping[str, float] = {"ab": 100.0, "rgb": 1.0}
_CONVENTIONS = (
    "luma: L in [0, 100] or a sketch in [0, 1]; ab in CIE units (D65); RGB in [0, 1]; softmax of logits: "
    "shares of the bins"
)
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
        outputs: Names of its outputs, in order.
        sizes: Which pictures it takes, in words.
        differences: Largest difference from the model by height and width, as a share of the full scale.
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    sizes: str
    differences: Mapping[tuple[int, int], float]


class TensorsOnly(nn.Module):
    """A model whose guidance is spread out into plain tensors, as exported graphs need.

    Args:
        model: The model.
        template: Guidance that says which kinds and fields the tensors fill, in order.
    """

    def __init__(self, model: ColoringModel, template: Guidance) -> None:
        super().__init__()
        self.model, self.template = model, template

    def forward(self, luma: Tensor, guidance: list[Tensor]) -> dict[str, Tensor]:
        """Color a batch, see `guidance_tensors` for the order; the outputs are those of `answers`."""
        return answers(self.model, (luma, fill_guidance(self.template, guidance)))


def answers(model: ColoringModel, sample: Sample) -> dict[str, Tensor]:
    """Return what a graph of the model answers: the picture, and if it has one the distribution of colors."""
    prediction = model(*sample)
    found: dict[str, Tensor] = {model.output_kind: prediction.colors}
    if has_distribution(prediction):
        found["logits"] = prediction.extras["logits"]
    return found


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
        require_onnx()
    model = create_model(card.name, weights, **hparams)
    if weights is not None and not model.trained:
        raise ColorzooError(f"{card.name} is not exported with random weights; fetch or name its weights.")
    traced = _sample(card, _TRACED[kind], seed=0)
    others = [_sample(card, size, seed=1, batch=1) for size in _CHECKED[kind]]
    about = {"model": card.name, "paper": card.paper}
    return write_graph(model, traced, others, out, about)


def write_graph(
    model: ColoringModel, traced: Sample, others: Sequence[Sample], out: Path, about: Mapping[str, str]
) -> Exported:
    """Write a graph, whole or not at all, and compare it with the model.

    Args:
        model: In evaluation mode, on the CPU.
        traced: Two pictures, and all the guidance that the graph is to take.
        others: One picture each, of other sizes than the traced ones: to compare.
        out: File to write, ``.onnx`` or ``.pt2``.
        about: What the file's metadata is to say besides what it always does.
    """
    inputs = ("luma", *tensor_names(traced[1]))
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters, about themselves
        part = Path(folder) / out.name
        program = trace(model, *traced)
        with torch.inference_mode():
            outputs = answers(model, traced)
        write = _write_onnx if _format(out) == "onnx" else _write
        graph = write(program, part, inputs, tuple(outputs), {**about, **_metadata(model, outputs)})
        differences = {_size(sample): _difference(model, graph, sample) for sample in others}
        part.replace(out)
    return Exported(out, inputs, tuple(outputs), _SIZES[_format(out)], differences)


@torch.no_grad()
def trace(model: ColoringModel, luma: Tensor, guidance: Guidance) -> ExportedProgram:
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
    program: ExportedProgram,
    path: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> Graph:
    metadata = {**metadata, "inputs": ",".join(inputs), "outputs": ",".join(outputs)}
    torch.export.save(program, path, extra_files={"colorzoo.json": json.dumps(metadata, sort_keys=True)})
    module = torch.export.load(path).module()
    return lambda tensors: dict(module(tensors[0], list(tensors[1:])))


def _write_onnx(
    program: ExportedProgram,
    path: Path,
    inputs: Sequence[str],
    outputs: Sequence[str],
    metadata: Mapping[str, str],
) -> Graph:
    # Decomposed first: the exporter to ONNX knows attention of four axes only.
    graph = torch.onnx.export(
        program.run_decompositions(),
        input_names=list(inputs),
        output_names=list(outputs),
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    assert graph is not None, "torch.onnx.export answers a program unless it is given a file"
    graph.model.metadata_props.update(metadata)
    graph.save(path)
    return load_onnx(path, inputs)


def load_onnx(path: Path, inputs: Sequence[str]) -> Graph:
    """Open a written ONNX file; it runs on as many threads as torch does.

    Args:
        path: The file.
        inputs: Names of the tensors that it will be given, in order; one that changes nothing may be gone
            from the graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    known = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def run(tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
        given = dict(zip(inputs, tensors, strict=True))
        found = session.run(outputs, {name: given[name].contiguous().numpy() for name in known})
        return dict(zip(outputs, map(torch.from_numpy, found), strict=True))

    return run


def _difference(model: ColoringModel, graph: Graph, sample: Sample) -> float:
    """Compare graph and model on one picture; the graph was traced with two."""
    luma, guidance = sample
    with torch.inference_mode():
        expected = answers(model, sample)
        found = graph([luma, *guidance_tensors(guidance)])
    apart = []
    for name, value in expected.items():
        scale = _FULL_SCALE.get(name) or max(1.0, float(value.abs().max()))
        apart.append(float((found[name] - value).abs().max()) / scale)
    return max(apart)


def _sample(card: ModelCard, size: tuple[int, int], *, seed: int, batch: int = 2) -> Sample:
    from colorzoo.testing.samples import sample_guidance, sample_input

    # Contiguous, because torch.export guards the strides that it saw.
    luma = sample_input(card.input, size, batch=batch, seed=seed).contiguous()
    guidance = sample_guidance(card.guidance, size, batch=batch, seed=seed)
    tensors = [tensor.contiguous() for tensor in guidance_tensors(guidance)]
    return luma, fill_guidance(guidance, tensors)


def _size(sample: Sample) -> tuple[int, int]:
    height, width = sample[0].shape[-2:]
    return height, width


def _metadata(model: ColoringModel, outputs: Mapping[str, Tensor]) -> dict[str, str]:
    """Return what a file says of itself: with a distribution, also which color each of its bins is."""
    hparams = json.dumps(flatten_arguments(type(model), model.hparams), sort_keys=True, default=str)
    about = {"hparams": hparams, "conventions": _CONVENTIONS}
    if "logits" not in outputs:
        return about
    centers, shown = bins_of(outputs["logits"])
    return about | {"bins": json.dumps(centers.tolist()), "bins_shown": json.dumps(shown.int().tolist())}


def _format(out: Path) -> Format:
    if out.suffix == ".onnx":
        return "onnx"
    if out.suffix == ".pt2":
        return "pt2"
    raise ColorzooError(f"{out}: the ending chooses the format; expected .onnx or .pt2 (torch.export)")


def require_onnx() -> None:
    """Make sure that ONNX files can be written and run.

    Raises:
        ColorzooError: A package is missing.
    """
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ColorzooError(
            f"ONNX needs the package {error.name}: python -m pip install 'colorzoo[export]'"
        ) from error
