"""Zhang et al. 2017: points, global statistics and suggested colors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from scipy.ndimage import distance_transform_edt
from torch import Tensor

from benchmarks.claims._claim import Claim, Result, make_claim
from benchmarks.claims._experiment import MOST, Experiment, Item, Measure, Setup
from benchmarks.claims._images import evenly, psnr_of, read_square
from colorzoo import Guidance
from colorzoo.color import hull_centers, prior_probabilities, rgb_to_lab
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import GlobalStatistics, Points, statistics_of
from colorzoo.inference.palette import suggest_colors, weighted_clusters
from colorzoo.inference.steps.points import enforce_points, find_neighbors
from colorzoo.model import ColoringModel
from colorzoo.simulation.points import uniform_points

PAPER = "zhang2017"
TITLE = "Zhang et al. 2017: Real-Time User-Guided Image Colorization"
INTRO = """`zhang2017_local_small` and `zhang2017_global_small` colorize test photos. Each point has the mean
ground-truth color of a random patch of 6 x 6 pixels. The color histogram and the mean saturation come from
the ground truth. The metric is PSNR. The published numbers are from figure 4 and table 1 of the paper."""
LOCAL, GLOBAL = "zhang2017_local_small", "zhang2017_global_small"
# Number of points -> PSNR in dB of the paper's network over 1,000 photos: psnrs_siggraph.npy of its authors.
STATED = {0: 24.43, 1: 25.37, 2: 26.20, 5: 27.39, 10: 28.42, 20: 29.34, 50: 30.42, 100: 31.13}
GRAY = 22.82  # table 1, of the same photos
LEVIN_COUNTS = (1, 10)  # one solution takes half a second
PHOTOS, COUNT = "photos/val", 20
PIXELS, RADII = 12, (5, 10, 15)  # of the suggestions


def begin_points(setup: Setup) -> Measure:
    """Return the measurement of the gain over gray by number of points."""
    network, levin = create_coloring_model(LOCAL), create_coloring_model("levin2004")

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], setup.side)
        lab = rgb_to_lab(rgb)
        lightness, truth = lab[:, :1], lab[:, 1:]
        gray = psnr_of(lightness, torch.zeros_like(truth), rgb)
        found: dict[str, float] = {}
        for count in STATED:
            points = uniform_points(truth, count, torch.Generator().manual_seed(seed_of(item)))
            guidance = Guidance(points=points)
            ab = network(lightness, guidance).ab
            given_back = enforce_points(ab, points, find_neighbors(lightness))
            answers: dict[str, Tensor] = {"network": ab, "given back": given_back}
            answers["nearest"] = nearest_hint(points)
            if count in LEVIN_COUNTS:
                answers["levin2004"] = levin(lightness, guidance).ab
            found |= {
                f"{name} {count}": psnr_of(lightness, each, rgb) - gray for name, each in answers.items()
            }
        return found

    return measure


def seed_of(item: Item) -> int:
    """Return a seed that depends on the image only."""
    return int(item.digest, 16) % 2**31


def nearest_hint(points: Points) -> Tensor:
    """Return ab ``(B, 2, H, W)`` with each pixel in the color of its nearest point; gray without points."""
    filled = torch.zeros_like(points.ab)
    for number, given in enumerate(points.mask[:, 0] > 0.5):
        if given.any():
            nearest = distance_transform_edt(~given.numpy(), return_distances=False, return_indices=True)
            rows, columns = torch.from_numpy(nearest).long()
            filled[number] = points.ab[number][:, rows, columns]
    return filled


def begin_statistics(setup: Setup) -> Measure:
    """Return the measurement of PSNR by the statistics that are given."""
    network = create_coloring_model(GLOBAL)

    @torch.inference_mode()
    def measure(item: Item) -> Mapping[str, float]:
        rgb = read_square(item.files[0], setup.side)
        lightness, true = rgb_to_lab(rgb)[:, :1], statistics_of(rgb)
        given = {
            "none": None,
            "histogram": GlobalStatistics(histogram=true.histogram),
            "saturation": GlobalStatistics(saturation=true.saturation),
        }
        return {
            name: psnr_of(lightness, network(lightness, Guidance(statistics=each)).ab, rgb)
            for name, each in given.items()
        }

    return measure


def begin_palette(setup: Setup) -> Measure:
    """Return the measurement of the share of random pixels with a suggestion within each radius."""
    model = create_coloring_model(LOCAL)
    shares = prior_probabilities().double().numpy()
    means, _ = weighted_clusters(hull_centers().double().numpy(), shares / shares.sum(), 9)
    fixed = torch.from_numpy(means).float().expand(PIXELS, -1, -1)

    def measure(item: Item) -> Mapping[str, float]:
        lab = rgb_to_lab(read_square(item.files[0], setup.side))
        seed = seed_of(item)
        places = torch.randint(setup.side, (PIXELS, 2), generator=torch.Generator().manual_seed(seed))
        truth = torch.stack([lab[0, 1:, y, x] for y, x in places.tolist()])
        suggested: dict[str | int, Tensor] = {"fixed": fixed}
        for count in (0, 10):
            suggested[count] = torch.stack([*suggest(model, lab, places.tolist(), count, seed)])
        found = {}
        for name, colors in suggested.items():
            distance = torch.linalg.vector_norm(colors - truth[:, None], dim=2).amin(dim=1)
            for radius in RADII:
                found[f"within {radius}, {name}"] = float((distance <= radius).float().mean())
        return found

    return measure


def suggest(
    model: ColoringModel, lab: Tensor, places: list[list[int]], count: int, seed: int
) -> Iterator[Tensor]:
    """Yield nine suggested ab ``(9, 2)`` for each place, given ``count`` true points elsewhere."""
    points = uniform_points(lab[:, 1:], count, torch.Generator().manual_seed(seed + 1))
    with torch.inference_mode():
        distribution = model(lab[:, :1], Guidance(points=points)).distribution()
    assert distribution is not None
    for y, x in places:
        found = suggest_colors(distribution.at(x, y), distribution.centers, float(lab[0, 0, y, x]))
        ab = torch.tensor([each.ab for each in found])
        yield torch.cat([ab, ab[:1].expand(9 - len(ab), 2)])


SOME_PHOTOS = evenly(PHOTOS, COUNT, count=MOST)
POINTS = Experiment("zhang2017-points", (LOCAL,), PHOTOS, SOME_PHOTOS, begin_points)
STATISTICS = Experiment("zhang2017-statistics", (GLOBAL,), PHOTOS, SOME_PHOTOS, begin_statistics)
PALETTE = Experiment("zhang2017-palette", (LOCAL,), PHOTOS, SOME_PHOTOS, begin_palette)
EXPERIMENTS = (POINTS, STATISTICS, PALETTE)


def claims(results: Mapping[str, Result]) -> list[Claim]:
    """Return the claims of the paper."""
    points, statistics, palette = (results[each.name] for each in EXPERIMENTS)
    words = {count: "1 point" if count == 1 else f"{count} points" for count in STATED}
    effects = [
        (
            f"with {words[count]} the network is better than gray",
            points.mean(f"network {count}"),
            points,
            STATED[count] - GRAY,
        )
        for count in (0, 1, 10, 100)
    ]
    effects += [
        (
            f"the true {name} raises PSNR",
            statistics.gain(name, "none"),
            statistics,
            stated - STATED[0],
        )
        for name, stated in (("histogram", 27.85), ("saturation", 25.78))
    ]
    rows = [
        make_claim(text, ours, "dB", result, paper_number=f"+{stated:.2f} dB", stated=stated)
        for text, ours, result, stated in effects
    ]
    for count in LEVIN_COUNTS:
        text = f"with {words[count]} the network is better than optimization (Levin et al. 2004)"
        ours = points.gain(f"given back {count}", f"levin2004 {count}")
        rows.append(make_claim(text, ours, "dB", points, paper_number="not found"))
    for text, one, other in (
        (
            "nine suggestions contain the true color (within 10 ab) more often than nine fixed colors",
            0,
            "fixed",
        ),
        ("ten points elsewhere improve the suggestions", 10, 0),
    ):
        ours = palette.gain(f"within 10, {one}", f"within 10, {other}")
        rows.append(make_claim(text, ours, "of pixels", palette, paper_number="user study"))
    return rows
