"""Export of models to ONNX, and comparison of each exported graph with its model.

Graphs support any batch size. The inputs are ``lightness`` and every tensor of the accepted guidance, such as
``points_ab`` and ``points_mask``. Zeros encode missing guidance, and a negative saturation encodes missing
statistics. References cannot be missing, because a reference of zeros is a black image, so a graph has inputs
for optional references only on request. The outputs are ``ab`` or ``rgb`` and, if the model predicts a color
distribution, ``logits``.
"""

from __future__ import annotations

import json
import linecache
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from itertools import cycle
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.overrides import TorchFunctionMode

from colorzoo.abilities import DiffusionModel
from colorzoo.card import ModelCard
from colorzoo.color.bins import bin_centers
from colorzoo.engines.samples import Size, sample_guidance, sample_input
from colorzoo.errors import ColorzooError
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction
from colorzoo.weights.catalog import missing_weights_advice

Graph = Callable[[Sequence[Tensor]], Mapping[str, Tensor]]
"""Function that runs a graph on a list of inputs and returns the outputs by name."""
Sample = tuple[Tensor, Guidance]
"""Arguments of a model: lightness and guidance."""
Part = Literal["model", "denoiser"]
"""Exported part of a model: the whole model, or the network of a diffusion model that predicts the noise."""

TOLERANCE = 1e-4
"""Maximum accepted difference between graph and model, as a fraction of the full scale."""

_FULL_SCALE: Mapping[str, float] = {"ab": 100.0, "rgb": 1.0}
_CONVENTIONS = (
    "lightness: L in [0, 100] or a sketch in [0, 1]; ab in CIE units (D65); RGB in [0, 1]; "
    "softmax of logits: probabilities of the bins"
)
_TRACED = (61, 91)  # odd, so that padding is in the graph
_COMPARED = ((64, 96), (37, 53), (128, 40))
_MOST_LINES = 3
_BATCHES = (1, 3)  # batch sizes of the compared samples; 2 images are traced


@dataclass(frozen=True)
class ExportedGraph:
    """Summary of an exported graph.

    Attributes:
        path: ONNX file.
        inputs: Names of the inputs, in order.
        outputs: Names of the outputs, in order.
        differences: Largest output difference between graph and model, by height and width of the image.
            The difference is a fraction of the full scale (100 CIE units for ab, 1 for RGB).
    """

    path: Path
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    differences: Mapping[tuple[int, int], float]


class Denoiser(nn.Module):
    """One step of a diffusion model, whose output is the predicted noise.

    The tensors ``noisy`` and ``level`` of `DiffusionModel.predict_noise` are in `Guidance.extra`. The graph
    has the inputs ``lightness``, the guidance of the model, ``noisy`` and ``level``.
    """

    output_kind = "noise"

    def __init__(self, model: ColoringModel) -> None:
        super().__init__()
        self.model, self.hparams = model, model.hparams

    def forward(self, lightness: Tensor, guidance: Guidance) -> AbPrediction:
        """Return the noise as the ab of a prediction."""
        assert isinstance(self.model, DiffusionModel)
        noisy, level = guidance.extra["noisy"], guidance.extra["level"]
        own = guidance.with_hints(noisy=None, level=None)
        return AbPrediction(ab=self.model.predict_noise(lightness, own, noisy, level))


class _TensorModel(nn.Module):
    """Export wrapper that passes guidance as a list of tensors.

    Args:
        model: Model to export.
        template: Guidance whose tensors are replaced by the list.
    """

    def __init__(self, model: ColoringModel | Denoiser, template: Guidance) -> None:
        super().__init__()
        self.model, self.template = model, template

    def forward(self, lightness: Tensor, tensors: list[Tensor]) -> dict[str, Tensor]:
        return _outputs_of(self.model, (lightness, fill_guidance(self.template, tensors)))


