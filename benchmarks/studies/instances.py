"""Compare su2020_small with boxes with its own full-image network on pictures with things.

``python docs/measure_instances.py --data COCO`` takes the validation pictures of a COCO folder with their
boxes, and prints mean differences with 95 % intervals over pictures; ``--weights`` measures another file.

Two distances from the truth stand in for LPIPS (lower is better), see ``stand_in.py``. Neither network is
part of ``su2020_small``; but ``zhang2016_small`` began its training from its full-image network. The encoder
of ``xu2020_small`` was trained from random weights.
"""

from __future__ import annotations

import argparse
import statistics
from functools import cache

import torch
from torch import Tensor

from benchmarks._stand_in import Looker
from colorzoo import create_model
from colorzoo.color import rgb_to_lab
from colorzoo.data import CocoStuffDataModule
from colorzoo.guidance import Boxes, Guidance
from colorzoo.metrics.colorful import colorfulness
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.metrics.structure import ssim
from colorzoo.tasks import ColorizationModule

MOST = 8
LOOKERS = ("zhang2016_small", "xu2020_small")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="COCO folder")
    parser.add_argument("--weights", default="default")
    parser.add_argument("--most", type=int, default=MOST, help="boxes of a picture, the largest ones")
    args = parser.parse_args()
    torch.set_num_threads(1)
    data = CocoStuffDataModule(args.data, boxes=True, only_with_boxes=True, val_batch_size=1, num_workers=0)
    data.setup("validate")
    model = create_model("su2020_small", args.weights)
    rows: dict[str, list[float]] = {}
    for raw in data.val_dataloader():
        batch = data.on_after_batch_transfer(raw, 0)
        height, width = batch["rgb"].shape[-2:]
        corners = largest(batch["boxes"][0], args.most) / torch.tensor([width, height, width, height])
        if not len(corners):
            continue
        for name, value in differences(model, batch["rgb"], corners).items():
            rows.setdefault(name, []).append(value)
    for name, values in rows.items():
        half = 1.96 * statistics.stdev(values) / len(values) ** 0.5
        print(f"{name}: {statistics.mean(values):+.4f} +- {half:.4f} ({len(values)} pictures)")


def largest(corners: Tensor, most: int) -> Tensor:
    """Return the largest boxes of ``(K, 4)``, largest first."""
    left, top, right, bottom = corners.unbind(dim=1)
    order = ((right - left) * (bottom - top)).argsort(descending=True, stable=True)
    return corners[order[:most]]


@torch.inference_mode()
def differences(model: ColorizationModule, rgb: Tensor, corners: Tensor) -> dict[str, float]:
    """Return what boxes change in the measures of one picture ``(1, 3, H, W)``."""
    luma = rgb_to_lab(rgb)[:, :1]
    full, fused = (
        model(luma, Guidance(boxes=boxes)).to_rgb(luma).clamp(0, 1) for boxes in (None, Boxes.of([corners]))
    )
    left, top, right, bottom = (corners * torch.tensor([*rgb.shape[:1:-1]] * 2)).round().long().unbind(dim=1)
    inside = torch.zeros_like(luma, dtype=torch.bool)
    for x0, y0, x1, y1 in zip(left, top, right, bottom, strict=True):
        inside[..., y0 : y1 + 1, x0 : x1 + 1] = True
    mask = inside.expand_as(rgb)
    gain = (full - rgb)[mask].square().mean() / (fused - rgb)[mask].square().mean()
    looks = {
        name: (_looker(name).distance(full, rgb), _looker(name).distance(fused, rgb)) for name in LOOKERS
    }
    return {
        "PSNR, dB": float(psnr_8bit(fused, rgb) - psnr_8bit(full, rgb)),
        "PSNR in the boxes, dB": float(10 * gain.log10()),
        "SSIM": float(ssim(fused, rgb) - ssim(full, rgb)),
        "colorfulness": float(colorfulness(fused) - colorfulness(full)),
        **{f"distance, {name}": fused - full for name, (full, fused) in looks.items()},
        **{f"distance without boxes, {name} (no difference)": full for name, (full, _) in looks.items()},
    }


_looker = cache(Looker)


if __name__ == "__main__":
    main()
