"""What zhang2016 may start from: He's weights against the paper's k-means initialization.

The small network trains from each on the same batches in the same order; what is compared is the rebalanced
cross-entropy on held-out photos after the last step, mean over seeds of batches and weights.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from benchmarks._harness import Options, Row, SkippedError, multiplies_bfloat16, share_of, where
from benchmarks._kmeans import kmeans_initialize
from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.data.folder import FolderDataModule
from colorzoo.errors import DataError
from colorzoo.losses import rebalanced_cross_entropy
from colorzoo.tasks.schedules import Linear
from colorzoo.zoo.zhang2016.network import LOGIT_STRIDE
from colorzoo.zoo.zhang2016.task import Zhang2016

STEPS, BATCH, CROP, HELD_OUT, SEEDS = 150, 16, 64, 200, 2
GOAL = 1.02
FOLDER = Path("data/photos")

Start = Callable[[Zhang2016, Tensor, int], None]


def run(options: Options) -> list[Row]:
    """Train from both starts, which takes minutes, and return a row."""
    losses: dict[str, list[float]] = {name: [] for name in STARTS}
    for seed in range(SEEDS):
        train, held_out = _batches(options.data or FOLDER, seed)
        for name, start in STARTS.items():
            torch.manual_seed(seed)
            model = cast(Zhang2016, create_model("zhang2016_small", None))
            model.train()
            start(model, torch.cat([lab[:, :1] for lab in train[:4]]), seed)
            _train(model, train)
            losses[name].append(_held_out_loss(model, held_out))
            print(f"  seed {seed}, {name}: {losses[name][-1]:.4f}", file=sys.stderr, flush=True)
    return _rows(losses)


def _from_kmeans(model: Zhang2016, luma: Tensor, seed: int) -> None:
    kmeans_initialize(model.network, model, luma, torch.Generator().manual_seed(seed))


def _from_he(model: Zhang2016, luma: Tensor, seed: int) -> None:
    """Keep what the model draws when it is made."""
    del model, luma, seed


STARTS: dict[str, Start] = {"k-means": _from_kmeans, "He's weights": _from_he}


def _batches(root: Path, seed: int) -> tuple[list[Tensor], list[Tensor]]:
    """Return Lab batches ``(16, 3, 64, 64)`` to train on, in order, and to hold out."""
    data = FolderDataModule(
        str(root),
        batch_size=BATCH,
        crop=CROP,
        resize=CROP * 3 // 2,
        val_size=CROP,
        val_batch_size=BATCH,
        val_limit=HELD_OUT,
        check=False,
        num_workers=0,
        seed=seed,
    )
    try:
        data.setup("fit")
    except DataError as error:
        raise SkippedError(str(error)) from error
    unit = [cast(Any, data.on_after_batch_transfer(b, 0)) for b in islice(data.train_dataloader(), STEPS)]
    held_out = [data.on_after_batch_transfer(b, 0) for b in data.val_dataloader()]
    if len(unit) < STEPS:
        raise SkippedError(f"{STEPS * BATCH} training photos are needed, {str(root)!r} has fewer")
    return [rgb_to_lab(data.augment(b)["rgb"]) for b in unit], [rgb_to_lab(b["rgb"]) for b in held_out]


def _loss(model: Zhang2016, lab: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=multiplies_bfloat16()):
        logits = model.network.logits(lab[:, :1])
    truth = lab[:, 1:, ::LOGIT_STRIDE, ::LOGIT_STRIDE]
    return rebalanced_cross_entropy(logits, truth, model.class_weights).mean()


def _train(model: Zhang2016, batches: Sequence[Tensor]) -> None:
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, betas=(0.9, 0.99), weight_decay=0.01)
    scheduler = Linear(optimizer, warmup_steps=10, total_steps=len(batches))  # as small.yaml
    for lab in batches:
        optimizer.zero_grad()
        torch.autograd.backward(_loss(model, lab))
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        scheduler.step()


def _held_out_loss(model: Zhang2016, batches: Sequence[Tensor]) -> float:
    model.eval()
    with torch.inference_mode():
        return statistics.fmean(float(_loss(model, lab)) for lab in batches)


def _rows(losses: dict[str, list[float]]) -> list[Row]:
    means = {name: statistics.fmean(values) for name, values in losses.items()}
    each = "; ".join(f"{name} {', '.join(f'{v:.3f}' for v in values)}" for name, values in losses.items())
    place = f"seed by seed: {each}; {where()}"
    title = f"held-out loss of zhang2016_small after {STEPS} steps of {BATCH} crops of {CROP}, from"
    return [
        share_of(f"{title} {name}, against k-means", means[name], means["k-means"], GOAL, place)
        for name in list(STARTS)[1:]
    ]
