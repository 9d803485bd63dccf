"""A training step of one global batch in several single-threaded processes, joined by gloo.

The processor seconds of the slowest process are compared with an equal part of the processor seconds of a
single process, so other programs on the machine do not influence the result. They include packing and adding
of gradients, but no time in which a process waits.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from torch.optim import AdamW

from benchmarks._common import Options, Row, share_of, where
from colorzoo import Guidance
from colorzoo.data.folder import FolderDataModule
from colorzoo.factory import build_model
from colorzoo.testing.samples import write_sample_images
from colorzoo.zoo.zhang2017.task import Zhang2017Local

BATCH, CROP, STEPS, WARMUP = 8, 64, 3, 1
COUNTS = (1, 2, 4, 8)
GOAL, GOAL_LOADER = 1.5, 0.25  # times an equal part; share of a step


def run(options: Options) -> list[Row]:
    """Time the steps of 1, 2, 4 and 8 processes; with ``--quick`` 1 and 2 processes on small images."""
    counts, crop = (COUNTS[:2], 32) if options.quick else (COUNTS, CROP)
    rows: list[Row] = []
    with TemporaryDirectory() as name:
        write_sample_images(Path(name), 2 * BATCH, (2 * crop, 2 * crop))
        alone = 0.0
        for count in counts:
            found = measure(Path(name), count, crop, options.repeats or STEPS)
            step, loader, sent = (max(each[key] for each in found) for key in ("step", "loader", "bytes"))
            alone = alone or step
            claim = f"processor s of a step of {BATCH} crops of {crop} in {count} process(es)"
            sizes = f"{sent / 1e6:.1f} MB of gradients"
            rows.append(share_of(f"{claim}, {sizes}", step, alone / count, GOAL, where()))
            rows.append(share_of(f"{claim}, loader", loader, step, GOAL_LOADER, where()))
    return rows


def measure(images: Path, count: int, crop: int, steps: int) -> list[dict[str, float]]:
    """Return the measurements of each process: processor seconds of a step and of its loader, bytes sent."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{probe.getsockname()[1]}"
    context = get_context("fork")  # of a parent of one thread, which has loaded everything
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        work = partial(_train, images, count, crop, steps, address)
        return [each.result() for each in [pool.submit(work, rank) for rank in range(count)]]


def _train(images: Path, count: int, crop: int, steps: int, address: str, rank: int) -> dict[str, float]:
    torch.set_num_threads(1)
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    distributed.init_process_group("gloo", init_method=address, rank=rank, world_size=count)
    task = build_model(
        Zhang2017Local, {"width": 0.25, "init_std": None, "stage": "regression", "optimizer": AdamW}
    )
    for name, parameter in task.model.named_parameters():
        parameter.requires_grad = "class_head" not in name  # it rests in this stage
    model = DistributedDataParallel(task.model)
    optimizer = AdamW(model.parameters())
    data = FolderDataModule(str(images), batch_size=BATCH // count, crop=crop, num_workers=0, check=False)
    data.setup("fit")
    spent: list[tuple[float, float]] = []
    while len(spent) < WARMUP + steps:
        for loaded, batch in _timed(iter(data.train_dataloader())):
            begun = time.process_time()
            rgb = batch["rgb"].float() / 255
            answer = model(rgb.mean(1, keepdim=True) * 100, Guidance())
            answer.ab.square().mean().backward()
            optimizer.step()
            optimizer.zero_grad()
            spent.append((loaded, time.process_time() - begun))
    spent = spent[WARMUP : WARMUP + steps]
    loader = statistics.median(each for each, _ in spent)
    sent = sum(each.numel() * each.element_size() for each in model.parameters() if each.requires_grad)
    step = statistics.median(sum(each) for each in spent)
    distributed.barrier()
    distributed.destroy_process_group()
    return {"step": step, "loader": loader, "bytes": float(sent if count > 1 else 0)}


def _timed(batches: Any) -> Any:
    """Yield each batch with the processor seconds of loading it."""
    while True:
        begun = time.process_time()
        batch = next(batches, None)
        if batch is None:
            return
        yield time.process_time() - begun, batch