def _outputs_of(model: ColoringModel | Denoiser, sample: Sample) -> dict[str, Tensor]:
    """Return the outputs of a graph by name: the image and, if available, the logits."""
    prediction = model(*sample)
    found: dict[str, Tensor] = {model.output_kind: prediction.colors}
    logits = prediction.color_logits
    if logits is not None:
        found["logits"] = logits
    return found


def export_model(
    card: ModelCard,
    out: Path,
    *,
    weights: str | Path | None = "default",
    part: Part = "model",
    guidance: Sequence[str] | None = None,
    report: Callable[[str], None] = lambda _: None,
    **hparams: Any,
) -> ExportedGraph:
    """Write a model to an ONNX file atomically, and compare the graph with the model.

    Args:
        card: Model card.
        out: Output file with the extension ``.onnx``.
        weights: Weights as in `create_model`; None exports random weights.
        part: ``"denoiser"`` exports one step of a model that inherits from `DiffusionModel`.
        guidance: Kinds of guidance that become inputs of the graph (default: `ModelCard.plain_guidance`).
        report: Function that is called with the name of each step, such as ``tracing``.
        **hparams: Model settings as in `create_model`.

    Raises:
        ColorzooError: The extension is not ``.onnx``, the model cannot be exported or does not accept the
            guidance, trained weights are not available, or a package is missing.
    """
    if out.suffix != ".onnx":
        raise ColorzooError(f"OUT must have the extension .onnx, got {out}")
    if part == "model" and "export" in card.limits:
        raise ColorzooError(
            f"{card.name} cannot be exported to ONNX, because parts of this model are not tensor operations"
        )
    kinds = card.plain_guidance if guidance is None else tuple(guidance)
    if unknown := [kind for kind in kinds if kind not in card.guidance]:
        accepted = ", ".join(card.guidance) or "no guidance"
        raise ColorzooError(f"guidance of {card.name} must be {accepted}, got {', '.join(unknown)}")
    require_onnx()
    model = create_coloring_model(card.name, weights, **hparams)
    if weights is not None and not model.trained:
        raise ColorzooError(f"export of {card.name} requires trained weights. {missing_weights_advice(card)}")
    traced, others = graph_samples(replace(card, guidance=kinds))
    metadata = {"model": card.name, "paper": card.paper}
    if part == "model":
        return write_graph(model, traced, others, out, metadata, report)
    if not isinstance(model, DiffusionModel):
        raise ColorzooError(f"--part denoiser requires a diffusion model (DiffusionModel), got {card.name}")
    traced, *others = (_with_noise(model, sample) for sample in (traced, *others))
    return write_graph(Denoiser(model).eval(), traced, others, out, {**metadata, "part": part}, report)


def _with_noise(model: DiffusionModel, sample: Sample) -> Sample:
    """Return a sample of a model with random ``noisy`` and ``level``, for `Denoiser`."""
    lightness, guidance = sample
    batch, _, height, width = lightness.shape
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(batch, model.noise_channels, height, width, generator=generator)
    level = torch.randint(model.noise_levels, (batch,), generator=generator)
    return lightness, guidance.with_hints(noisy=noisy, level=level)


def graph_samples(
    card: ModelCard, traced: Size = _TRACED, compared: Sequence[Size] = _COMPARED
) -> tuple[Sample, list[Sample]]:
    """Return random samples (lightness and guidance) for the export of a model.

    The guidance has all kinds that the model accepts, except seeds, because a graph draws no random numbers.

    Examples:
        >>> from colorzoo.registry import model_card
        >>> card = model_card("zhang2017_local_small")
        >>> (lightness, guidance), _ = graph_samples(card, traced=(32, 48))
        >>> lightness.shape, guidance.kinds()
        (torch.Size([2, 1, 32, 48]), ('points',))

    Args:
        card: Model card.
        traced: Height and width of the images for tracing.
        compared: Heights and widths of the images for the comparison of graph and model.

    Returns:
        A sample of two images for tracing, and samples of other image and batch sizes for the comparison.
    """
    others = zip(compared, cycle(_BATCHES), strict=False)
    return _sample(card, traced, 2), [_sample(card, size, batch) for size, batch in others]


