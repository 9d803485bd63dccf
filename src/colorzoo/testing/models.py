"""What all checks share: a small model with weights worth comparing, and how results are compared."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from colorzoo.card import ModelCard
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.networks.stored_spectral import StoredSpectralConv
from colorzoo.registry import load_class
from colorzoo.tasks import AbPrediction, ColoringModel, ColorizationModule, Prediction, RgbPrediction
from colorzoo.testing.samples import Size, sample_guidance, sample_input

_FULL_SCALE = {"ab": 100.0, "rgb": 1.0}


class ContractError(AssertionError):
    """A model does not keep the contract."""


def require(condition: bool, message: str) -> None:
    """Raise `ContractError` with ``message`` unless ``condition`` holds, also under ``python -O``."""
    if not condition:
        raise ContractError(message)


def smoke_model(card: ModelCard, *, seed: int = 0) -> ColorizationModule:
    """Build the small variant of a model, in evaluation mode.

    Trainable weights with two or more axes are drawn anew with He's deviation: papers that begin with tiny
    weights would otherwise answer almost nothing, and nothing is easily equal to nothing.

    Args:
        card: The model.
        seed: Seed of the weights.
    """
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)  # constructors draw from the global state
        model_class: type[ColorizationModule] = load_class(card)
        model = build_model(model_class, {**card.hparams, **card.smoke.hparams})
        for name, parameter in model.named_parameters():
            if parameter.ndim > 1 and parameter.requires_grad:
                deviation = math.sqrt(2 / parameter[0].numel()) * card.smoke.scales.get(name, 1.0)
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * deviation)
        for layer in model.modules():
            if isinstance(layer, StoredSpectralConv):
                layer.settle()  # what it knows of a weight's norm is of the weight before
    return model.eval()


def sample_call(card: ModelCard, size: Size, *, batch: int = 1, seed: int = 0) -> tuple[Tensor, Guidance]:
    """Return an input of the model and guidance of all kinds that it accepts."""
    luma = sample_input(card.input, size, batch=batch, seed=seed)
    return luma, sample_guidance(card.guidance, size, batch=batch, seed=seed)


def picture(card: ModelCard, prediction: Prediction) -> Tensor:
    """Return the ab or RGB tensor that the card promises."""
    promised = AbPrediction if card.output == "ab" else RgbPrediction
    if not isinstance(prediction, promised):
        raise ContractError(f"{card.name} promises {card.output} but answers {type(prediction).__name__}")
    return prediction.colors


@torch.inference_mode()
def predict(card: ModelCard, model: ColoringModel, luma: Tensor, guidance: Guidance | None) -> Tensor:
    """Return the picture that a model answers, without gradients."""
    return picture(card, model(luma, guidance)).clone()


def difference(card: ModelCard, one: Tensor, other: Tensor) -> float:
    """Return the largest difference as a share of the full scale (100 CIE units, or 1 in RGB)."""
    require(one.shape == other.shape, f"{card.name}: shapes {one.shape} and {other.shape} differ")
    return float((one - other).abs().max()) / _FULL_SCALE[card.output]
