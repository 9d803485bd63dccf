"""What a schedule costs on 1 to 512 GPUs by a small model of a step, and how right that model is here.

The model (`_scale_model`) knows the work of a step, the gradients' bytes, and what a machine can do. It is
held against two gloo processes on this CPU; ``docs/scale.md`` has its table for clusters (`table`).
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import distributed, nn
from torch.multiprocessing import start_processes
from torch.nn.parallel import DistributedDataParallel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks._harness import Options, Row, where
from benchmarks._scale_model import (
    Machine,
    Schedule,
    coloring_hours,
    hours,
    predict_step,
)
from colorzoo import create_model
from colorzoo.factory import build_model
from colorzoo.registry import load_class, model_card
from colorzoo.testing.samples import sample_batch
from colorzoo.testing.trainer import batch_loader, quiet_trainer, silent_lightning

IMAGENET, COCO = 1_281_167, 118_287  # training pictures
A100 = Machine(flops=60e12, cores=8, pictures=110, link=100e9, price=2.0)
"""A guess for a rented GPU of that kind in bfloat16; docs/scale.md says that its numbers are assumed."""

GPUS = (1, 8, 64, 512)
COLORING_WORK = 0.15e12  # of `zhang2017_local` for a picture at 256 pixels
STORED = {"JPEG of 12 megapixels, 0.76 core s each": 0.76, "no more than the network sees": 0.0}
"""Core seconds of all but the network, by `python -m benchmarks colorize`; without them the GPUs decide."""

# model, settings without which it would fetch weights, side, pictures of the whole training, batch
PAPERS: tuple[tuple[str, dict[str, object], int, float, int], ...] = (
    ("zhang2016", {}, 176, 450_000 * 40, 40),
    ("zhang2017_local", {}, 176, 10 * IMAGENET, 25),
    ("kang2023_tiny", {"pretrained": None}, 256, 400_000 * 16, 16),
    ("su2020", {}, 256, 150 * COCO, 16),
    ("yun2023", {}, 224, 1000 * IMAGENET, 256),
)
MODEL, SIDE, STEPS, BATCH = "zhang2017_local_small", 96, 8, 4


def run(options: Options) -> list[Row]:
    """Predict the step of two processes from one of one process, and measure it."""
    del options
    torch.set_num_threads(1)
    one, exchange = _measured(1)
    two, _ = _measured(2)
    trained = sum(p.numel() for p in _model().parameters() if p.requires_grad)
    # a machine on which one picture is one unit of work, with the link that the two processes had
    here = Machine(flops=BATCH / one, cores=1, pictures=1e9, link=4 * trained / exchange, latency=0.0)
    predicted = predict_step(1.0, trained, BATCH, 2, here).seconds
    claim = f"seconds of a step of {MODEL} in two gloo processes, predicted from one ({one:.2f} s)"
    ratio = max(predicted / two, two / predicted)
    return [Row(claim, predicted, two, ratio, 1.25, "lower", where())]


def table(gpus: Sequence[int] = GPUS, machine: Machine = A100) -> str:
    """Return hours, efficiency and cost of each paper's schedule as Markdown."""
    heads = ["model", "a picture, trained", *(f"{n} GPU" for n in gpus)]
    lines = [f"| {' | '.join(heads)} |", "| --- " * len(heads) + "|"]
    for name, settings, side, pictures, batch in PAPERS:
        plan = schedule_of(name, settings, side, pictures, batch)
        cells = " | ".join(_cell(plan, n, machine) for n in gpus)
        lines.append(f"| `{name}` | {plan.work / 1e12:.2f} TFLOP | {cells} |")
        print(lines[-1], file=sys.stderr, flush=True)
    return "\n".join(lines)


def _cell(plan: Schedule, gpus: int, machine: Machine) -> str:
    """Return the hours of a schedule, the share in which the GPUs in use compute, and the cost of all."""
    spent, used = hours(plan, gpus, machine), min(gpus, plan.batch)
    step = predict_step(plan.work, plan.trained, plan.batch / used, used, machine)
    return f"{spent:,.1f} h, {step.efficiency:.0%}, {spent * gpus * machine.price:,.0f} $"


def coloring_table(gpus: Sequence[int] = GPUS, machine: Machine = A100) -> str:
    """Return hours and cost of coloring ten million pictures as Markdown."""
    lines = [f"| pictures | {' | '.join(f'{n} GPU' for n in gpus)} |", "| --- " * (len(gpus) + 1) + "|"]
    for what, core_seconds in STORED.items():
        spent = [coloring_hours(1e7, COLORING_WORK, core_seconds, n, machine) for n in gpus]
        cells = (
            f"{each:,.1f} h, {each * n * machine.price:,.0f} $" for each, n in zip(spent, gpus, strict=True)
        )
        lines.append(f"| {what} | {' | '.join(cells)} |")
    return "\n".join(lines)


def schedule_of(name: str, settings: dict[str, object], side: int, pictures: float, batch: int) -> Schedule:
    """Count the work of a step by taking one, both networks of a GAN included.

    Args:
        name: Registered model.
        settings: In place of the card's.
        side: Of the crops, in pixels.
        pictures: Seen in the whole training.
        batch: Pictures of a step.
    """
    card = model_card(name)
    model = build_model(load_class(card), {**card.hparams, **settings})
    model.allow_untrained = True
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    counter = FlopCounterMode(display=False)
    with TemporaryDirectory() as folder, silent_lightning():
        trainer = quiet_trainer(folder, max_steps=-1, max_epochs=1)
        with counter:
            trainer.fit(model, batch_loader([sample_batch((side, side), batch=2)]))
    return Schedule(name, counter.get_total_flops() / 2, trained, pictures, batch)


def _model() -> nn.Module:
    return create_model(MODEL, offline=True).train()


def _measured(processes: int) -> tuple[float, float]:
    """Return the seconds of a step and of exchanging its gradients, by the slowest process."""
    with TemporaryDirectory() as folder:
        start_processes(_train, (processes, folder), nprocs=processes, start_method="spawn")
        shares = [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(processes)]
    step, exchange = (max(each) for each in zip(*shares, strict=True))
    return step, exchange


def _train(rank: int, processes: int, folder: str) -> None:
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meet"
    distributed.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    model = _model()
    parallel = DistributedDataParallel(_Loss(model), find_unused_parameters=True)
    batch = sample_batch((SIDE, SIDE), batch=BATCH, seed=rank)
    spent = []
    for _ in range(STEPS):
        distributed.barrier()
        start = time.perf_counter()
        parallel(batch).backward()
        spent.append(time.perf_counter() - start)
    gradients = torch.zeros(sum(p.numel() for p in model.parameters() if p.requires_grad))
    exchanged = []
    for _ in range(STEPS):
        distributed.barrier()
        start = time.perf_counter()
        distributed.all_reduce(gradients)
        exchanged.append(time.perf_counter() - start)
    medians = [statistics.median(spent[2:]), statistics.median(exchanged[2:])]
    torch.save(medians, Path(folder) / f"{rank}.pt")
    distributed.destroy_process_group()


class _Loss(nn.Module):
    """The loss of a training step, as a forward pass that DDP can wrap."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        model.log = model.log_dict = lambda *_, **__: None  # type: ignore[assignment,method-assign]

    def forward(self, batch: object) -> torch.Tensor:
        found = self.model.training_step(batch, 0)  # type: ignore[operator]
        loss: torch.Tensor = found["loss"] if isinstance(found, dict) else found
        return loss


if __name__ == "__main__":
    print(coloring_table(), table(), sep="\n\n")
