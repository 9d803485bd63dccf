"""Measure exemplar coloring on pairs: related and unrelated references, stage by stage, beside baselines.

``python docs/measure_exemplar.py --data DATA --out exemplar.json`` takes the pairs in color of
DATA/exemplar/pairs.csv and pairs of the held-out photos DATA/photos/val of one category (DATA/manifest.csv).
An unrelated reference is that of another pair, of another category. ``--pictures FOLDER`` also writes rows of
target in gray, reference, automatic, transfer, result and truth.

Two distances from the truth stand in for LPIPS (lower is better), see ``stand_in.py``. None of the models
compared is judged by its own features; but ``zhang2016_small`` began its training from the network of
*automatic*. ``cho2023_small``, which was trained on line art, is related to none of them.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections import defaultdict
from functools import cache
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from benchmarks._stand_in import Looker
from colorzoo import Exemplar, Guidance, create_model
from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.metrics.histogram import histogram_intersection
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.metrics.structure import ssim

Pair = tuple[Path, Path, str]
LOOKERS = ("zhang2016_small", "cho2023_small")
COMPARED = ("psnr", "ssim", "histogram", *LOOKERS)  # with automatic


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="JSON file to write")
    parser.add_argument("--pairs", type=int, default=100, help="most pairs")
    parser.add_argument("--side", type=int, default=192, help="of the central square that is colored")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of ten pairs, two unrelated")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pairs = find_pairs(args.data)
    pairs = pairs[:: max(1, len(pairs) // args.pairs)][: args.pairs]
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for index, pair in enumerate(pairs):
        other = next(p for p in pairs[index + 1 :] + pairs if p[2] != pair[2])
        measure(pair, other, args.side, values)
        if index % 10 == 9 or index == len(pairs) - 1:
            args.out.write_text(json.dumps(summarize(values), indent=1))
            print(index + 1, flush=True)
    print(tables(summarize(values)))
    if args.pictures:
        draw(pairs, args.side, args.pictures)


def find_pairs(data: Path) -> list[Pair]:
    """Return target, reference and category of every pair in color."""
    with (data / "exemplar" / "pairs.csv").open(newline="") as stream:
        rows = [row for row in csv.DictReader(stream) if row["target_is_gray"] == "0"]
    found = [(data / row["target"], data / row["reference"], Path(row["target"]).parent.name) for row in rows]
    groups: dict[str, list[Path]] = defaultdict(list)
    with (data / "manifest.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            if row["path"].startswith("photos/val/") and row["category"] != "bsds":
                groups[row["category"]].append(data / row["path"])
    for category, paths in groups.items():
        found += [(a, b, category) for a, b in zip(paths[::2], paths[1::2], strict=False)]
    return found


def measure(pair: Pair, other: Pair, side: int, values: dict[str, dict[str, list[float]]]) -> None:
    """Color the target of a pair in all ways and note the results."""
    model = _model("xu2020_small")
    truth = read(pair[0], side)
    luma = rgb_to_lab(truth)[:, :1]
    references = {"related": read(pair[1], side), "unrelated": read(other[1], side)}
    for kind, reference in references.items():
        given = Guidance(exemplar=Exemplar(reference))
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
            stages = model(luma, given)
            found = {
                "gray": torch.zeros_like(stages.ab),
                "automatic": stages.extras["automatic"],
                "transfer only": stages.extras["transferred"],
                "both": stages.ab,
                "welsh2002": _model("welsh2002")(luma, given).ab,
                "feature_match": _model("feature_match")(luma, given).ab,
            }
            network = model.network
            plain = network.hints_of(stages.extras["transferred"], torch.Generator())
            found["both, hints as transferred"] = network.color(luma, plain)[0]
        for name, ab in found.items():
            note(values[f"{kind}: {name}"], luma, ab.float(), truth, reference)


def note(into: dict[str, list[float]], luma: Tensor, ab: Tensor, truth: Tensor, reference: Tensor) -> None:
    """Append PSNR, SSIM, distances, and how much of the color histogram is that of the reference."""
    rgb = lab_to_rgb(torch.cat([luma, ab], dim=1))
    into["psnr"].append(float(psnr_8bit(rgb, truth)))
    into["ssim"].append(float(ssim(rgb, truth)))
    for name in LOOKERS:
        into[name].append(_looker(name).distance(rgb, truth))
    shown = rgb_to_lab(rgb)[:, 1:]
    into["histogram"].append(float(histogram_intersection(shown, rgb_to_lab(reference)[:, 1:])))


def summarize(values: dict[str, dict[str, list[float]]]) -> dict[str, dict[str, list[float]]]:
    """Return mean and half the 95 % interval of each number, and of what it is over automatic's."""
    summary: dict[str, dict[str, list[float]]] = {}
    for name, numbers in values.items():
        base = values[f"{name.split(':')[0]}: automatic"]
        summary[name] = {key: _mean(each) for key, each in numbers.items()}
        for key in COMPARED:
            gains = [a - b for a, b in zip(numbers[key], base[key], strict=True)]
            summary[name][f"{key} over automatic"] = _mean(gains)
    return summary