def write_graph(
    model: ColoringModel | Denoiser,
    traced: Sample,
    others: Sequence[Sample],
    out: Path,
    metadata: Mapping[str, str],
    report: Callable[[str], None] = lambda _: None,
) -> ExportedGraph:
    """Trace a model, write the ONNX graph atomically and compare it with the model.

    Args:
        model: Model in evaluation mode on the CPU.
        traced: Lightness and guidance of two images for tracing. The tensors become the graph inputs.
        others: Samples of other image and batch sizes for the comparison of graph and model.
        out: Output file.
        metadata: Additional metadata of the file.
        report: Function that is called with the name of each step.

    Raises:
        ColorzooError: The model cannot be exported, or the graph does not support a sample.
        OSError: The file cannot be written.
    """
    inputs = ("lightness", *guidance_tensors(traced[1]))
    with _atomic_file(out) as temporary:
        with torch.inference_mode():
            outputs = _outputs_of(model, traced)
        with _export_errors("the model cannot be traced and written", model, traced):
            report("tracing the graph")
            program = trace(model, *traced)
            report("writing the graph")
            hparams = json.dumps(model.hparams, sort_keys=True, default=str)
            all_metadata = {**metadata, "hparams": hparams, "conventions": _CONVENTIONS}
            if "logits" in outputs:  # bin colors of a color distribution
                centers, in_hull = bin_centers(outputs["logits"].shape[1])
                all_metadata["bins"] = json.dumps(centers.tolist())
                all_metadata["bins_shown"] = json.dumps(in_hull.int().tolist())
            graph = _write_onnx(program, temporary, inputs, outputs, all_metadata)
        differences = _differences(model, graph, others, report)
    return ExportedGraph(out, inputs, tuple(outputs), differences)


def compare_traced(
    model: ColoringModel, traced: Sample, others: Sequence[Sample]
) -> Mapping[tuple[int, int], float]:
    """Compare the graph from ``torch.export`` with the model.

    Args:
        model: Model in evaluation mode on the CPU.
        traced: Lightness and guidance of two images for tracing.
        others: Samples of other image and batch sizes for the comparison.

    Returns:
        Largest output difference as a fraction of the full scale, by height and width of the image.

    Raises:
        ColorzooError: The model cannot be exported, or the graph does not support a sample.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of the exporter about its own code
        with _export_errors("the model cannot be traced and written", model, traced):
            graph = trace(model, *traced).module()

        def run_graph(tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
            lightness, *guidance = tensors
            outputs: Mapping[str, Tensor] = graph(lightness, guidance)
            return outputs

        return _differences(model, run_graph, others)


@contextmanager
def _atomic_file(out: Path) -> Iterator[Path]:
    """Yield a temporary path; rename the file to ``out`` if no error occurs."""
    out.parent.mkdir(parents=True, exist_ok=True)
    try:
        with TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings of the exporters about their own code
            yield Path(folder) / out.name
            (Path(folder) / out.name).replace(out)
    except OSError as error:  # errors of a full disk do not contain the path
        raise OSError(error.errno, error.strerror, error.filename or str(out)) from error


@contextmanager
def _export_errors(what: str, model: ColoringModel | Denoiser, sample: Sample) -> Iterator[None]:
    """Convert any exporter error except `OSError` to a one-line `ColorzooError`.

    The message names the lines of the model that a graph cannot contain; see `constant_lines`.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        message = f"export failed: {what} ({lines[0].strip()[:200]})"
        if found := constant_lines(model, sample):
            message += (
                f". Graphs contain no numbers from tensors and no generators; the model uses them in "
                f"{'; '.join(found)}. Replace them by tensor operations, x.shape[0] or buffers."
            )
        raise ColorzooError(message) from error


