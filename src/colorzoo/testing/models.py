"""Small models with seeded weights, and comparison of predictions."""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from colorzoo.card import ModelCard
from colorzoo.console import first_words
from colorzoo.engines.samples import Size, sample_guidance, sample_input
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.registry import load_task_class
from colorzoo.training.module import ColorizationModule

_LARGEST_TOLERANCE = 0.5  # fraction of the full scale
# words in the errors of torch about meta tensors whose values are read
_READ = re.compile(r"item\(\)|copy out of meta|nonzero|to numpy|__format__|no fake impl|repeat_interleave")


class ContractError(AssertionError):
    """Error for a model that fails a contract test."""


def require(condition: bool, message: str) -> None:
    """Raise `ContractError` with a message if a condition is false.

    Unlike ``assert``, the function works under ``python -O``.
    """
    if not condition:
        raise ContractError(message)


def contract_test_model(card: ModelCard, *, seed: int = 0) -> ColorizationModule:
    """Build the small variant of a model with its task, in eval mode.

    Examples:
        >>> model = contract_test_model(colorzoo.model_card("zhang2017_local"))
        >>> model(torch.full((1, 1, 32, 48), 50.0)).ab.shape
        torch.Size([1, 2, 32, 48])

    Trainable weights with two or more axes use He initialization, because models with tiny initial weights
    predict nearly 0 for every input.

    Args:
        card: Model card.
        seed: Seed of the random weights.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)  # constructors use the global random state
        model_class: type[ColorizationModule] = load_task_class(card)
        model = build_model(model_class, {**card.hparams, **card.contract_test.hparams})
        # the card must not name unknown parameters
        parameters = dict(model.named_parameters())
        trial = card.contract_test
        listed = [("scales", pattern) for pattern in trial.scales]
        listed += [("without_gradient", pattern) for pattern in trial.without_gradient]
        for field, pattern in listed:
            if not fnmatch.filter(parameters, pattern):
                similar = get_close_matches(pattern, parameters, 1, cutoff=0)
                raise ContractError(
                    f"{field} must match parameters of the task, such as {similar[0]}, got {pattern}"
                )
        for name, parameter in parameters.items():
            if parameter.ndim > 1 and parameter.requires_grad:
                fan_in = parameter[0].numel()
                factors = [trial.scales[each] for each in trial.scales if fnmatch.fnmatch(name, each)]
                deviation = math.sqrt(2 / fan_in) * math.prod(factors)
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
        for layer in model.modules():
            if isinstance(layer, StoredSpectralConv):
                layer.settle()  # update the stored spectral norm, which belongs to the previous weight
    return model.eval()


def tolerance(card: ModelCard, value: float) -> float:
    """Return a tolerance of rounding errors for a model; see ``error_scale`` of `ContractTestConfig`.

    Half of the full scale is the maximum, because predictions that do not agree at all differ by more.
    """
    return min(value * card.contract_test.error_scale, _LARGEST_TOLERANCE)


def sample_call(card: ModelCard, size: Size, *, batch: int = 1, seed: int = 0) -> tuple[Tensor, Guidance]:
    """Return random lightness or sketches and random guidance of every kind the model accepts."""
    lightness = sample_input(card.input, size, batch=batch, seed=seed)
    return lightness, sample_guidance(card.guidance, size, batch=batch, seed=seed)


def sampler_advice(card: ModelCard, value: float) -> str:
    """Return the fields of the card that permit larger errors of samplers; empty if they have no effect.

    Args:
        card: Model card.
        value: Tolerance without ``error_scale``.
    """
    if card.contract_test.discrete or tolerance(card, value) >= _LARGEST_TOLERANCE:
        return ""
    return (
        " For a sampler, set error_scale of contract_test in the card; if it samples symbols, such as color "
        "bins, set discrete=True instead."
    )


@torch.inference_mode()
def predict(model: nn.Module, lightness: Tensor, guidance: Guidance | None) -> Tensor:
    """Return the ab or RGB prediction of a model or task without gradients."""
    colors: Tensor = model(lightness, guidance).colors
    return colors.clone()


@torch.inference_mode()
def predict_outputs(
    card: ModelCard, model: nn.Module, lightness: Tensor, guidance: Guidance | None
) -> tuple[Tensor, ...]:
    """Return the outputs that `output_difference` compares.

    The outputs are the colors, or logits ``(B, Q, N)`` and symbols ``(B, N)`` if the card has ``discrete``.
    """
    prediction = model(lightness, guidance)
    if not card.contract_test.discrete:
        return (prediction.colors.clone(),)
    missing = {"logits", "symbols"} - prediction.extras.keys()
    require(not missing, f"with discrete=True, the prediction must have the extras {sorted(missing)}")
    return prediction.extras["logits"].float().flatten(2), prediction.extras["symbols"].flatten(1)


class _AtGenerators(TorchFunctionMode):
    """Context in which random numbers are drawn on the device of the generator."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        drawing = (torch.rand, torch.randn, torch.randint, torch.randperm)
        if func in drawing and (generator := named.get("generator")):
            named.setdefault("device", generator.device)
        return func(*args, **named)