def _mean(numbers: list[float]) -> list[float]:
    spread = statistics.stdev(numbers) if len(numbers) > 1 else 0.0
    return [
        round(statistics.fmean(numbers), 5),
        round(1.96 * spread / len(numbers) ** 0.5, 5),
        len(numbers),
    ]


def tables(summary: dict[str, dict[str, list[float]]]) -> str:
    """Return the summary as two Markdown tables, the second one of the distances."""
    first = ("psnr", "psnr over automatic", "ssim", "histogram", "histogram over automatic")
    second = tuple(f"{name}{end}" for name in LOOKERS for end in ("", " over automatic"))
    return "\n\n".join(_table(summary, *chosen) for chosen in ((first, 3), (second, 4)))


def _table(summary: dict[str, dict[str, list[float]]], keys: tuple[str, ...], digits: int) -> str:
    lines = [f"| reference: method | {' | '.join(keys)} |", f"|---|{'---|' * len(keys)}"]
    for name, numbers in summary.items():
        cells = [f"{numbers[key][0]:.{digits}f} ± {numbers[key][1]:.{digits}f}" for key in keys]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def draw(pairs: list[Pair], side: int, folder: Path) -> None:
    """Write target, reference, transfer and result of ten pairs; the last two references are unrelated."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _model("xu2020_small")
    chosen = pairs[:: max(1, len(pairs) // 10)][:10]
    for index, pair in enumerate(chosen):
        reference = read((chosen[index - 5] if index >= 8 else pair)[1], side)
        truth = read(pair[0], side)
        luma = rgb_to_lab(truth)[:, :1]
        with torch.inference_mode():
            stages = model(luma, Guidance(exemplar=Exemplar(reference)))
        maps = (stages.extras["automatic"], stages.extras["transferred"], stages.ab)
        shown = [lab_to_rgb(torch.cat([luma, ab], dim=1)) for ab in maps]
        row = torch.cat([luma.expand(-1, 3, -1, -1) / 100, reference, *shown, truth], dim=3)[0]
        Image.fromarray((row.permute(1, 2, 0) * 255).byte().numpy()).save(folder / f"{index:02d}.png")


def read(path: Path, side: int) -> Tensor:
    """Return the central square of a picture ``(1, 3, side, side)`` in [0, 1]."""
    rgb = decode_rgb(path.read_bytes())[None].float() / 255
    edge = min(rgb.shape[-2:])
    top, left = (rgb.shape[-2] - edge) // 2, (rgb.shape[-1] - edge) // 2
    square = rgb[:, :, top : top + edge, left : left + edge]
    return F.interpolate(square, size=(side, side), mode="bicubic", antialias=True).clamp(0, 1)


_MODELS: dict[str, torch.nn.Module] = {}


def _model(name: str) -> torch.nn.Module:
    if name not in _MODELS:
        _MODELS[name] = create_model(name)
    return _MODELS[name]


_looker = cache(Looker)


if __name__ == "__main__":
    main()
