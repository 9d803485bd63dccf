"""A training step, and all results of it that a setting can change."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from colorzoo.color.sketch import rgb_to_gray, xdog
from colorzoo.data import Batch
from colorzoo.factory import build_model
from colorzoo.options import constructor_parameters
from colorzoo.registry import load_task_class, model_card
from colorzoo.settings import Range
from colorzoo.testing import sample_batch, sample_input
from colorzoo.testing.trainer import GradientRecorder, batch_loader, quiet_trainer
from colorzoo.training.module import ColorizationModule
from colorzoo.weights.load import Provenance

# Built by the command line; tests/training/test_optimization.py tests them for all models.
_OPTIMIZATION = ("optimizer", "lr_scheduler", "discriminator_optimizer", "discriminator_lr_scheduler")


@dataclass(frozen=True)
class Knobs:
    """How the settings of one class are tested.

    Attributes:
        base: Settings that make the model small and every setting effective (no weight of 0).
        values: Alternative values of settings for which `other_value` derives none.
        exempt: Settings without effect on a training step and on the prediction without guidance.
        size: Image side in pixels.
        batch: Number of images in a batch.
        steps: Number of batches.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, Any] = field(default_factory=dict)
    exempt: Collection[str] = ()
    size: int = 32
    batch: int = 2
    steps: int = 1


def settings_to_try(name: str, knobs: Knobs) -> list[str]:
    """Return the settings of a registered model, except optimizer settings.

    Optional texts, such as paths of weight files, are included only if `Knobs.values` contains a value.
    """
    cls = load_task_class(model_card(name))
    optional = {name for name, hint in setting_types(cls).items() if {str, type(None)} <= set(get_args(hint))}
    tried = constructor_parameters(cls).keys() - set(_OPTIMIZATION) - set(knobs.exempt)
    return sorted(tried - (optional - knobs.values.keys()))


def setting_types(cls: type[Any]) -> dict[str, Any]:
    """Return the type annotation of every setting."""
    return {name: each.annotation for name, each in constructor_parameters(cls).items()}


def base_settings(name: str, knobs: Knobs) -> dict[str, Any]:
    card = model_card(name)
    return {**card.hparams, **card.contract_test.hparams, **knobs.base}


def settings_of_base(name: str, knobs: Knobs) -> dict[str, Any]:
    """Return the base settings with their defaults; the model is built on the meta device."""
    cls = load_task_class(model_card(name))
    with torch.device("meta"):
        built = build_model(cls, base_settings(name, knobs))
    return built.hparams


def other_value(name: str, setting: str, knobs: Knobs, base: Mapping[str, Any]) -> Any:
    """Return a value that differs from the base setting.

    Raises:
        LookupError: The type has no alternative value; `Knobs.values` must name one.
    """
    if setting in knobs.values:
        return knobs.values[setting]
    now = base[setting]
    if isinstance(now, bool):
        return not now
    if isinstance(now, int):
        hint = setting_types(load_task_class(model_card(name)))[setting]
        steps = [each.step for each in get_args(hint) if isinstance(each, Range)]
        return now + max([1, *steps])
    if isinstance(now, float):
        return 0.37 * now + 0.11
    raise LookupError(f"{name}: give Knobs.values another value of {setting} than {now!r}")


def trace(name: str, knobs: Knobs, folder: Path, **changed: Any) -> dict[str, Any]:
    """Train for `Knobs.steps` and return losses, gradients, shapes and a prediction with initial weights."""
    torch.manual_seed(0)
    model = build_model(load_task_class(model_card(name)), {**base_settings(name, knobs), **changed})
    model.allow_untrained = True  # networks of losses stay random, as in the contract tests
    model.provenance = Provenance(model="Earlier", steps=1)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad and parameter.ndim > 1 and not parameter.any():
                parameter.normal_(std=0.01)  # zero layers would hide the layers before them
    colors = _prediction(model, knobs)
    batches = [_batch(knobs, seed) for seed in range(knobs.steps)]
    found = _step(model, batches) if model.automatic_optimization else _fit(model, batches, folder)
    found["colors"] = colors
    found["start"] = model.provenance.start
    found["shapes"] = [tuple(p.shape) for p in model.parameters()]
    found["modes"] = [module.training for module in model.modules()]
    return found


@torch.inference_mode()
def _prediction(model: ColorizationModule, knobs: Knobs) -> float:
    model.eval()
    found = model(sample_input(model.model.input_kind, (knobs.size, knobs.size))).colors
    model.train()
    assert found.isfinite().all()  # NaN would differ from NaN
    return float(found.double().abs().sum())


def _step(model: ColorizationModule, batches: list[Batch]) -> dict[str, Any]:
    """Compute the gradients of the steps without a Trainer, which is slower than the steps."""
    seen: list[dict[str, float]] = []
    model.log_dict = lambda values, **_: seen.append({k: float(v) for k, v in values.items()})  # type: ignore[method-assign]
    model.log = lambda name, value, **_: seen.append({name: float(value)})  # type: ignore[method-assign]
    model.setup("fit")
    model.prepare_fit()
    model.train()
    for index, batch in enumerate(batches):
        model.training_step(batch, index).backward()
    held = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"losses": seen, "gradients": _sums(held)}


def _fit(model: ColorizationModule, batches: list[Batch], folder: Path) -> dict[str, Any]:
    gradients, losses = GradientRecorder(), _Losses()
    quiet_trainer(folder, max_epochs=1, callbacks=[gradients, losses]).fit(model, batch_loader(batches))
    return {"losses": losses.seen, "gradients": _sums(gradients.gradients)}


def _batch(knobs: Knobs, seed: int) -> Batch:
    batch = sample_batch((knobs.size, knobs.size), batch=knobs.batch, seed=seed)
    batch["sketch"] = xdog(rgb_to_gray(batch["rgb"]))
    side = knobs.size / 4
    corners = torch.tensor([[0, 0, 2 * side, 2 * side], [side, side, 3 * side, 4 * side]])
    batch["boxes"] = [corners] * knobs.batch
    return batch


def _sums(tensors: Mapping[str, Tensor]) -> dict[str, float]:
    return {key: float(value.double().abs().sum()) for key, value in tensors.items()}


class _Losses(Callback):
    def __init__(self) -> None:
        self.seen: list[dict[str, float]] = []

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        assert isinstance(pl_module, ColorizationModule)
        self.seen.append({key: float(value) for key, value in trainer.callback_metrics.items()})