class _ConstantLines(TorchFunctionMode):
    """Context that records the lines of a model that convert tensors to numbers or use generators.

    Attributes:
        found: Each line with its file and number, in the order of the first use.
    """

    _NAMES = frozenset(
        {"__len__", "__bool__", "__float__", "__int__", "__index__", "item", "tolist", "numpy"}
    )

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, None] = {}

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        named = dict(kwargs or {})
        if getattr(func, "__name__", "") in self._NAMES or named.get("generator") is not None:
            frame = sys._getframe(1)
            while frame is not None:
                module = str(frame.f_globals.get("__name__", ""))
                package, _, rest = module.partition(".")
                if package == "colorzoo" and rest.startswith("engines"):  # no line of a model
                    break
                if package != "torch" and (package != "colorzoo" or rest.startswith("zoo.")):
                    line = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
                    name = Path(frame.f_code.co_filename).name
                    self.found[f"{name}, line {frame.f_lineno}: {line}"] = None
                    break
                frame = frame.f_back  # type: ignore[assignment]  # None at the end of the stack
        return func(*args, **named)


def constant_lines(model: ColoringModel | Denoiser, sample: Sample) -> list[str]:
    """Return the lines of a model that convert tensors to numbers or use random generators.

    A graph would contain the numbers as constants. Examples are ``len(tensor)``, ``float(tensor)`` and
    ``tensor.tolist()``; ``tensor.shape`` is allowed. Lines of colorzoo outside the zoo are not listed; the
    line of the model that calls them is listed instead.

    Args:
        model: Model in evaluation mode, which is run once.
        sample: Arguments of the model.
    """
    lines = _ConstantLines()
    with suppress(Exception), torch.inference_mode(), lines:
        model(*sample)
    return list(lines.found)[:_MOST_LINES]


@torch.no_grad()
def trace(model: ColoringModel | Denoiser, lightness: Tensor, guidance: Guidance) -> ExportedProgram:
    """Trace a model and return a graph with dynamic batch size, height and width.

    Args:
        model: Model in evaluation mode.
        lightness: ``(2, 1, H, W)``; torch.export would treat a batch size of 1 as a constant.
        guidance: Guidance of the two images; its tensors become inputs of the graph.
    """
    tensors = list(guidance_tensors(guidance).values())
    shapes = [_dynamic(lightness), [_dynamic(tensor) for tensor in tensors]]
    return torch.export.export(_TensorModel(model, guidance), (lightness, tensors), dynamic_shapes=shapes)


def guidance_tensors(guidance: Guidance) -> dict[str, Tensor]:
    """Return a dict of the tensors in guidance, with keys such as ``points_ab``."""
    return {path.replace(".", "_"): tensor for path, tensor in guidance.tensors().items()}


def fill_guidance(template: Guidance, tensors: list[Tensor]) -> Guidance:
    """Return a copy of guidance with new tensors; the inverse of `guidance_tensors`.

    Args:
        template: Guidance to copy.
        tensors: New tensors in the order of `guidance_tensors`.
    """
    remaining = iter(tensors)
    filled: dict[str, Any] = {}
    for kind in template.kinds():
        hint = template.get(kind)
        if isinstance(hint, Tensor):
            filled[kind] = next(remaining)
        else:
            names = [each.name for each in fields(hint) if isinstance(getattr(hint, each.name), Tensor)]
            filled[kind] = replace(hint, **{name: next(remaining) for name in names})
    return Guidance().with_hints(**filled)


def _dynamic(tensor: Tensor) -> dict[int, Any]:
    return {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO} if tensor.ndim == 4 else {0: Dim.AUTO}


