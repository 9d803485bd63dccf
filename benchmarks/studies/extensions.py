"""Train the three extensions of the user-guided network with the same budget and write their table.

All four start from the embedded weights, see the same pictures in the same order with the same points, and
train for the same number of steps. ``python -m benchmarks.studies.extensions --data photos --steps 300``
writes ``docs/extensions.md`` and ``docs/extensions.csv``.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.optim import Adam

from benchmarks._command import run_command
from benchmarks.claims._numbers import estimate
from benchmarks.pages import DOCS
from colorzoo import Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab, sobel
from colorzoo.data import FolderDataModule
from colorzoo.data.sources import find_sources
from colorzoo.data.squares import read_square
from colorzoo.factory import build_model
from colorzoo.guidance import uniform_points
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks import ColorizationModule
from colorzoo.tasks.schedules import Linear
from colorzoo.zoo.zhang2017.adversarial import Zhang2017LocalAdversarial
from colorzoo.zoo.zhang2017.start import copy_shared_layers
from colorzoo.zoo.zhang2017.task import Zhang2017Local

SIDE = 256
COUNTS = (0, 10, 100)
COMMON: dict[str, Any] = {  # as what ships was trained, so that nothing but the extension is new
    "width": 0.25,
    "hint_attention": True,
    "scene_blocks": 4,
    "class_stride": 2,
    "hints": 0.5,
    "colorfulness": 0.5,
}
LOSSES: dict[str, Any] = {"regression_weight": 0.1, "classification_weight": 1.0, "delta": 4.0}
START, PLAIN = "as it ships", "plain"
LR = 1e-4  # of a trained network; 3e-4 without a schedule cost all four a decibel
SCHEDULE = partial(Linear, warmup_steps=20)
_PREFACE = """<!-- Written by `python -m benchmarks.studies.extensions`; do not edit. -->

# Three extensions of the user-guided network

Options of `zhang2017_local`, off by default, so that the exact network stays exact:

- **channel attention** (`channel_attention: true`): the channels of each skip are scaled by
  s = sigmoid(W2 relu(W1 z)), z their mean over the picture;
- **rank layers** (`rank_layers: 4`): linear 1x1 layers between encoder and decoder, which turn gradient
  descent towards features of low rank; `colorzoo weights pack` folds them into their neighbor, so that size
  and speed stay the same;
- **adversarial** (`Zhang2017LocalAdversarial`): a PatchGAN on lightness and ab beside the other losses.

All start from the embedded weights of `zhang2017_local_small` and train for {steps} steps of 16 crops of 96
pixels at the same rate, which falls to zero, on the same pictures with the same points. {photos} held-out
photos, central 256 x 256, uniform 6 x 6 points: means, and below them the difference from *plain*, picture by
picture, with 95 % intervals. Edge sharpness: gradient of the predicted ab at the strongest twentieth of the
edges of the true ab, as a share of the true gradient. So small a budget shows what an extension does at once,
not what it would do after days of training. Against *as it ships* all four lose (the last crops
that it saw were larger than these), so what counts are the differences from *plain*.

"""
STRONG_EDGES = 0.95  # quantile of the true ab gradient above which a pixel counts as an edge of color


def main() -> None:
    """Train, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with train and val")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--photos", type=int, default=100, help="validation photos, evenly spaced")
    parser.add_argument("--out", type=Path, default=DOCS)
    args = parser.parse_args()
    photos = args.data / "val"
    found = {START: measure(create_model("zhang2017_local_small").eval(), photos, args.photos)}
    for name, make in VARIANTS.items():
        seed_everything(0, verbose=False)
        found[name] = measure(train(make(), args.data, args.steps), photos, args.photos)
        print(name, {key: statistics.fmean(values) for key, values in found[name].items()}, flush=True)
    write(found, args)


def plain() -> ColorizationModule:
    """Return the network without an extension."""
    return _local()


def channel_attention() -> ColorizationModule:
    """Return the network with squeezed and excited skips."""
    return _local(channel_attention=True)


def rank_layers() -> ColorizationModule:
    """Return the network with four linear layers between encoder and decoder."""
    return _local(rank_layers=4)


def adversarial() -> ColorizationModule:
    """Return the network beside a discriminator."""
    judged = {"discriminator_width": 0.25, "adversarial_weight": 0.3}
    rates = {"optimizer": partial(Adam, lr=LR / 2), "discriminator_optimizer": partial(Adam, lr=LR)}
    rates |= {"lr_scheduler": SCHEDULE, "discriminator_lr_scheduler": SCHEDULE}
    return build_model(Zhang2017LocalAdversarial, {**COMMON, **LOSSES, **judged, **rates})


