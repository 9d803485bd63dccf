"""Check that training in two processes equals training in one process."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from timm.layers import DropPath
from torch import Tensor, nn
from torch.optim import Optimizer

import colorzoo.zoo
from colorzoo.card import ModelCard
from colorzoo.data import Batch
from colorzoo.testing.models import contract_test_model, require
from colorzoo.testing.processes import in_processes
from colorzoo.testing.samples import contract_test_batch
from colorzoo.testing.trainer import GradientRecorder, batch_loader, quiet_trainer, silent_lightning

_PROCESSES = 2
_SAME_LOSS, _SAME_GRADIENT, _SAME_METRIC = 1e-4, 1e-2, 1e-6
_ROUNDING = 1e-4  # differences below this fraction of a network's largest gradient are rounding errors
_BY_IMAGE = (
    "losses must be means over images, and random numbers must be drawn for each image "
    "(colorzoo.randomness.image_generators)"
)
_SHARE = 2  # images of a training batch in each process
# five validation images by process and batch; uneven, as in practice
_VALIDATION = ((slice(0, 2), slice(2, 3)), (slice(3, 5),))


@dataclass(frozen=True)
class _Run:
    """Results of a short training run.

    Attributes:
        metrics: Validation metrics before the first step, by name.
        losses: Losses of each step: one loss, or the generator and discriminator losses.
        gradients: Gradients of the first optimizer step, by parameter name.
    """

    metrics: dict[str, float]
    losses: list[list[float]]
    gradients: dict[str, Tensor]


def check_two_processes_equal_one(card: ModelCard, steps: int = 3) -> None:
    """Check that training in two processes equals training in one process.

    Both runs use the same global batches. The check compares the losses of each step, the gradients of the
    first step, and the validation metrics. The validation batches have different sizes, and each image must
    count once in the metrics. BatchNorm layers stay in eval mode and dropout is disabled, because each
    process would compute its own batch statistics and draw its own random numbers. Models without weights
    pass.

    Args:
        card: Model card.
        steps: Number of training steps.

    Raises:
        ContractError: A difference exceeds rounding errors.
    """
    if not card.trainable:
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        zoo = list(colorzoo.zoo.__path__)
        codes = in_processes(_train_and_save, card, folder, steps, zoo, processes=_PROCESSES)
        require(codes == [0] * _PROCESSES, f"processes have exit codes {codes}; see stderr")
        stored = [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(_PROCESSES)]
        distributed_runs = [_Run(**results) for results in stored]
        single_run = _train(card, folder, steps)
    for run in distributed_runs:
        require_same_metrics(run.metrics, single_run.metrics)
        require_same_gradients(run.gradients, single_run.gradients)
    # the mean loss of the processes is the loss of the global batch
    first, second = (torch.tensor(run.losses) for run in distributed_runs)
    expected = torch.tensor(single_run.losses)
    has_all_steps = first.shape == expected.shape
    require(has_all_steps, f"two processes must run {len(expected)} steps, got {len(first)}")
    change = ((first + second) / 2 - expected).abs() / expected.abs().clamp(min=1)
    largest, worst = float(change.max()), int(change.amax(1).argmax())
    message = f"the loss of two processes differs by {largest:.1e} in step {worst}; {_BY_IMAGE}"
    require(largest < _SAME_LOSS, message)


def require_same_metrics(distributed: dict[str, float], expected: dict[str, float]) -> None:
    """Raise an error if metrics from two processes differ from metrics of one process.

    Args:
        distributed: Metrics from two processes, by name.
        expected: Metrics from one process, by name.

    Raises:
        ContractError: A metric differs by more than rounding errors, or the names differ.
    """
    has_same_names = distributed.keys() == expected.keys()
    require(has_same_names, "the metric names of one process and two processes differ")
    for name, one in expected.items():
        two = distributed[name]
        # the batch size determines the order of summation, which changes the last bit
        is_close = math.isclose(two, one, rel_tol=_SAME_METRIC, abs_tol=_SAME_METRIC)
        are_nan = math.isnan(two) and math.isnan(one)  # a metric without images
        message = f"{name} must be equal in one process and two processes, got {one} and {two}"
        require(is_close or are_nan, message)


def require_same_gradients(distributed: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Raise an error if gradients from two processes differ from gradients of one process.

    Args:
        distributed: Gradients from two processes, by parameter name.
        expected: Gradients from one process, by parameter name.

    Raises:
        ContractError: A gradient differs by more than 1 % of the largest gradient in its layer, or the names
            differ.
    """
    has_same_names = len(expected) > 0 and distributed.keys() == expected.keys()
    require(has_same_names, "the parameters with gradients differ between one process and two processes")
    # Compare with the largest gradient of the layer, because the gradient of a bias before a normalization
    # consists of rounding errors. Compare with the network, because the gradients of a discriminator can be a
    # million times larger than the gradients of the generator.
    largest: dict[str, float] = {}
    for name, gradient in expected.items():
        for group in _layer_and_network(name):
            largest[group] = max(largest.get(group, 0.0), float(gradient.abs().max()))
    for name, gradient in expected.items():
        layer, network = _layer_and_network(name)
        scale = largest[layer] + _ROUNDING * largest[network]
        change = float((distributed[name] - gradient).abs().max())
        require(
            change <= _SAME_GRADIENT * scale,
            f"the gradient of {name} in two processes differs by {change:.1e}, more than "
            f"{_SAME_GRADIENT:.0%} of the largest gradient in its layer ({scale:.1e}); {_BY_IMAGE}",
        )