@contextmanager
def elsewhere() -> Iterator[None]:
    """Set torch's default device to ``meta`` in a ``with`` block.

    In this block, code that creates a tensor without specifying the device of its input fails, because the
    new tensor and the input are on different devices.

    Raises:
        ContractError: A tensor on the default device is combined with an input tensor, or its values are
            read.
    """
    try:
        with torch.device("meta"), _AtGenerators():
            yield
    except (NotImplementedError, RuntimeError, TypeError) as error:
        if _READ.search(str(error)):
            raise ContractError(
                "values of a new tensor without a device are read, for example by float(), tolist(), if or "
                f"indexing: {first_words(error)}. Compute them with Python numbers, or set the device of the "
                'tensor, as in torch.arange(count, device="cpu").'
            ) from error
        if isinstance(error, TypeError):  # an error of the model itself
            raise
        raise ContractError(
            f"a new tensor is not on the device of the input: {first_words(error)}. Set the device of new "
            "tensors, as in torch.tensor(values, device=lightness.device)."
        ) from error


class HostSeeds(Tensor):
    """Seeds of a batch, which stay on the CPU while the images of the batch are on another device.

    The attribute ``device`` is ``meta``. Code that creates a tensor on the device of the seeds and combines
    the new tensor with images therefore fails.
    """

    @property
    def device(self) -> torch.device:  # type: ignore[override]  # an attribute in the stubs
        """A device without images."""
        return torch.device("meta")


def difference(one: Tensor, other: Tensor, *, worst: bool = True) -> float:
    """Return the difference between two predictions as a fraction of the full scale.

    The full scale is 100 CIE units for ab and 1 for RGB.

    Args:
        one: ``(B, 2, H, W)`` ab or ``(B, 3, H, W)`` RGB.
        other: Another prediction of the same shape.
        worst: Whether to return the largest difference, and not the root mean square.
    """
    require(one.shape == other.shape, f"shapes {one.shape} and {other.shape} differ")
    change = (one - other).abs() / (100.0 if one.shape[1] == 2 else 1.0)
    return float(change.max() if worst else change.square().mean().sqrt())


def output_difference(one: Sequence[Tensor], other: Sequence[Tensor], *, worst: bool = True) -> float:
    """Return the difference between two results of `predict_outputs` as a fraction of the full scale.

    The full scale of logits is the difference between their largest and their smallest value. Only symbols
    whose earlier symbols are equal in both predictions are compared, because rounding errors can change a
    symbol, and the logits of later symbols depend on it.

    Args:
        one: Outputs of a model.
        other: Other outputs of the same shapes.
        worst: Whether to return the largest difference, and not the root mean square.
    """
    if len(one) == 1:
        return difference(one[0], other[0], worst=worst)
    (logits, symbols), (other_logits, other_symbols) = one, other
    require(logits.shape == other_logits.shape, f"shapes {logits.shape} and {other_logits.shape} differ")
    has_equal_history = F.pad((symbols == other_symbols).long(), (1, -1), value=1).cumprod(dim=1) > 0
    change = ((logits - other_logits) / (logits.max() - logits.min()).clamp(min=1e-6)).mT[has_equal_history]
    return float(change.abs().max() if worst else change.square().mean().sqrt())
