"""Cho et al. 2023: the value of answers about regions, and of their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.claims._claim import Claim, Result, estimate, make_claim
from benchmarks.claims._experiment import ENOUGH, Experiment, Item, Measure, Setup
from benchmarks.claims._images import evenly
from colorzoo import Guidance
from colorzoo.data.sources import StoredImage
from colorzoo.errors import DataError
from colorzoo.evaluation.images import Item as PairedImage
from colorzoo.evaluation.images import Truth, read_truth
from colorzoo.evaluation.methods import model_function
from colorzoo.evaluation.protocol import Sketches, load_protocol
from colorzoo.evaluation.statistics import Estimate
from colorzoo.factory import create_coloring_model
from colorzoo.guidance.color_statistics import region_means
from colorzoo.metrics.psnr import psnr_8bit
from colorzoo.model import ColoringModel
from colorzoo.simulation import play
from colorzoo.zoo.cho2023.model import cut_segments

PAPER = "cho2023"
TITLE = "Cho et al. 2023: Guiding Users to Where to Give Color Hints"
INTRO = """`cho2023_small` colorizes test illustrations at 128 x 128 pixels. A simulated user fills each of n
regions with the mean true color of the region. The metric is PSNR.

In the paper, a network learns the order of the regions. `cho2023_small` splits the network's segments into
regions, which are sorted in descending order of area times segment weight. The weight of a segment is the
generator's mean error on training images if the segment has no hint. The *control* `cho2023_points_small` is
a generator of the same architecture, trained with points on the same drawings. A point has the mean true
color of 6 x 6 pixels at a random place. After its short training, the control changes few pixels beyond a
point, so the gain over points would be smaller with longer training.

The last rows repeat claims with pairs of drawn lines and color images at 256 pixels. *Drawn lines* come from
the artist or the vector file, and *XDoG lines* from the color image. XDoG with a small standard deviation
keeps the tone of surfaces. The network was trained on drawn lines and on extracted lines without tone.

