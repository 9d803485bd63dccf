"""What makes the training of `zhang2017_local_small` faster: each candidate alone, then the best at once.

First the seconds of a picture, each candidate in turn with the plain step (the options of
``configs/zhang2017/local_small.yaml`` on crops of 96 pixels). Then both whole ways from scratch on the same
photos: what a candidate saves is worth nothing where the loss after as many pictures is higher. Where the
processor multiplies bfloat16, both ways come in that precision, too.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import cast

import torch
from timm.optim import Muon
from torch import Tensor
from torch.optim import Optimizer

from benchmarks._harness import (
    Options,
    Row,
    SkippedError,
    multiplies_bfloat16,
    share_of,
    time_in_turn,
    times_faster,
    where,
)
from colorzoo.data.dataset import Batch
from colorzoo.data.folder import FolderDataModule
from colorzoo.errors import DataError
from colorzoo.factory import build_model
from colorzoo.tasks.optimization import parameter_groups
from colorzoo.tasks.schedules import Linear
from colorzoo.zoo.zhang2017.task import Zhang2017Local

FOLDER = Path("data/photos")
BATCH, CROP, TIMED = 16, 96, 3
PICTURES, HELD_OUT = 4800, 96
GOAL = 2.0
COMMON: dict[str, object] = {
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


@dataclass(frozen=True)
class Way:
    """How to train.

    Attributes:
        crop: Side of the crops in pixels.
        first_crop: Side of those of the first half of the training; 0 for the same.
        class_stride: See `LocalExtensions`.
        regress_every: See `LocalExtensions`.
        muon: Train matrices by Muon of timm instead of AdamW.
        channels_last: Keep maps with their channels last.
        bfloat16: Run convolutions in bfloat16.
        compiled: Compile the step.
    """

    crop: int = CROP
    first_crop: int = 0
    class_stride: int = 2
    regress_every: int = 1
    muon: bool = False
    channels_last: bool = False
    bfloat16: bool = False
    compiled: bool = False


PLAIN = Way()
CANDIDATES = {
    "crops of 64": Way(crop=64),
    "colors of every second picture": Way(regress_every=2),
    "the distribution at every fourth place": Way(class_stride=4),
    "the distribution at every place": Way(class_stride=1),
    "channels last": Way(channels_last=True),
    "Muon": Way(muon=True),
    "bfloat16": Way(bfloat16=True),
    "compiled": Way(compiled=True),
}
FAST = Way(first_crop=64, regress_every=2)


class Trained:
    """A model in training, step by step.

    Args:
        way: How.
        steps: Length of the training, for the learning rate.
    """

    def __init__(self, way: Way, steps: int) -> None:
        self.way = way
        extensions = {"class_stride": way.class_stride, "regress_every": way.regress_every}
        settings = {**COMMON, **extensions, "compile_training": way.compiled}
        torch.manual_seed(0)
        self.model = build_model(Zhang2017Local, settings).train()
        if way.channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.optimizer = _optimizer(self.model, muon=way.muon)
        self.schedule = Linear(self.optimizer, warmup_steps=max(1, steps // 20), total_steps=steps)

    def step(self, batch: Batch) -> None:
        """Take one step."""
        self.optimizer.zero_grad()
        torch.autograd.backward(self.loss(batch))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimizer.step()
        self.schedule.step()

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of a batch."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.way.bfloat16):
            return self.model.training_step(batch, 0)

    def held_out(self, batches: list[Batch]) -> float:
        """Return the loss of the plain way on pictures that were not trained on."""
        judge = Trained(PLAIN, 1)
        judge.model.load_state_dict(self.model.state_dict())
        judge.model.eval()
        with torch.inference_mode():
            return statistics.fmean(float(judge.loss(batch)) for batch in batches)


def run(options: Options) -> list[Row]:
    """Time the candidates, then train both ways, which takes minutes, and return rows."""
    data = _module(options.data or FOLDER)
    train, held_out = _batches(data), _validation(data)
    first = next(train)
    rows = [row for name in CANDIDATES if (row := _timed(name, first)) is not None]
    pictures = options.pictures or PICTURES
    return rows + _compared(pictures, train, held_out)


def _timed(name: str, batch: Batch) -> Row | None:
    way = CANDIDATES[name]
    if way.compiled and shutil.which("c++") is None:
        print(f"  {name}: no C++ compiler here", file=sys.stderr)
        return None
    ours, plain = Trained(way, 100), Trained(PLAIN, 100)
    calls = {
        "ours": partial(ours.step, _cut(batch, way.crop)),
        "plain": partial(plain.step, _cut(batch, CROP)),
    }
    spent = time_in_turn(calls, runs=TIMED, warmup=2)
    claim = f"seconds of a training picture, {name} against AdamW in float32 on crops of {CROP}"
    return times_faster(claim, spent["ours"] / BATCH, spent["plain"] / BATCH, 1.0, where())


def _compared(pictures: int, train: Iterator[Batch], held_out: list[Batch]) -> list[Row]:
    steps = pictures // BATCH
    ways = {"plain": PLAIN, "fast": FAST}
    if multiplies_bfloat16():
        ways |= {f"{name} in bfloat16": replace(way, bfloat16=True) for name, way in ways.items()}
    runs = {name: Trained(way, steps) for name, way in ways.items()}
    spent = dict.fromkeys(runs, 0.0)
    for number, batch in enumerate(islice(train, steps)):
        for name, trained in runs.items():
            way = trained.way
            start = time.process_time()
            trained.step(_cut(batch, way.first_crop if way.first_crop and number < steps // 2 else way.crop))
            spent[name] += time.process_time() - start
        if number % 50 == 49:
            print(f"  {number + 1} of {steps} steps", file=sys.stderr, flush=True)
    losses = {name: trained.held_out(held_out) for name, trained in runs.items()}
    return [row for ours, other in _pairs(ways) for row in _rows(ours, other, spent, losses, steps * BATCH)]


def _pairs(ways: Mapping[str, Way]) -> list[tuple[str, str]]:
    """Return which way is held against which."""
    wanted = [("fast", "plain"), ("fast in bfloat16", "plain"), ("fast in bfloat16", "plain in bfloat16")]
    return [pair for pair in wanted if set(pair) <= set(ways)]


def _rows(
    ours: str, other: str, spent: Mapping[str, float], losses: Mapping[str, float], pictures: int
) -> list[Row]:
    seen = f"{pictures} pictures from scratch"
    how = f"half the colors, 64 then {CROP} pixels ({ours}) against the {other} way"
    return [
        times_faster(f"seconds of {seen}, {how}", spent[ours], spent[other], GOAL, where()),
        share_of(f"held-out loss after {seen}, {how}", losses[ours], losses[other], 1.0, where()),
    ]


def _optimizer(model: Zhang2017Local, *, muon: bool) -> Optimizer:
    groups = parameter_groups(model)
    if muon:
        made: Optimizer = Muon(groups, lr=1e-3, weight_decay=0.01)
        return made
    return torch.optim.AdamW(groups, lr=2e-3, weight_decay=0.01)  # as local_small.yaml


def _module(root: Path) -> FolderDataModule:
    data = FolderDataModule(
        str(root), batch_size=BATCH, crop=CROP, resize=116, min_scale=0.7, val_size=CROP,
        val_batch_size=BATCH, val_limit=HELD_OUT, check=False, num_workers=0,
    )  # fmt: skip
    try:
        data.setup("fit")
    except DataError as error:
        raise SkippedError(str(error)) from error
    return data


def _batches(data: FolderDataModule) -> Iterator[Batch]:
    """Yield augmented batches without end."""
    while True:
        for raw in data.train_dataloader():
            yield cast(Batch, data.augment({**data.on_after_batch_transfer(raw, 0)}))


def _validation(data: FolderDataModule) -> list[Batch]:
    return [data.on_after_batch_transfer(raw, 0) for raw in data.val_dataloader()]


def _cut(batch: Batch, side: int) -> Batch:
    """Resize the pictures of a batch to ``side`` pixels."""
    if batch["rgb"].shape[-1] == side:
        return batch
    size = (side, side)
    small = torch.nn.functional.interpolate(batch["rgb"], size, mode="bilinear", antialias=True)
    return {**batch, "rgb": small}
