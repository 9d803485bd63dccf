"""How near the batched Cluster Discrepancy Ratio comes to the exact one, and how fast it is.

Central 256 x 256 of photos. The results are those of the embedded model, without and with ten color points,
and the truth spoiled in two ways: moved by three pixels, and blurred with half its chroma.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr
from torch import Tensor

from benchmarks._harness import Options, Row, share_of, where
from benchmarks._photos import photos
from colorzoo import Guidance, create_model
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import uniform_points
from colorzoo.metrics import batched_discrepancy, batched_truth, cluster_discrepancy, truth_clusters
from colorzoo.metrics.smooth import gaussian_blur
from colorzoo.tasks import ColorizationModule

COUNT, BATCH = 60, 6


def run(options: Options) -> list[Row]:
    """Compare the two over the first photos, and time both on all devices there are."""
    pictures = list(islice(photos(options.data), COUNT))
    model = create_model("zhang2017_local_small", options.weights or "default", offline=True)
    batches = [_load(pictures[first : first + BATCH], model) for first in range(0, len(pictures), BATCH)]
    exact, batched = (
        np.concatenate([ratios(*batch) for batch in batches], axis=1) for ratios in (_exact, _batched)
    )
    place = f"{len(pictures)} photos, {len(exact)} results each; {where()}"
    return [*_agreement(exact, batched, place), *_speeds(batches[0], place)]


def _load(pictures: list[Tensor], model: ColorizationModule) -> tuple[Tensor, list[Tensor]]:
    """Return the ``(B, 2, H, W)`` truth of photos and the results."""
    rgb = torch.stack(pictures)
    lab = rgb_to_lab(rgb)
    luma, ab = lab[:, :1], lab[:, 1:]
    blurred = gaussian_blur(ab.flatten(0, 1), 4.0).view_as(ab) / 2
    return ab, [_predict(model, luma, ab, 0), _predict(model, luma, ab, 10), ab.roll(3, dims=3), blurred]


def _predict(model: ColorizationModule, luma: Tensor, ab: Tensor, count: int) -> Tensor:
    points = uniform_points(ab, count, torch.Generator().manual_seed(count))
    with torch.inference_mode():
        prediction = model(luma, Guidance(points=points)).ab
    assert prediction is not None
    return prediction


def _exact(truth: Tensor, results: list[Tensor]) -> NDArray[np.float64]:
    """Return the ``(results, B)`` means of a and b."""
    truths = [truth_clusters(picture) for picture in truth]
    return np.array(
        [
            [float(cluster_discrepancy(*pair).nanmean()) for pair in zip(result, truths, strict=True)]
            for result in results
        ]
    )


def _batched(truth: Tensor, results: list[Tensor]) -> NDArray[np.float64]:
    truths = batched_truth(truth)
    found = [batched_discrepancy(result, truths).nanmean(dim=1) for result in results]
    return torch.stack(found).cpu().numpy()


def _agreement(exact: NDArray[np.float64], batched: NDArray[np.float64], place: str) -> list[Row]:
    both = np.isfinite(exact)  # a gray photo has no ratio, in neither
    least = min(
        float(spearmanr(first[mask], second[mask]).statistic)
        for first, second, mask in zip(exact, batched, both, strict=True)
    )
    apart = float(np.abs(exact - batched)[both].mean())
    spread = float(np.nanmean(np.nanstd(exact, axis=1)))
    means = float(np.abs(np.nanmean(exact, axis=1) - np.nanmean(batched, axis=1)).max())
    gap = float(np.diff(np.sort(np.nanmean(exact, axis=1))).min())
    return [
        Row("batched CDR, least rank correlation over photos", least, 1.0, least, 0.99, "higher", place),
        share_of("batched CDR, mean difference, of the deviation over photos", apart, spread, 0.05, place),
        share_of(
            "batched CDR, largest difference of means, of the least gap of results", means, gap, 0.1, place
        ),
    ]


def _speeds(batch: tuple[Tensor, list[Tensor]], place: str) -> list[Row]:
    """Return pictures a second against the exact ratio on the CPU; no goal is set for them."""
    truth, result = batch[0], batch[1][:1]
    exact = len(truth) / _seconds(lambda: _exact(truth, result))
    rows = []
    for device in ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]:
        copies = 1 if device == "cpu" else 16
        there = truth.repeat(copies, 1, 1, 1).to(device), [result[0].repeat(copies, 1, 1, 1).to(device)]
        clock = time.process_time if device == "cpu" else time.perf_counter
        ours = len(there[0]) / _seconds(lambda there=there: _batched(*there), clock)
        rows.append(
            Row(f"batched CDR on {device}, pairs a second", ours, exact, ours / exact, 0.0, "higher", place)
        )
    return rows


def _seconds(call: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """Return the median seconds of three calls; the answer comes to the CPU, so that a GPU is done."""
    call()
    spent = []
    for _ in range(3):
        start = clock()
        call()
        spent.append(clock() - start)
    return float(np.median(spent))
