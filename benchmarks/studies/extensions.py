"""Train the three extensions of the user-guided network with the same budget and write their table.

All four start from the embedded weights, see the same pictures in the same order with the same points, and
train for the same number of steps. ``python -m benchmarks.studies.extensions --data photos --steps 300``
writes ``docs/extensions.md`` and ``docs/extensions.csv``.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.optim import Adam

from benchmarks._command import run_command
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
from colorzoo.zoo.zhang2017.adversarial import Zhang2017LocalAdversarial
from colorzoo.zoo.zhang2017.start import copy_shared_layers
from colorzoo.zoo.zhang2017.task import Zhang2017Local

SIDE = 256
COUNTS = (0, 10, 100)
COMMON: dict[str, Any] = {"width": 0.25, "hint_attention": True, "class_stride": 2, "hints": 0.5}
LOSSES: dict[str, Any] = {"regression_weight": 0.1, "classification_weight": 1.0, "delta": 4.0}
LR = 3e-4
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
pixels at the same rate, on the same pictures with the same points. Means over {photos} validation photos,
central 256 x 256, uniform 6 x 6 points. Edge sharpness: gradient of the predicted ab at the strongest
twentieth of the edges of the true ab, as a share of the true gradient. So small a budget shows what an
extension does at once, not what it would do after days of training.

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
    rows = []
    for name, make in VARIANTS.items():
        seed_everything(0, verbose=False)
        model = train(make(args.steps), args.data, args.steps)
        rows.append({"variant": name, **measure(model, args.data / "val", args.photos)})
        print(rows[-1], flush=True)
    write(rows, args)


def plain(steps: int) -> ColorizationModule:
    """Return the network without an extension."""
    return _local(steps)


def channel_attention(steps: int) -> ColorizationModule:
    """Return the network with squeezed and excited skips."""
    return _local(steps, channel_attention=True)


def rank_layers(steps: int) -> ColorizationModule:
    """Return the network with four linear layers between encoder and decoder."""
    return _local(steps, rank_layers=4)


def adversarial(steps: int) -> ColorizationModule:
    """Return the network beside a discriminator."""
    del steps
    judged = {"discriminator_width": 0.25, "adversarial_weight": 0.3}
    rates = {"optimizer": partial(Adam, lr=LR / 2), "discriminator_optimizer": partial(Adam, lr=LR)}
    return build_model(Zhang2017LocalAdversarial, {**COMMON, **LOSSES, **judged, **rates})


VARIANTS: Mapping[str, Callable[[int], ColorizationModule]] = {
    "plain": plain,
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


def measure(model: ColorizationModule, folder: Path, photos: int) -> dict[str, float]:
    """Return PSNR at each number of points, and colorfulness and edge sharpness without any."""
    sources = find_sources(folder)
    values: dict[str, list[float]] = {}
    for index in range(0, len(sources), max(1, len(sources) // photos)):
        rgb = read_square(sources[index], SIDE)[None]
        for name, value in _measures(model, rgb, index).items():
            values.setdefault(name, []).append(value)
    return {name: statistics.fmean(each) for name, each in values.items()}


def edge_sharpness(ab: Tensor, truth: Tensor) -> Tensor:
    """Return the gradient of ab at the strongest true edges of ab, as a share of the true one, ``(B,)``."""
    true, ours = sobel(truth).norm(dim=1).flatten(1), sobel(ab).norm(dim=1).flatten(1)
    edge = true >= true.quantile(STRONG_EDGES, dim=1, keepdim=True)
    return (ours * edge).sum(dim=1) / (true * edge).sum(dim=1).clamp_min(1e-6)


def _local(steps: int, **extension: Any) -> ColorizationModule:
    del steps
    return build_model(Zhang2017Local, {**COMMON, **LOSSES, **extension, "optimizer": partial(Adam, lr=LR)})


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


def write(rows: list[dict[str, Any]], args: argparse.Namespace) -> None:
    """Write the table as Markdown and CSV."""
    names = list(rows[0])
    with (args.out / "extensions.csv").open("w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(rows)
    head = f"| {' | '.join(names)} |\n|{'---|' * len(names)}\n"
    body = "".join("| " + " | ".join(_shown(row[name]) for name in names) + " |\n" for row in rows)
    (args.out / "extensions.md").write_text(
        _PREFACE.format(steps=args.steps, photos=args.photos) + head + body
    )


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.3f}"


if __name__ == "__main__":
    run_command(main)
