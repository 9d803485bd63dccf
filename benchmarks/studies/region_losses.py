"""Train cho2023 small and shortly with and without two of its losses, and say what the regions become.

``python -m benchmarks.studies.region_losses --data DIR`` (with ``train`` and ``val``) prints the table of the
page and, where told (``--pictures OUT.png``), draws the regions of some pictures: a row a picture, a column a
training.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from lightning.pytorch import Trainer, seed_everything
from torch import Tensor
from torch.optim import Adam

from benchmarks._command import run_command
from colorzoo.callbacks.grid import draw_table
from colorzoo.data import SketchDataModule
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks.schedules import HoldThenLinear
from colorzoo.users.regions import region_means
from colorzoo.zoo.cho2023.hints import first_given, look_up_hints
from colorzoo.zoo.cho2023.task import Cho2023

SIDE, EPOCHS = 48, 2
WEIGHTS = {"variance_weight": 10.0, "smoothness_weight": 0.1}
VARIANTS = {
    "all losses": {},
    "without smoothness": {"smoothness_weight": 0.0},
    "without total variance": {"variance_weight": 0.0},
    "without both": {"smoothness_weight": 0.0, "variance_weight": 0.0},
}


def main() -> None:
    """Train all variants and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(1)
    lines = [
        f"{EPOCHS} epochs on crops of {SIDE} pixels at the width of `cho2023_small`, with the weights 30,",
        f"{WEIGHTS['variance_weight']:g} and {WEIGHTS['smoothness_weight']:g} for L1, total variance and",
        "smoothness (`python -m benchmarks.studies.region_losses --data DIR`). *Fill*: PSNR of a picture",
        "filled with its regions' true means. *Ragged*: share of neighboring pixels in different regions.",
        "",
        "| training | regions a picture | fill, dB | ragged | PSNR@0 | PSNR@1 | PSNR@3 | PSNR@30 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    columns: dict[str, Tensor] = {}
    for name, change in VARIANTS.items():
        model, rgb, sketch = train(args.data, {**WEIGHTS, **change})
        numbers, columns[name] = judge(model, rgb, sketch)
        lines.append(f"| {name} | " + " | ".join(f"{number:.3g}" for number in numbers) + " |")
        print(lines[-1], flush=True)
    print("\n".join(lines))
    if args.pictures:
        some = {"picture": rgb, "sketch": sketch.expand(-1, 3, -1, -1), **columns}
        draw_table({name: one[:8] for name, one in some.items()}).save(args.pictures)


def train(data: Path, weights: dict[str, float]) -> tuple[Cho2023, Tensor, Tensor]:
    """Return a trained model, and the validation pictures with their sketches."""
    seed_everything(0)
    module = SketchDataModule(
        str(data), batch_size=8, crop=SIDE, resize=SIDE + 16, cache=True, check=False, num_workers=0,
        jitter=True, val_size=SIDE, val_batch_size=100,
    )  # fmt: skip
    settings = {"width": 0.1875, "segmenter_width": 0.15625, "discriminator_width": 0.125}
    settings |= {
        "adversarial_weight": 0.0,
        "initial_temperature": 10.0,
        "final_temperature": 1.0,
        "clip": 1.0,
    }
    rates = {"optimizer": partial(Adam, lr=1e-3), "lr_scheduler": HoldThenLinear}
    model = build_model(Cho2023, {**settings, **rates, **weights})
    trainer = Trainer(
        max_epochs=EPOCHS, accelerator="cpu", precision="bf16-mixed", logger=False, enable_progress_bar=False,
        enable_checkpointing=False, enable_model_summary=False, limit_val_batches=0,
    )  # fmt: skip
    trainer.fit(model, module)
    batch = module.on_after_batch_transfer(next(iter(module.val_dataloader())), 0)
    return model.eval(), batch["rgb"], batch["sketch"]


@torch.no_grad()
def judge(model: Cho2023, rgb: Tensor, sketch: Tensor) -> tuple[list[float], Tensor]:
    """Return the numbers of a row, and the pictures filled with their regions' means."""
    regions = model.propose(sketch)
    colors, sizes = region_means(regions.index, rgb, 30)
    filled = look_up_hints(regions.index, colors, torch.ones_like(regions.given)).color
    index = regions.index
    ragged = [(index[..., 1:, :] != index[..., :-1, :]), (index[..., 1:] != index[..., :-1])]
    scores = []
    for count in (0, 1, 3, 30):
        given = first_given(torch.full((len(rgb),), count), 30)
        painted = model(sketch, Guidance(regions=replace(regions, rgb=colors, given=given))).rgb
        scores.append(float(psnr_8bit(painted, rgb).mean()))
    numbers = [
        float((sizes > 0).sum(1).float().mean()),
        float(psnr_8bit(filled, rgb).mean()),
        sum(float(one.float().mean()) for one in ragged) / 2,
        *scores,
    ]
    return numbers, filled


if __name__ == "__main__":
    run_command(main)
