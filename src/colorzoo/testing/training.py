"""Checks of gradients and training configurations."""

from __future__ import annotations

import csv
import fnmatch
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from colorzoo.card import ModelCard
from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.errors import ColorzooError
from colorzoo.factory import build_model
from colorzoo.guidance import decode_text
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.options import constructor_parameters
from colorzoo.registry import load_task_class
from colorzoo.testing.models import ContractError, HostSeeds, contract_test_model, elsewhere, require
from colorzoo.testing.samples import contract_test_batch, write_sample_images
from colorzoo.testing.trainer import GradientRecorder, batch_loader, quiet_trainer, silent_lightning
from colorzoo.training.command import run_command
from colorzoo.training.configs import find_config
from colorzoo.training.gan import GANColorizationModule
from colorzoo.training.module import ColorizationModule

_BATCH, _FIRST_STEPS = 4, 3
_TRAIN_BATCH, _STEPS = 3, 2
_LOSS_CHANGE = 0.002  # maximum relative change of a loss by autocast outside the networks


def check_gradients(card: ModelCard) -> None:
    """Check that a training step computes a gradient for every trainable weight.

    Weights listed in ``without_gradient`` of the card must have no gradient. If ``limits`` of the card
    contains ``"training"``, the model must have no weights and must raise an error in training.
    """
    if not card.trainable:
        _check_refusal(card)
        return
    trained, without_gradient = _train(contract_test_model(card), [contract_test_batch(card, _BATCH)])
    patterns = card.contract_test.without_gradient
    listed = {name for pattern in patterns for name in fnmatch.filter(trained, pattern)}
    missing, surplus = sorted(without_gradient - listed), sorted(listed - without_gradient)
    require(not missing, f"the gradient of {missing} is zero, missing or not finite")
    require(not surplus, f"without_gradient must not match {surplus}")


def check_first_steps(card: ModelCard) -> None:
    """Check that every trainable weight has a gradient in one of the first training steps.

    Unlike the other checks, this one keeps the initial weights and settings of the card. A layer whose
    initial weights are zero can have a gradient of zero in every step.
    """
    if not card.trainable:
        return
    task = load_task_class(card)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build_model(task, {**card.contract_test.hparams, **card.hparams, **_without_trunk(task)})
    batches = [contract_test_batch(card, _BATCH, seed=seed) for seed in range(_FIRST_STEPS)]
    _, missing = _train(model, batches)
    require(not missing, f"{sorted(missing)} have no gradient in the first {_FIRST_STEPS} training steps")


def _train(model: ColorizationModule, batches: Sequence[Batch]) -> tuple[list[str], set[str]]:
    """Train a model and return the names of its trainable parameters, and of those without a gradient.

    Gradients must be finite and not zero in at least one step; those of biases may be zero.
    """
    model.train().allow_untrained = True  # teacher networks of losses keep random weights; avoids downloads
    recorder = GradientRecorder()
    with TemporaryDirectory() as folder, silent_lightning():
        quiet_trainer(folder, max_epochs=1, callbacks=[recorder]).fit(model, batch_loader(batches))
    trained = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
    return trained, set(trained) - recorder.alive


def _without_trunk(task: type[ColorizationModule]) -> dict[str, None]:
    """Return settings without initial weights, which may not be available or not match a small model."""
    return {"trunk": None} if "trunk" in constructor_parameters(task) else {}


def check_training_device(card: ModelCard) -> None:
    """Check that losses and validation guidance are created on the device of the batch."""
    if not card.trainable:
        return
    batch = contract_test_batch(card, _BATCH)
    expected = _training_tensors(card, batch)
    batch["seed"] = batch["seed"].as_subclass(HostSeeds)
    with elsewhere():
        found = _training_tensors(card, batch)
    pairs = zip(found, expected, strict=True)
    ok = all(one.device == other.device and one.equal(other) for one, other in pairs)
    require(ok, "losses or guidance depend on torch's default device")