The claims hold for both kinds of lines, and both give nearly the same PSNR. Earlier weights, which were
trained on XDoG lines, had a PSNR that was 1.7 dB lower with ten colors on drawn lines: such a network reads
colors from the tone. Therefore, PSNR values of networks that were trained on XDoG lines are too high for
drawings."""
NAME, CONTROL = "cho2023_small", "cho2023_points_small"
SIDE, COUNT, REGIONS = 128, 24, 30
SET = "sketch/val"
COUNTS = (0, 1, 2, 3, 5, 10, 20, 30)
ARMS = {  # measurement -> model and protocol
    "asked": (NAME, "cho2023-regions"),
    "shuffled": (NAME, "cho2023-regions-shuffled"),
    "superpixels": (NAME, "cho2023-regions-superpixels"),
    "points": (CONTROL, "cho2023-points"),
}
PAIRS = "drawings/val"
LINES: dict[str, Sketches] = {"drawn lines": "drawn", "XDoG lines": "xdog"}
LINES_COUNTS = (0, 1, 3, 5, 10)


def begin_order(setup: Setup) -> Measure:
    """Return the measurement of PSNR by number of answers and by the order of the regions."""
    models = {name: create_coloring_model(name) for name in (NAME, CONTROL)}
    protocol = load_protocol("cho2023-regions")
    protocol = replace(protocol, resize=replace(protocol.resize, size=min(SIDE, setup.side)))

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        image = PairedImage("", StoredImage(str(item.files[0]))).hashed()
        truth = read_truth(image, protocol, torch.device("cpu"))
        return psnr_of_arms(models, truth, COUNTS) | psnr_of_controls(models[NAME], truth)

    return measure


def psnr_of_arms(
    models: Mapping[str, ColoringModel], truth: Truth, counts: Sequence[int]
) -> dict[str, float]:
    """Return PSNR by arm and number of answers, such as ``asked 3``."""
    psnr = {}
    for arm, (name, protocol) in ARMS.items():
        user, paint = load_protocol(protocol).user, model_function(models[name])
        for turn in play(paint, user, truth.sketch_scene, counts, model=models[name]):
            psnr[f"{arm} {turn.count}"] = float(psnr_8bit(turn.result.rgb, truth.rgb))
    return psnr


def psnr_of_controls(model: Any, truth: Truth) -> dict[str, float]:
    """Return PSNR with the same regions in order of area, and with regions cut by lines alone."""
    sketch = truth.sketch_scene.lightness
    regions: Any = model.propose(sketch)
    alike = [1.0] * (REGIONS + 1)
    ways = {
        "by area": cut_segments(regions.segments, sketch, REGIONS, alike),
        "lines alone": cut_segments(torch.zeros_like(regions.segments), sketch, REGIONS, alike),
    }
    found = {}
    for name, index in ways.items():
        colors, _ = region_means(index, truth.rgb, REGIONS)
        for count in (1, 10):
            given = torch.zeros_like(regions.given)
            given[:, :count] = 1
            answered = replace(regions, index=index, rgb=colors, given=given)
            painted: Tensor = model(sketch, Guidance(regions=answered)).rgb
            found[f"{name} {count}"] = float(psnr_8bit(painted, truth.rgb))
    return found


ORDER = Experiment("cho2023-order", (NAME, CONTROL), SET, evenly(SET, COUNT, count=ENOUGH), begin_order)


def find_line_pairs(setup: Setup) -> Sequence[Item]:
    """Return the color images with drawn lines, with the lines as the second file."""
    folder = setup.data / PAIRS
    found = [(folder / "images" / path.name, path) for path in sorted((folder / "lines").glob("*.webp"))]
    if not found:
        raise DataError(f"{folder / 'lines'} holds no *.webp; name the folder of the data with --data")
    return [Item(image.stem, (image, lines)) for image, lines in found[: setup.count]]


def begin_lines(setup: Setup) -> Measure:
    """Return the measurement of PSNR by number of answers, on drawn lines and on XDoG lines."""
    models = {name: create_coloring_model(name) for name in (NAME, CONTROL)}
    drawings = load_protocol("drawings-regions")
    resize = replace(drawings.resize, size=min(drawings.resize.size, setup.side))

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        image, lines = (StoredImage(str(file)) for file in item.files)
        pair = PairedImage("", image, lines=lines).hashed()
        psnr: dict[str, float] = {}
        for name, sketches in LINES.items():
            truth = read_truth(pair, replace(drawings, resize=resize, sketches=sketches), torch.device("cpu"))
            psnr |= {f"{name} {arm}": v for arm, v in psnr_of_arms(models, truth, LINES_COUNTS).items()}
        return psnr

    return measure


DRAWN = Experiment("cho2023-lines", (NAME, CONTROL), PAIRS, find_line_pairs, begin_lines)
EXPERIMENTS = (ORDER, DRAWN)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper and their controls."""
    result = results[ORDER.name]
    words = {count: "1 color" if count == 1 else f"{count} colors" for count in COUNTS}
    rows: list[tuple[str, Estimate]] = []
    for text, other, counts in (
        ("the model's order is better than a random order after {}", "shuffled", (1, 3, 10)),
        ("regions are better than superpixels after {}", "superpixels", (1, 10)),
        ("regions are better than random points after {}", "points", (1, 3, 10)),
        ("the model's order is better than an order by area after {} (not in the paper)", "by area", (1, 10)),
        (
            "regions of the network are better than regions between lines after {} (not in the paper)",
            "lines alone",
            (1, 10),
        ),
    ):
        for count in counts:
            rows.append((text.format(words[count]), result.gain(f"asked {count}", f"{other} {count}")))
    first = (result.column("asked 3") - result.column("asked 0")) / 3
    later = (result.column("asked 10") - result.column("asked 5")) / 5
    text = "each of colors 1 to 3 gains more than each of colors 6 to 10"
    rows.append((text, estimate(first - later)))
    rows.append(("2 region colors are better than 10 random points", result.gain("asked 2", "points 10")))
    found = [make_claim(text, ours, "dB", result, paper_number="not found") for text, ours in rows]
    return [*found, *line_claims(results[DRAWN.name])]


def line_claims(result: Result) -> list[Claim]:
    """Return claims on drawn lines and on XDoG lines of the same images."""
    found = []
    for text, better, worse in (
        ("the model's order is better than a random order after 3 colors", "asked 3", "shuffled 3"),
        ("the model's order is better than a random order after 10 colors", "asked 10", "shuffled 10"),
        ("regions are better than superpixels after 10 colors", "asked 10", "superpixels 10"),
        ("regions are better than random points after 10 colors", "asked 10", "points 10"),
        ("10 colors are better than none", "asked 10", "asked 0"),
    ):
        for name in LINES:
            gain = result.gain(f"{name} {better}", f"{name} {worse}")
            found.append(make_claim(f"{name}: {text}", gain, "dB", result, paper_number="not found"))
    for count in (0, 10):
        gain = result.gain(f"XDoG lines asked {count}", f"drawn lines asked {count}")
        text = f"XDoG lines give a higher PSNR than drawn lines with {count} colors (not in the paper)"
        found.append(make_claim(text, gain, "dB", result, paper_number="not found"))
    return found