VARIANTS: Mapping[str, Callable[[], ColorizationModule]] = {
    PLAIN: plain,
    "channel attention": channel_attention,
    "rank layers": rank_layers,
    "adversarial": adversarial,
}


def train(model: ColorizationModule, data: Path, steps: int) -> ColorizationModule:
    """Train from the embedded weights; what an extension adds keeps its own start."""
    copy_shared_layers(create_model("zhang2017_local_small").network, model.network)
    optimizers = 1 if model.automatic_optimization else 2  # Lightning counts the steps of both
    trainer = Trainer(
        max_steps=optimizers * steps,
        max_epochs=-1,
        accelerator="auto",
        precision="bf16-mixed",
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=False,
        limit_val_batches=0,
    )
    pictures = FolderDataModule(str(data), batch_size=16, crop=96, resize=116, min_scale=0.7, num_workers=0)
    trainer.fit(model, pictures)
    return model.eval()


def measure(model: ColorizationModule, folder: Path, photos: int) -> dict[str, list[float]]:
    """Return of each photo PSNR at each number of points, and colorfulness and edge sharpness."""
    sources = find_sources(folder)
    values: dict[str, list[float]] = {}
    for index in range(0, len(sources), max(1, len(sources) // photos))[:photos]:
        rgb = read_square(sources[index], SIDE)[None]
        for name, value in _measures(model, rgb, index).items():
            values.setdefault(name, []).append(value)
    return values


def edge_sharpness(ab: Tensor, truth: Tensor) -> Tensor:
    """Return the gradient of ab at the strongest true edges of ab, as a share of the true one, ``(B,)``."""
    true, ours = sobel(truth).norm(dim=1).flatten(1), sobel(ab).norm(dim=1).flatten(1)
    edge = true >= true.quantile(STRONG_EDGES, dim=1, keepdim=True)
    return (ours * edge).sum(dim=1) / (true * edge).sum(dim=1).clamp_min(1e-6)


def _local(**extension: Any) -> ColorizationModule:
    return build_model(
        Zhang2017Local,
        {**COMMON, **LOSSES, **extension, "optimizer": partial(Adam, lr=LR), "lr_scheduler": SCHEDULE},
    )


def _measures(model: ColorizationModule, rgb: Tensor, seed: int) -> dict[str, float]:
    lab = rgb_to_lab(rgb)
    luma, truth = lab[:, :1], lab[:, 1:]
    found = {}
    with torch.inference_mode():
        for count in COUNTS:
            points = uniform_points(truth, count, torch.Generator().manual_seed(seed))
            ab = model(luma, Guidance(points=points)).ab
            colored = lab_to_rgb(torch.cat([luma, ab], dim=1)).clamp(0, 1)
            found[f"PSNR, {count} points"] = float(psnr_8bit(colored, rgb))
            if count == 0:
                found["colorfulness / true"] = float(colorfulness(colored) / colorfulness(rgb).clamp_min(1))
            if count == 10:
                found["edge sharpness, 10 points"] = float(edge_sharpness(ab, truth))
    return found


def write(found: Mapping[str, Mapping[str, list[float]]], args: argparse.Namespace) -> None:
    """Write the table as Markdown and CSV."""
    names = list(found[PLAIN])
    with (args.out / "extensions.csv").open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["variant", *names])
        writer.writerows(
            [variant, *(statistics.fmean(values[name]) for name in names)]
            for variant, values in found.items()
        )
    lines = [_line("variant", names), _line("---", ["---"] * len(names))]
    for variant, values in found.items():
        lines.append(_line(variant, [f"{statistics.fmean(values[name]):.3f}" for name in names]))
        if variant != PLAIN:
            lines.append(_line("", [_difference(values[name], found[PLAIN][name]) for name in names]))
    preface = _PREFACE.format(steps=args.steps, photos=len(found[PLAIN][names[0]]))
    (args.out / "extensions.md").write_text(preface + "".join(lines))


def _line(first: str, cells: Sequence[str]) -> str:
    return f"| {' | '.join((first, *cells))} |\n"


def _difference(values: Sequence[float], plain: Sequence[float]) -> str:
    gain = estimate(np.array(values) - np.array(plain))
    return f"{gain.value:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"


if __name__ == "__main__":
    run_command(main)
