"""Two processes train like one."""

from __future__ import annotations

import multiprocessing
import os
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

import colorzoo.zoo
from colorzoo.card import ModelCard
from colorzoo.data import Batch
from colorzoo.testing.models import require, smoke_model
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import GradientWitness, batch_loader, quiet_trainer, silent_lightning

_PROCESSES = 2
_TIMEOUT = 120.0  # seconds; far beyond what a trial takes, so that a deadlock ends


def check_two_processes_equal_one(card: ModelCard) -> None:
    """The gradient that two gloo processes agree on is that of one process with the same global batch.

    Normalization layers stay in evaluation mode, because their statistics are those of a process. With manual
    optimization gradients are not averaged in one place: then both processes must hold the same ones. A model
    without weights has no gradients that could differ; that it has none is checked with the gradients.
    """
    if not card.trainable:
        return
    with TemporaryDirectory() as name:
        folder = Path(name)
        both = [_in_two_processes(card, folder, rank) for rank in range(_PROCESSES)]
        model = smoke_model(card).train()
        reference = (
            _gradients(card, folder, _join(_batches(card))) if model.automatic_optimization else both[1]
        )
    require(both[0].keys() == reference.keys() != set(), f"{card.name}: other weights get gradients")
    for key, expected in reference.items():
        scale = float(expected.abs().max()) + 1e-6
        moved = float((both[0][key] - expected).abs().max()) / scale
        require(moved < 1e-3, f"{card.name}: gradient of {key} differs by {moved:.1e} in two processes")


def _in_two_processes(card: ModelCard, folder: Path, rank: int) -> dict[str, Tensor]:
    """Return the gradients that process ``rank`` saw; the first call runs both processes."""
    if rank == 0:
        _run_processes(card, folder)
    result: dict[str, Tensor] = torch.load(folder / f"{rank}.pt", weights_only=True)
    return result


def _run_processes(card: ModelCard, folder: Path) -> None:
    # a fork of this process could inherit locks held by its threads; a fork of a fresh server cannot
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    port, zoo = _free_port(), list(colorzoo.zoo.__path__)
    arguments = [(card, folder, rank, port, zoo) for rank in range(_PROCESSES)]
    processes = [context.Process(target=_worker, args=each, daemon=True) for each in arguments]
    for process in processes:
        process.start()
    for process in processes:
        process.join(_TIMEOUT)
    stuck = [process for process in processes if process.is_alive()]
    for process in stuck:
        process.kill()
    codes = [process.exitcode for process in processes]
    require(not stuck, f"{card.name}: two processes still waited for each other after {_TIMEOUT:.0f} s")
    require(codes == [0] * _PROCESSES, f"{card.name}: processes ended with {codes}; see stderr")


def _worker(card: ModelCard, folder: Path, rank: int, port: int, zoo: list[str]) -> None:
    """Train one step as one of two processes and leave the gradients in a file."""
    torch.set_num_threads(1)
    colorzoo.zoo.__path__ = zoo  # papers in the making may lie outside the package
    os.environ |= {
        "TORCHELASTIC_RUN_ID": "contract",  # Lightning then takes the processes as they are
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(_PROCESSES),
        "LOCAL_WORLD_SIZE": str(_PROCESSES),
        "GROUP_RANK": "0",
    }
    torch.save(_gradients(card, folder, _batches(card)[rank], parallel=True), folder / f"{rank}.pt")


def _gradients(card: ModelCard, folder: Path, batch: Batch, *, parallel: bool = False) -> dict[str, Tensor]:
    """Return the gradients of one optimizer step over a batch."""
    model = smoke_model(card).train()
    for layer in model.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.eval()
    witness = GradientWitness()
    options: dict[str, Any] = {}
    if parallel:
        unused = bool(card.smoke.without_gradient) or not model.automatic_optimization
        strategy = DDPStrategy(process_group_backend="gloo", find_unused_parameters=unused)
        options |= {"strategy": strategy, "devices": _PROCESSES, "use_distributed_sampler": False}
    with silent_lightning():
        trainer = quiet_trainer(folder, max_epochs=1, callbacks=[witness], **options)
        trainer.fit(model, batch_loader([batch]))
    return witness.gradients


def _join(batches: list[Batch]) -> Batch:
    """Return one batch with the pictures of all."""
    return Batch(
        rgb=torch.cat([batch["rgb"] for batch in batches]),
        seed=torch.cat([batch["seed"] for batch in batches]),
        name=[name for batch in batches for name in batch["name"]],
    )


def _batches(card: ModelCard) -> list[Batch]:
    size = (card.smoke.size, card.smoke.size)
    return [sample_batch(size, seed=rank) for rank in range(_PROCESSES)]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
