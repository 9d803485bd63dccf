"""Checks for saving, loading and copying weights."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from lightning.pytorch import Trainer

from colorzoo.card import ModelCard
from colorzoo.factory import build_model
from colorzoo.model import ColoringModel
from colorzoo.registry import cards_of, load_task_class
from colorzoo.testing.models import (
    contract_test_model,
    difference,
    output_difference,
    predict,
    predict_outputs,
    require,
    sample_call,
    sampler_advice,
    tolerance,
)
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.weights import read_weights
from colorzoo.weights.load import save_weights

_SIZE = (37, 53)
_FLOAT16 = 0.005  # fraction of the full scale, at the worst pixel


def check_state_dict_round_trip(card: ModelCard) -> None:
    """Check that loading a state dict into another model reproduces the predictions.

    The state dict must contain all parameters. If ``limits`` of the model card contains ``"training"``, the
    state dict must be empty, and the predictions must not depend on the seed.
    """
    model, other_model = contract_test_model(card), contract_test_model(card, seed=1)
    lightness, guidance = sample_call(card, _SIZE)
    expected = predict(model, lightness, guidance)
    distance = difference(expected, predict(other_model, lightness, guidance))
    if card.trainable:
        require(distance > 1e-3, "the prediction does not depend on the weights")
    keys = list(model.state_dict())
    missing = sorted(dict(model.named_parameters()).keys() - keys)
    require(not missing, f"the state dict does not contain the parameters {missing}")
    if not card.trainable:
        require(not keys, f"the card lists 'training' in its limits, but the state dict contains {keys}")
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(model.state_dict(), path)
        other_model.load_state_dict(torch.load(path, weights_only=True))
    is_restored = torch.equal(predict(other_model, lightness, guidance), expected)
    require(is_restored, "a loaded state dict does not restore the predictions")


def check_half_safetensors_round_trip(card: ModelCard) -> None:
    """Check that weights stored as float16 safetensors give nearly the same predictions."""
    if not card.trainable:  # a file cannot be empty
        return
    model, fresh = contract_test_model(card), contract_test_model(card, seed=1)
    lightness, guidance = sample_call(card, _SIZE)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "weights.safetensors"
        save_weights(path, model.state_dict(), {}, dtype="float16")
        fresh.load_state_dict(read_weights(path).state_dict)
    outputs = [predict_outputs(card, each, lightness, guidance) for each in (model, fresh)]
    moved = output_difference(*outputs)
    limit = tolerance(card, _FLOAT16)
    require(
        moved < limit,
        f"float16 weights change the prediction by {moved:.1%}, more than {limit:.1%}."
        + sampler_advice(card, _FLOAT16),
    )


def check_checkpoint_round_trip(card: ModelCard) -> None:
    """Check that a checkpoint loads with ``weights_only=True`` and restores the predictions.

    The settings ``hparams`` of the `ColoringModel` must also suffice to rebuild it.
    """
    task = contract_test_model(card)
    lightness, guidance = sample_call(card, _SIZE)
    expected = predict(task, lightness, guidance)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.ckpt"
        save_checkpoint(quiet_trainer(folder), task, path)
        keys = torch.load(path, weights_only=True).keys()
        loaded = load_task_class(card).load_from_checkpoint(path, map_location="cpu").eval()
    required = {"state_dict", "hyper_parameters"} if task.hparams else {"state_dict"}
    require(required <= keys, f"the checkpoint must contain {sorted(required)}, got {list(keys)}")
    is_restored = torch.equal(predict(loaded, lightness, guidance), expected)
    require(is_restored, "a checkpoint does not restore the model")
    # a model that is built from hparams must have the same tensors, and the same predictions with them
    rebuilt = build_model(type(task.model), task.model.hparams).eval()
    is_rebuilt = _shapes(rebuilt) == _shapes(task.model)
    if is_rebuilt:
        rebuilt.load_state_dict(task.model.state_dict())
        is_rebuilt = torch.equal(predict(rebuilt, lightness, guidance), expected)
    require(is_rebuilt, f"hparams do not contain all arguments of {type(task.model).__name__}")


def _shapes(model: torch.nn.Module) -> dict[str, torch.Size]:
    """Return the shapes of the tensors in the state dict by name."""
    return {name: tensor.shape for name, tensor in model.state_dict().items()}


def check_pretrained_round_trip(card: ModelCard) -> None:
    """Check that `ColoringModel.from_pretrained` restores a model that ``save_pretrained`` wrote.

    Class, settings, tensors, predictions and the attribute ``trained`` must be equal.
    """
    model = contract_test_model(card).model
    lightness, guidance = sample_call(card, _SIZE)
    # the base class finds a registered class by its name
    loader = ColoringModel if cards_of(type(model)) else type(model)
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        loaded = loader.from_pretrained(folder)
    expected = predict(model, lightness, guidance)
    saved_tensors, loaded_tensors = model.state_dict(), loaded.state_dict()
    comparisons = {
        "classes": type(loaded) is type(model),
        "settings": loaded.hparams == model.hparams,
        "flags 'trained'": loaded.trained == model.trained,
        "tensors": loaded_tensors.keys() == saved_tensors.keys()
        and all(torch.equal(loaded_tensors[name], saved_tensors[name]) for name in saved_tensors),
        "predictions": torch.equal(predict(loaded, lightness, guidance), expected),
    }
    for name, is_equal in comparisons.items():
        require(is_equal, f"the {name} before save_pretrained and after from_pretrained differ")


def check_copies(card: ModelCard) -> None:
    """Check that pickled and deep copies of the model make equal predictions."""
    model = contract_test_model(card).model
    lightness, guidance = sample_call(card, _SIZE)
    expected = predict(model, lightness, guidance)
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        same = torch.equal(predict(other, lightness, guidance), expected)
        require(same, "the prediction of a copy differs")


def save_checkpoint(trainer: Trainer, model: torch.nn.Module, path: Path) -> None:
    """Save a checkpoint of an untrained model."""
    trainer.strategy.connect(model)  # type: ignore[arg-type]
    trainer.save_checkpoint(path, weights_only=True)
