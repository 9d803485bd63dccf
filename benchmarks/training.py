"""Training of `zhang2017_local_small`: faster steps, and their loss after an equal number of images.

The reference has the settings of ``configs/zhang2017/local_small.yaml`` on crops of 96 pixels (AdamW,
float32); all variants train on the same photos from scratch.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from benchmarks._common import (
    Options,
    Row,
    SkippedError,
    multiplies_bfloat16,
    share_of,
    times_faster,
    where,
)
from colorzoo.data.dataset import Batch
from colorzoo.data.folder import FolderDataModule
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.training.optimization import parameter_groups
from colorzoo.training.schedules import Linear
from colorzoo.zoo.zhang2017.task import Zhang2017Local

FOLDER = Path("data/photos")
BATCH, CROP, IMAGES, HELD_OUT = 16, 96, 4800, 96
SETTINGS: dict[str, object] = {
    "width": 0.25,
    "init_std": None,
    "regression_weight": 0.1,
    "classification_weight": 1.0,
    "delta": 4.0,
    "hints": 0.4,
    "hint_attention": True,
    "colorfulness": 0.5,
    "many": 0.3,
    "stage": "joint",
}


# name -> side of the crops in the first half of the training, and the precision of autocast
VARIANTS: dict[str, tuple[int, torch.dtype | None]] = {
    "plain": (CROP, None),
    "crops of 64 in the first half": (64, None),
}
if multiplies_bfloat16():
    VARIANTS["bfloat16"] = (CROP, torch.bfloat16)
GOAL_SPEED, GOAL_LOSS = 1.25, 1.05


class Training:
    """A training of one variant, step by step.

    Args:
        variant: One of `VARIANTS`.
        steps: Length of the learning rate's schedule.
    """

    def __init__(self, variant: str, steps: int) -> None:
        self.first_crop, self.dtype = VARIANTS[variant]
        self.steps, self.taken = steps, 0
        torch.manual_seed(0)
        self.model = build_model(Zhang2017Local, SETTINGS).train()
        self.optimizer = torch.optim.AdamW(parameter_groups(self.model), lr=2e-3, weight_decay=0.01)
        self.schedule = Linear(self.optimizer, warmup_steps=max(1, steps // 20), total_steps=steps)

    def step(self, batch: Batch) -> None:
        """Take one step."""
        self.optimizer.zero_grad()
        torch.autograd.backward(self.loss(batch))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()
        self.taken += 1

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch, resized to the variant's crops."""
        side = self.first_crop if 2 * self.taken < self.steps else CROP
        if batch["rgb"].shape[-1] != side:
            small = interpolate(batch["rgb"], (side, side), mode="bilinear", antialias=True)
            batch = {**batch, "rgb": small}
        with torch.autocast("cpu", self.dtype, enabled=self.dtype is not None):
            return self.model.training_step(batch, 0)

    def held_out_loss(self, batches: list[Batch]) -> float:
        """Return the loss on images that were not used for training."""
        plain = Training("plain", 1)
        plain.model.load_state_dict(self.model.state_dict())
        plain.model.eval()
        with torch.inference_mode():
            return statistics.fmean(float(plain.loss(batch)) for batch in batches)


def run(options: Options) -> list[Row]:
    """Train the reference and the faster variants on the same batches, which takes minutes."""
    data = FolderDataModule(
        str(options.data or FOLDER),
        batch_size=BATCH,
        crop=CROP,
        resize=116,
        min_scale=0.7,
        val_size=CROP,
        val_batch_size=BATCH,
        val_limit=HELD_OUT,
        check=False,
        num_workers=0,
    )
    try:
        data.setup("fit")
    except DataError as error:
        raise SkippedError(str(error)) from error
    steps = (options.images or IMAGES) // BATCH
    trainings = {name: Training(name, steps) for name in VARIANTS}
    seconds = dict.fromkeys(trainings, 0.0)
    for number, batch in enumerate(islice(augmented_batches(data), steps), 1):
        for name, training in trainings.items():
            start = time.process_time()
            training.step(batch)
            seconds[name] += time.process_time() - start
        if number % 50 == 0:
            print(f"  {number} of {steps} steps", file=sys.stderr, flush=True)
    held_out = [data.on_after_batch_transfer(raw, 0) for raw in data.val_dataloader()]
    losses = {name: training.held_out_loss(held_out) for name, training in trainings.items()}
    rows = []
    for name in list(VARIANTS)[1:]:
        title = f"{steps * BATCH} images from scratch, {name} against plain"
        rows.append(times_faster(f"seconds of {title}", seconds[name], seconds["plain"], GOAL_SPEED, where()))
        rows.append(
            share_of(
                f"loss on unseen images after {title}", losses[name], losses["plain"], GOAL_LOSS, where()
            )
        )
    return rows


def augmented_batches(data: FolderDataModule) -> Iterator[Batch]:
    """Yield batches without end."""
    while True:
        for raw in data.train_dataloader():
            yield cast(Batch, data.augment({**data.on_after_batch_transfer(raw, 0)}))
