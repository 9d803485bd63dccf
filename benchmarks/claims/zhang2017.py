"""Zhang et al. 2017: points, the statistics of the whole picture, the suggested colors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks._nearest import nearest_hint
from benchmarks.claims import _palette
from benchmarks.claims._claim import Claim, judge
from benchmarks.claims._experiment import Experiment, Item, Measure, Setup
from benchmarks.claims._numbers import Result
from benchmarks.claims._pictures import evenly, psnr_of, read_square
from benchmarks.claims._plot import Line, draw_curves
from colorzoo import Guidance, create_model
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import GlobalStatistics, statistics_of, uniform_points
from colorzoo.inference.honor import honor_points

PAPER = "zhang2017"
TITLE = "Zhang et al. 2017: Real-Time User-Guided Image Colorization"
INTRO = """`zhang2017_local_small` and `zhang2017_global_small` on photos that neither was trained on:
central 256 x 256, uniform 6 x 6 points with their mean color, statistics of the true picture, PSNR over
8-bit RGB (figure 4 and table 1 of the paper, which has 1,000 photos of ImageNet; effects are compared, not
levels). *Given back*: what users get, the network and what it missed at the points spread around them
(`inference/honor.py`)."""
LOCAL, GLOBAL = "zhang2017_local_small", "zhang2017_global_small"
# Number of points -> PSNR in dB of the paper's network over 1,000 photos: psnrs_siggraph.npy of its authors.
STATED = {0: 24.43, 1: 25.37, 2: 26.20, 5: 27.39, 10: 28.42, 20: 29.34, 50: 30.42, 100: 31.13}
GRAY = 22.82  # table 1, of the same photos
LEVIN_COUNTS = (1, 10)  # one solution takes half a second
PHOTOS, COUNT = "photos/val", 20
FIGURES = (
    (
        "zhang2017_points.svg",
        "PSNR over gray against the number of points; dashed: the paper, on other photos",
    ),
)


def begin_points(setup: Setup) -> Measure:
    """Return what measures the gain over gray by number of points."""
    network, levin = create_model(LOCAL), create_model("levin2004")

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], setup.side)
        lab = rgb_to_lab(rgb)
        luma, truth = lab[:, :1], lab[:, 1:]
        gray = psnr_of(luma, torch.zeros_like(truth), rgb)
        found = {}
        for count in STATED:
            points = uniform_points(truth, count, torch.Generator().manual_seed(int(item.digest, 16) % 2**31))
            guidance = Guidance(points=points)
            ab = network(luma, guidance).ab
            answers: dict[str, Tensor] = {"network": ab, "given back": honor_points(ab, luma, points)}
            answers["nearest"] = nearest_hint(points)
            if count in LEVIN_COUNTS:
                answers["levin2004"] = levin(luma, guidance).ab
            found |= {f"{name} {count}": psnr_of(luma, each, rgb) - gray for name, each in answers.items()}
        return found

    return measure


def begin_statistics(setup: Setup) -> Measure:
    """Return what measures PSNR by which statistics are given."""
    network = create_model(GLOBAL)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], setup.side)
        luma, true = rgb_to_lab(rgb)[:, :1], statistics_of(rgb)
        given = {
            "none": None,
            "histogram": GlobalStatistics(histogram=true.histogram),
            "saturation": GlobalStatistics(saturation=true.saturation),
        }
        return {
            name: psnr_of(luma, network(luma, Guidance(statistics=each)).ab, rgb)
            for name, each in given.items()
        }

    return measure


POINTS = Experiment("zhang2017-points", (LOCAL,), PHOTOS, evenly(PHOTOS, COUNT), begin_points)
STATISTICS = Experiment("zhang2017-statistics", (GLOBAL,), PHOTOS, evenly(PHOTOS, COUNT), begin_statistics)
PALETTE = Experiment("zhang2017-palette", (LOCAL,), PHOTOS, evenly(PHOTOS, COUNT), _palette.begin)
EXPERIMENTS = (POINTS, STATISTICS, PALETTE)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the rows of the paper."""
    return [
        *_of_points(results[POINTS.name]),
        *_of_statistics(results[STATISTICS.name]),
        *_of_palette(results[PALETTE.name]),
    ]


def _of_points(result: Result) -> list[Claim]:
    rows = []
    for count in (0, 1, 10, 100):
        stated = STATED[count] - GRAY
        text = f"with {_points(count)} the network is nearer to the truth than gray"
        number = f"+{stated:.2f} dB"
        ours = result.mean(f"network {count}")
        rows.append(judge(PAPER, text, ours, "dB", result, paper_number=number, stated=stated))
    for count in (1, 10):
        text = f"with {_points(count)} it beats spreading them by optimization (Levin et al. 2004)"
        ours = result.gain(f"given back {count}", f"levin2004 {count}")
        rows.append(judge(PAPER, text, ours, "dB", result, paper_number="no number at hand"))
    return rows


def _points(count: int) -> str:
    return "1 point" if count == 1 else f"{count} points"


def _of_statistics(result: Result) -> list[Claim]:
    rows = []
    for name, stated in (("histogram", 27.85 - 24.43), ("saturation", 25.78 - 24.43)):
        text = f"the true {name} brings the colors nearer to the truth"
        ours = result.gain(name, "none")
        number = f"+{stated:.2f} dB"
        rows.append(judge(PAPER, text, ours, "dB", result, paper_number=number, stated=stated))
    return rows


def _of_palette(result: Result) -> list[Claim]:
    rows = []
    for text, one, other in (
        (
            "one of nine suggestions is near the true color (10 ab), more often than one of nine fixed",
            0,
            "fixed",
        ),
        ("points elsewhere make the suggestions better", 10, 0),
    ):
        ours = result.gain(f"within 10, {one}", f"within 10, {other}")
        rows.append(judge(PAPER, text, ours, "share of pixels", result, paper_number="by a user study"))
    return rows


def draw(results: Mapping[str, Result], folder: Path) -> None:
    """Draw the curve of the points."""
    result = results[POINTS.name]
    counts = list(STATED)
    lines = [
        Line(name, counts, [result.mean(f"{name} {count}") for count in counts])
        for name in ("network", "given back", "nearest")
    ]
    lines.append(Line("levin2004", list(LEVIN_COUNTS), [result.mean(f"levin2004 {n}") for n in LEVIN_COUNTS]))
    stated = [STATED[count] - GRAY for count in counts]
    path = folder / FIGURES[0][0]
    draw_curves(path, lines, ("points", "PSNR over gray, dB"), stated=(counts, stated), shifted_log=True)