def _write_onnx(
    program: ExportedProgram,
    path: Path,
    inputs: Sequence[str],
    outputs: Iterable[str],
    metadata: Mapping[str, str],
) -> Graph:
    """Convert an exported program to ONNX, write it to a file, and load the file for inference."""
    from onnxscript import ir
    from onnxscript.optimizer import optimize_ir

    from colorzoo.engines.onnx_linalg import TRANSLATIONS  # imports onnxscript

    if any("attention" in str(node.target) for node in program.graph.nodes):
        program = program.run_decompositions()  # the exporter supports 4D attention only
    graph = torch.onnx.export(
        program,
        input_names=list(inputs),
        output_names=list(outputs),
        dynamo=True,
        custom_translation_table=dict(TRANSLATIONS),
        verbose=False,
        optimize=False,
    )
    assert graph is not None, "torch.onnx.export returns a program if no file is passed"
    # the exporter's default of two iterations with shapes takes eight times as long for the same result
    optimize_ir(graph.model, num_iterations=1, onnx_shape_inference=False)
    # ONNX Runtime before 1.25 fuses Transpose and MatMul to an operator without a float64 kernel; a Concat of
    # one tensor prevents the fusion
    for node in list(graph.model.graph.all_nodes()):
        if node.op_type != "MatMul" or node.outputs[0].dtype == ir.DataType.FLOAT:
            continue
        for index, factor in enumerate(node.inputs):
            if factor and (producer := factor.producer()) and producer.op_type == "Transpose":
                copy = ir.val(f"{factor.name}_unfused")
                node.prepend(ir.node("Concat", [factor], {"axis": 0}, outputs=[copy]))
                node.replace_input_with(index, copy)
    graph.model.metadata_props.update(metadata)
    ir.save(graph.model, path)  # `graph.save` moves weights of more than 1.5 GiB to a second file
    return load_onnx(path, inputs)


def load_onnx(path: Path, inputs: Sequence[str]) -> Graph:
    """Load an ONNX file and return a function that runs the graph on the CPU.

    The function maps a list of input tensors to a dict of output tensors. ONNX Runtime uses as many threads
    as torch.

    Args:
        path: ONNX file.
        inputs: Names of the tensors in the list, in order. Tensors that the graph does not use are ignored.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors only
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    used = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]

    def run(tensors: Sequence[Tensor]) -> Mapping[str, Tensor]:
        tensors_by_name = dict(zip(inputs, tensors, strict=True))
        feeds = {name: tensors_by_name[name].contiguous().numpy() for name in used}
        results = session.run(outputs, feeds)
        return {name: torch.from_numpy(result) for name, result in zip(outputs, results, strict=True)}

    return run


def _differences(
    model: ColoringModel | Denoiser,
    graph: Graph,
    samples: Sequence[Sample],
    report: Callable[[str], None] = lambda _: None,
) -> dict[tuple[int, int], float]:
    """Return the largest output difference for each image size, relative to the full scale."""
    found = {}
    for sample in samples:
        batch, _, height, width = sample[0].shape
        what = f"the graph does not support {batch} images of {height} x {width} pixels"
        report(f"comparing graph and model at {height}x{width}")
        with _export_errors(what, model, sample):
            with torch.inference_mode():
                expected = _outputs_of(model, sample)
                outputs = graph([sample[0], *guidance_tensors(sample[1]).values()])
            largest = 0.0
            for name, value in expected.items():
                scale = _FULL_SCALE.get(name) or max(1.0, float(value.abs().max()))
                errors = (outputs[name] - value).abs().nan_to_num(nan=torch.inf)  # `max` could ignore NaN
                largest = max(largest, float(errors.max()) / scale)
            found[height, width] = largest
    return found


def _sample(card: ModelCard, size: tuple[int, int], batch: int) -> Sample:
    """Return contiguous random inputs, because torch.export adds guards on strides."""
    lightness = sample_input(card.input, size, batch=batch).contiguous()
    kinds = [kind for kind in card.guidance if kind != "seed"]
    guidance = sample_guidance(kinds, size, batch=batch)
    tensors = [tensor.contiguous() for tensor in guidance_tensors(guidance).values()]
    return lightness, fill_guidance(guidance, tensors)


def require_onnx() -> None:
    """Raise `ColorzooError` if a package for ONNX export is missing."""
    try:
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ColorzooError(
            f"ONNX requires the package {error.name}. Run `python -m pip install 'colorzoo[export]'`."
        ) from error
