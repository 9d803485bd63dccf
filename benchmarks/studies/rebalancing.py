r"""Compare zhang2016_small trained with and without class rebalancing, as table 1 of Zhang et al. 2016 does.

Train both alike, without the moving average, for which 600 steps are too few, then measure::

    for uniform in 0.5 1.0; do
      colorzoo fit --config configs/zhang2016/small.yaml --model.uniform $uniform \
        --trainer.max_steps 600 --trainer.callbacks null --trainer.default_root_dir runs/$uniform
    done
    python docs/measure_rebalancing.py --data photos/val --rebalanced A/last.ckpt --plain B/last.ckpt
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._photos import photos
from colorzoo import create_model
from colorzoo.color import lab_to_rgb_in_gamut, rgb_to_lab
from colorzoo.metrics import AbAUC
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.tasks import ColorizationModule

TEMPERATURE = 0.38  # the paper's


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rebalanced", type=Path, required=True)
    parser.add_argument("--plain", type=Path, required=True)
    args = parser.parse_args()
    pictures = list(photos(args.data))
    print("| | PSNR over gray | colorfulness / true | AuC raw | AuC rebalanced |\n|---|---|---|---|---|")
    for name, path in (("rebalanced", args.rebalanced), ("not rebalanced", args.plain)):
        model = create_model("zhang2016_small", path, temperature=TEMPERATURE)
        print(f"| {name} | " + " | ".join(f"{value:.3f}" for value in measure(model, pictures)) + " |")


def measure(model: ColorizationModule, pictures: list[Tensor]) -> tuple[float, float, float, float]:
    """Return PSNR over gray in dB, colorfulness as a share of the true one, AuC raw and rebalanced."""
    area = AbAUC()
    gains, ours, true = [], [], []
    for rgb in pictures:
        lab = rgb_to_lab(rgb[None])
        luma, truth = lab[:, :1], lab[:, 1:]
        with torch.inference_mode():
            ab = model(luma).ab
        assert ab is not None
        area.update(ab, truth)
        colored, gray = (_join(luma, each) for each in (ab, torch.zeros_like(ab)))
        gains.append(float(psnr_8bit(colored, rgb[None]) - psnr_8bit(gray, rgb[None])))
        ours.append(float(colorfulness(colored)))
        true.append(float(colorfulness(rgb[None])))
    areas = [float(value) for value in area.compute().values()]
    return statistics.fmean(gains), statistics.fmean(ours) / statistics.fmean(true), areas[0], areas[1]


def _join(luma: Tensor, ab: Tensor) -> Tensor:
    return lab_to_rgb_in_gamut(torch.cat([luma, ab], dim=1)).clamp(0, 1)


if __name__ == "__main__":
    main()