def _layer_and_network(parameter: str) -> tuple[str, str]:
    """Return ``model.body.0`` and ``model`` for the parameter name ``model.body.0.weight``."""
    return parameter.rpartition(".")[0], parameter.partition(".")[0]


def _train_and_save(card: ModelCard, folder: Path, steps: int, zoo: list[str]) -> None:
    """Validate and train as one of two processes and save the results to a file."""
    colorzoo.zoo.__path__ = zoo  # tests register models outside the package
    rank = int(os.environ["RANK"])
    torch.save(vars(_train(card, folder, steps, rank)), folder / f"{rank}.pt")


def _train(card: ModelCard, folder: Path, steps: int, rank: int | None = None) -> _Run:
    """Validate and train as process ``rank`` of two, or as the only process."""
    model = contract_test_model(card).train()
    model.allow_untrained = True  # teacher networks of losses keep random weights; avoids downloads
    # BatchNorm in evaluation mode, no dropout and no stochastic depth
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
        elif isinstance(layer, nn.Dropout | nn.Dropout2d):
            layer.p = 0.0
        elif isinstance(layer, DropPath):
            layer.drop_prob = 0.0
    # SGD, because Adam scales rounding errors of small gradients to full steps. Large gradients of randomly
    # initialized GANs amplify rounding errors in each step, so their learning rate is smaller.
    rate = 1e-5 if model.automatic_optimization else 1e-7
    for name in ("make_optimizer", "make_discriminator_optimizer"):
        if hasattr(model, name):
            setattr(model, name, partial(torch.optim.SGD, lr=rate, momentum=0.9))
    # the images of this process, or of all processes
    images = contract_test_batch(card, 5, seed=100)
    shares = _VALIDATION if rank is None else (_VALIDATION[rank],)
    validation_batches = [_select(images, part) for share in shares for part in share]
    part = slice(None) if rank is None else slice(rank * _SHARE, (rank + 1) * _SHARE)
    global_batches = [contract_test_batch(card, _PROCESSES * _SHARE, seed=step) for step in range(steps)]
    training_batches = [_select(batch, part) for batch in global_batches]
    recorder = _Recorder()
    distributed: dict[str, Any] = {}
    if rank is not None:
        # each loss of a GAN leaves the parameters of the other network unused
        unused = bool(card.contract_test.without_gradient) or not model.automatic_optimization
        strategy = DDPStrategy(process_group_backend="gloo", find_unused_parameters=unused)
        distributed = {"strategy": strategy, "devices": _PROCESSES}
    with silent_lightning(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # randomly initialized teacher networks must be equal in all processes
        trainer = quiet_trainer(
            folder, max_epochs=1, use_distributed_sampler=False, callbacks=[recorder], **distributed
        )
        (metrics,) = trainer.validate(model, batch_loader(validation_batches), verbose=False)
        trainer.fit(model, batch_loader(training_batches))
    return _Run(dict(metrics), recorder.losses, recorder.gradients)


class _Recorder(GradientRecorder):
    """Callback that records the gradients of the first step and the losses of all steps."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[list[float]] = []

    def on_before_optimizer_step(
        self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer
    ) -> None:
        """Store copies of the gradients in the first step."""
        if not self.losses:
            super().on_before_optimizer_step(trainer, pl_module, optimizer)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Record the losses of the step."""
        self.losses.append([float(value) for _, value in sorted(outputs.items())])


def _select(batch: Batch, part: slice) -> Batch:
    """Return some images of a batch."""
    return cast(Batch, {key: value[part] for key, value in cast(dict[str, Any], batch).items()})
