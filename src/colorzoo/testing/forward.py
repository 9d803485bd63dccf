"""Checks of model cards, predictions and exported graphs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from colorzoo.card import ModelCard
from colorzoo.engines.export import TOLERANCE, compare_traced, graph_samples, require_onnx, write_graph
from colorzoo.engines.samples import Size, sample_guidance
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.guidance.kinds import guidance_kind, guidance_kinds
from colorzoo.model import ColoringModel
from colorzoo.options import constructor_parameters
from colorzoo.prediction import AbPrediction, RgbPrediction
from colorzoo.registry import load_model_class, load_task_class
from colorzoo.testing.models import (
    contract_test_model,
    difference,
    elsewhere,
    output_difference,
    predict,
    predict_outputs,
    require,
    sample_call,
    sampler_advice,
    tolerance,
)
from colorzoo.training.module import ColorizationModule

ODD_SIZES: tuple[Size, ...] = ((37, 53), (8, 9), (1, 1))
_SIZE: Size = (37, 53)
_ROUNDING = 1e-5  # rounding errors of float32 sums in a different order
_OTHER_KERNELS = 1e-4  # rounding errors of other kernels, amplified by matching at a temperature of 0.01
_BFLOAT16 = 0.02  # root mean square over pixels; 2 CIE units are barely visible


def check_card_matches_class(card: ModelCard) -> None:
    """Check that the card names a model and its task and describes them correctly."""
    task, model_class = load_task_class(card), load_model_class(card)
    require(issubclass(task, ColorizationModule), f"{card.task} is not a ColorizationModule")
    require(issubclass(model_class, ColoringModel), f"{card.model} is not a ColoringModel")
    for kind in card.guidance:
        guidance_kind(kind)  # raises an error for an unknown kind
    declared = (frozenset(card.guidance), card.input, card.output)
    with torch.device("meta"):  # build the model, because an add-on accepts the guidance of its backbone
        model = build_model(task, card.hparams).model
    actual = (model.accepts, model.input_kind, model.output_kind)
    require(declared == actual, f"the card declares {declared}, but the model has {actual}")
    require(type(model) is model_class, f"the task builds the model {type(model).__name__}")


def check_parameter_count(card: ModelCard) -> None:
    """Check that the full-size model has as many parameters as the card states."""
    with torch.device("meta"):  # allocates no memory
        model = build_model(load_task_class(card), card.hparams).model
    count = sum(parameter.numel() for parameter in model.parameters())
    message = f"card.parameters must be {count}, the number of parameters, got {card.parameters}. Run "
    message += f"`colorzoo models {card.name} --update`."
    require(count == card.parameters, message)


def check_model_without_trainer(card: ModelCard) -> None:
    """Check that a model and its task make equal predictions."""
    task, model_class = contract_test_model(card), load_model_class(card)
    settings = {**card.hparams, **card.contract_test.hparams}
    known = constructor_parameters(model_class).keys()
    model = build_model(model_class, {key: settings[key] for key in settings if key in known}).eval()
    model.load_state_dict(task.model.state_dict())
    has_same_size = model.working_size == task.model.working_size
    require(has_same_size, "model and task must have the same working_size")
    lightness, guidance = sample_call(card, _SIZE)
    for given in (guidance, None):
        is_same = torch.equal(predict(model, lightness, given), predict(task, lightness, given))
        require(is_same, "model and task must make the same predictions")


def check_odd_sizes(card: ModelCard) -> None:
    """Check that predictions for odd image sizes are finite, float32 and of the input size."""
    model = contract_test_model(card)
    kind, channels = (AbPrediction, 2) if card.output == "ab" else (RgbPrediction, 3)
    for size in ODD_SIZES:
        with torch.inference_mode():
            prediction = model(*sample_call(card, size, batch=2))
        found = type(prediction).__name__
        require(isinstance(prediction, kind), f"the card declares the output {card.output}, got {found}")
        colors = prediction.colors
        shape = tuple(colors.shape)
        require(shape == (2, channels, *size), f"the prediction for {size} has shape {shape}")
        require(colors.dtype == torch.float32, f"the prediction must be float32, got {colors.dtype}")
        require(bool(colors.isfinite().all()), f"the prediction at {size} is not finite")
        in_range = card.output == "ab" or 0 <= float(colors.min()) <= float(colors.max()) <= 1
        require(in_range, "predicted RGB must be in [0, 1]")


def check_batch_equals_single(card: ModelCard) -> None:
    """Check that the prediction for an image does not depend on other images in the batch."""
    model = contract_test_model(card)
    lightness, guidance = sample_call(card, _SIZE, batch=3)
    together = predict_outputs(card, model, lightness, guidance)
    for index in range(3):
        one = slice(index, index + 1)
        alone = predict_outputs(card, model, lightness[one], guidance[one])
        moved = output_difference(alone, [output[one] for output in together])
        message = f"in a batch, the prediction for image {index} changes by {moved:.2e}"
        require(moved < tolerance(card, _OTHER_KERNELS), message)


def check_guidance(card: ModelCard) -> None:
    """Check that exactly the accepted kinds of guidance change the prediction.

    Some kinds have an effect only in combination with another kind, such as a class map with an exemplar.
    """
    model = contract_test_model(card)
    lightness, everything = sample_call(card, _SIZE)
    automatic, guided = predict(model, lightness, Guidance()), predict(model, lightness, everything)
    is_same = torch.equal(automatic, predict(model, lightness, None))
    require(is_same, "guidance=None and guidance=Guidance() give different predictions")
    for kind in [each.name for each in guidance_kinds()]:
        alone = predict(model, lightness, sample_guidance([kind], _SIZE))
        if kind not in card.guidance:
            require(torch.equal(alone, automatic), f"the model does not accept {kind} but depends on it")
            continue
        without = predict(model, lightness, everything.with_hints(**{kind: None}))
        has_effect = max(difference(alone, automatic), difference(guided, without)) > _ROUNDING
        if not has_effect and card.contract_test.discrete:  # a small change of logits may change no symbol
            given = (everything, everything.with_hints(**{kind: None}))
            outputs = [predict_outputs(card, model, lightness, each) for each in given]
            has_effect = output_difference(*outputs) > _ROUNDING
        require(has_effect, f"the model accepts {kind} but ignores it")


def check_deterministic(card: ModelCard) -> None:
    """Check that the prediction does not depend on the global random state."""
    model = contract_test_model(card)
    lightness, guidance = sample_call(card, _SIZE)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        first = predict(model, lightness, guidance)
        torch.manual_seed(2)
        second = predict(model, lightness, guidance)
    require(torch.equal(first, second), "equal inputs give different predictions")


def check_device(card: ModelCard) -> None:
    """Check that the model creates tensors on the device of the input."""
    model = contract_test_model(card)
    lightness, guidance = sample_call(card, _SIZE)
    for given in (guidance, None):
        expected = predict(model, lightness, given)
        with elsewhere():
            found = predict(model, lightness, given)
        require(found.device == expected.device, "the prediction is not on the device of the input")
        require(torch.equal(found, expected), "the prediction depends on torch's default device")


def check_bfloat16_autocast(card: ModelCard) -> None:
    """Check that predictions under bfloat16 autocast are float32 and nearly unchanged.

    The root mean square difference over all pixels must be less than 2 CIE units, or 0.02 for RGB. The
    largest difference is not limited, because random weights amplify the rounding errors of single pixels.
    """
    model = contract_test_model(card)
    lightness, guidance = sample_call(card, _SIZE)
    exact = predict_outputs(card, model, lightness, guidance)
    with torch.autocast("cpu", torch.bfloat16):
        dtype = predict(model, lightness, guidance).dtype
        mixed = predict_outputs(card, model, lightness, guidance)
    require(dtype == torch.float32, f"autocast gives {dtype} instead of float32")
    moved = output_difference(exact, mixed, worst=False)
    limit = tolerance(card, _BFLOAT16)
    require(
        moved < limit,
        f"bfloat16 autocast changes the prediction by {moved:.1%} of the full scale (root mean "
        f"square), more than {limit:.0%}. Compute sensitive steps, such as a softmax with a low "
        "temperature, in a function with the decorator `colorzoo.precision.in_float32`."
        + sampler_advice(card, _BFLOAT16),
    )


def check_memory_format(card: ModelCard) -> None:
    """Check that channels-last weights do not change the prediction."""
    lightness, guidance = sample_call(card, _SIZE, batch=2)
    answers = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        model = copy.deepcopy(contract_test_model(card)).to(memory_format=memory_format)
        # lightness has one channel, so its own memory format is irrelevant
        answers.append(predict_outputs(card, model, lightness, guidance))
    moved = output_difference(*answers)
    message = f"the memory format changes the prediction by {moved:.2e}"
    require(moved < tolerance(card, _OTHER_KERNELS), message)


def check_gradient_reaches_input(card: ModelCard) -> None:
    """Check that the output is differentiable with respect to the input.

    If ``limits`` of the model card contains ``"gradient"``, a gradient must not reach the input.
    """
    lightness, guidance = sample_call(card, _SIZE)
    lightness.requires_grad_()
    answer = contract_test_model(card)(lightness, guidance).colors.sum()
    if answer.requires_grad:
        torch.autograd.backward(answer)
    ok = lightness.grad is not None and bool(lightness.grad.isfinite().all()) and bool(lightness.grad.any())
    if "gradient" in card.limits:
        require(not ok, "limits contains 'gradient', but a gradient reaches the input")
    else:
        require(ok, "no gradient reaches the input")


# multiples of 32, at least 64, because guards of torch.export assume that the traced image was not padded
_EXPORT_SIZES: tuple[Size, tuple[Size, Size]] = ((64, 96), ((96, 64), (64, 160)))


def check_export(card: ModelCard) -> None:
    """Check that a torch.export graph also supports sizes other than the traced size.

    The check passes if ``limits`` of the model card contains ``"export"``.
    """
    if "export" in card.limits:
        return
    found = compare_traced(contract_test_model(card).model, *graph_samples(card, *_EXPORT_SIZES))
    _require_alike(card, "torch.export", found)


def check_onnx(card: ModelCard) -> None:
    """Check that an ONNX graph also supports sizes other than the traced size.

    The check passes if ``limits`` of the model card contains ``"export"``.
    """
    if "export" in card.limits:
        return
    require_onnx()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "model.onnx"
        made = write_graph(contract_test_model(card).model, *graph_samples(card), file, {})
    _require_alike(card, "onnx", made.differences)


def _require_alike(card: ModelCard, kind: str, differences: Mapping[Size, float]) -> None:
    for size, moved in differences.items():
        message = f"the {kind} graph and the model differ by {moved:.2e} at image size {size}"
        require(moved < tolerance(card, TOLERANCE), message)