def check_losses_under_autocast(card: ModelCard) -> None:
    """Check that bfloat16 autocast does not change losses and guidance, apart from the networks."""
    if not card.trainable:
        return
    batch = contract_test_batch(card, _BATCH)
    expected = _training_tensors(card, batch)
    with _autocast_outside_networks():
        found = _training_tensors(card, batch)
    changes = []  # largest change of each tensor relative to its largest value
    for one, other in zip(found, expected, strict=True):
        if other.is_floating_point() and other.numel():
            largest = other.detach().abs().max().clamp(min=1e-3)
            changes.append(float((one - other).detach().abs().max() / largest))
    change = max(changes)
    require(
        change < _LOSS_CHANGE,
        f"bfloat16 autocast changes a loss or guidance by {change:.2%}. "
        "Compute it in a function with the decorator `colorzoo.precision.in_float32`.",
    )


@contextmanager
def _autocast_outside_networks() -> Iterator[None]:
    """Enable bfloat16 autocast, but compute the forward passes of all modules in float32."""
    outer_states: list[bool] = []  # for each running module, whether autocast was enabled before its forward

    def disable_autocast(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        outer_states.append(torch.is_autocast_enabled("cpu"))
        torch.set_autocast_enabled("cpu", False)
        return tuple(
            value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value
            for value in inputs
        )

    def restore_autocast(*_: object) -> None:
        torch.set_autocast_enabled("cpu", outer_states.pop())

    # torch's type hint lacks the returned inputs, therefore the cast
    before_forward = register_module_forward_pre_hook(cast(Any, disable_autocast))
    after_forward = register_module_forward_hook(restore_autocast, always_call=True)
    try:
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        before_forward.remove()
        after_forward.remove()


def _training_tensors(card: ModelCard, batch: Batch) -> list[Tensor]:
    """Return the losses of a training step and the tensors of the validation guidance."""
    # the small variant on the CPU, as before the first training step
    torch.manual_seed(0)  # random teacher networks of losses, and dropout
    with torch.device("cpu"):
        model = contract_test_model(card).train()
        model.allow_untrained = True
        model.trainer = quiet_trainer(".", max_steps=1)
        model.setup("fit")
        model.prepare_fit()
    logged: list[tuple[Mapping[str, Tensor], int]] = []
    model.log_losses = lambda *given: logged.append(given)  # type: ignore[method-assign]
    if isinstance(model, GANColorizationModule):  # its base class logs both losses
        generated = model.generate(batch)
        discriminator_loss = model.discriminator_loss(batch, model.regenerate(batch, generated))
        tensors = [model.generator_loss(batch, generated), discriminator_loss]
    else:
        tensors = [cast(Tensor, model.training_step(batch, 0))]
        require(bool(logged), "a training step logs no loss")
    for losses, count in logged:
        require(count == len(batch["rgb"]), "a training step logs a wrong batch size")
        tensors += losses.values()
    for _, guidance in model.validation_guidances(batch, rgb_to_lab(batch["rgb"])):
        tensors += guidance.tensors().values()
    return tensors


def check_config(card: ModelCard, configs: Path | None = None, images: Path | None = None) -> None:
    """Check that the training configuration of the card runs; see `train_config`.

    Args:
        card: Model card; a model without a configuration passes.
        configs: Folder of training configurations; None selects the search folders of `colorzoo fit`.
        images: Folder of training and validation images; see `train_config`.
    """
    if card.config is None:
        return
    message = f"the card lists 'training' in its limits (unsupported features) and config {card.config}"
    require(card.trainable, message)
    path = find_config(card.config) if configs is None else configs / card.config
    train_config(card, path, images)


def train_config(card: ModelCard, config: Path, images: Path | None = None) -> None:
    """Run a training configuration for two steps, followed by validation.

    The run uses the command-line code and the small contract-test variant of the model. The run must save the
    best and the last checkpoint. Training batches have three images. The validation batches have two images
    and one image.

    Args:
        card: Card of a model whose class the configuration trains.
        config: Path of the configuration.
        images: Folder with at least six images in ``train`` and three in ``val``; None generates random
            images.

    Raises:
        ContractError: The run fails, a loss is not finite, a checkpoint is missing, or validation writes no
            image although the model colorizes photos.
    """
    with TemporaryDirectory() as name, silent_lightning():
        folder = Path(name)
        if images is None:
            images = folder / "images"
            count = 2 * _STEPS * _TRAIN_BATCH  # half of the images are in `train`
            paths = write_sample_images(images, count=count, classes=2 if "label" in card.guidance else 0)
            if "text" in card.guidance:  # for a configuration with `hints: [text]`
                codes = guidance_kind("text").sample((1, 1), count, 0)
                for path, text in zip(paths, decode_text(codes), strict=True):
                    path.with_suffix(".txt").write_text(text, encoding="utf-8")
        overlay = write_overlay(card, folder, images)
        code = run_command(["fit", "--config", str(config), "--config", str(overlay)])
        losses = logged(folder, "train/")
        metrics = logged(folder, "val/")
        checkpoints = {path.name for path in folder.rglob("*.ckpt")}
        has_examples = any(folder.rglob("images/step-*.png"))
    require(code == 0, f"{config} ended with exit code {code}")
    are_finite = all(math.isfinite(value) for value in losses)
    require(len(losses) >= _STEPS and are_finite, f"{config} logged {losses} in two steps")
    require(bool(metrics), f"{config} does not end with a validation")
    require("last.ckpt" in checkpoints, f"{config} does not save the last checkpoint, only {checkpoints}")
    require(len(checkpoints) > 1, f"{config} does not save the best checkpoint, only {checkpoints}")
    require(has_examples or card.input == "sketch", f"{config} wrote no example image in validation")


def _check_refusal(card: ModelCard) -> None:
    """Check that a model without weights raises an error in training."""
    model = contract_test_model(card)
    found = [name for name, _ in model.named_parameters()]
    claim = "the card lists 'training' in its limits"
    require(not found, f"{claim}, but the model has parameters: {found}")
    require(not card.weights, f"{claim}, but also lists weights")
    require(model.trained, f"{claim}, so model.trained must be True")
    with TemporaryDirectory() as folder, silent_lightning():
        try:
            batches = batch_loader([contract_test_batch(card, _BATCH)])
            quiet_trainer(folder, max_epochs=1).fit(model, batches)
        except ColorzooError as error:
            require("\n" not in str(error), f"the error must be one line, got {error}")
            return
    raise ContractError(f"{claim} (unsupported features), but training succeeded")


def write_overlay(card: ModelCard, folder: Path, images: Path) -> Path:
    """Write a second configuration file that shortens training to a test run; return its path.

    Args:
        card: Card of the trained model.
        folder: Folder for the file and for the outputs of the run.
        images: Folder of training and validation images.
    """
    model_class = load_task_class(card)
    unset = _without_trunk(model_class)
    # the training stage of the configuration is kept
    small_settings = {name: value for name, value in card.contract_test.hparams.items() if name != "stage"}
    # small images and small batches
    side = card.contract_test.size
    data = {"root": str(images), "batch_size": _TRAIN_BATCH, "crop": side, "resize": side + 4}
    data |= {"val_size": side, "val_batch_size": 2, "val_limit": 3, "num_workers": 0}
    data |= {"classes": False, "source_fractions": None}  # the images have no class maps and no sources
    if "label" in card.guidance:
        data["labels"] = True
    # The options of the validation are those of the configuration, so that the length of the run is not a
    # multiple of the interval.
    trainer = {
        "max_epochs": -1,
        "max_steps": _STEPS,
        "log_every_n_steps": 1,
        "accelerator": "cpu",
        "devices": 1,
        "logger": {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": str(folder)},
        },
        "default_root_dir": str(folder),
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    overlay = {
        "model": {"init_args": unset | small_settings},
        "data": {"class_path": "colorzoo.data.FolderDataModule", "init_args": data},
        "trainer": trainer,
        "init_from": None,
        "allow_untrained": True,  # frozen parts keep random weights
    }
    path = folder / "overlay.yaml"
    path.write_text(json.dumps(overlay))  # JSON is YAML
    return path


def logged(folder: Path, prefix: str) -> list[float]:
    """Return sums of logged values, one sum for each row of the CSV logs in ``folder``.

    A sum includes the columns whose names start with ``prefix``. Rows without such values are skipped.
    """
    sums = []
    for log in folder.rglob("metrics.csv"):
        for row in csv.DictReader(log.open()):
            if values := [float(value) for key, value in row.items() if key.startswith(prefix) and value]:
                sums.append(sum(values))
    return sums
