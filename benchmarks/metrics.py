"""Cluster Discrepancy Ratio against its published form: one pixel after another, SLIC on a gray triple."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from skimage import data, feature, segmentation
from skimage.color import rgb2lab
from skimage.transform import resize
from torch import Tensor

from benchmarks._harness import Options, Row, time_in_turn, times_faster, where
from colorzoo.metrics import cluster_discrepancy, edge_scores, truth_clusters

SIDE, SIZE = 256, 5
Labels = NDArray[np.integer]
Plane = tuple[Labels, Labels, NDArray[np.bool_]]  # clusters of truth and result, edges


def run(options: Options) -> list[Row]:
    """Time the counting alone and the whole metric on one pair of 256 x 256 pictures."""
    del options
    truth_ab, result_ab = _pair()
    truth = truth_clusters(truth_ab)
    result = truth_clusters(result_ab).labels
    planes = [(truth.labels[index], result[index], truth.edges[index]) for index in (0, 1)]
    _require_equal(planes, truth_ab, result_ab)
    place = f"{SIDE} x {SIDE}, {int(truth.edges.sum())} edge pixels; {where()}"
    seconds = time_in_turn(
        {
            "counting": lambda: [edge_scores(*plane) for plane in planes],
            "counting loop": lambda: [count_in_a_loop(*plane) for plane in planes],
            "whole": lambda: cluster_discrepancy(result_ab, truth_clusters(truth_ab)),
            "cached": lambda: cluster_discrepancy(result_ab, truth),
            "whole loop": lambda: published_cdr(result_ab, truth_ab),
        },
        runs=3,
    )
    return [
        times_faster("CDR counting, s", seconds["counting"], seconds["counting loop"], 10, place),
        times_faster("CDR of a pair, s", seconds["whole"], seconds["whole loop"], 4, place),
        times_faster("CDR, truth cached, s", seconds["cached"], seconds["whole loop"], 8, place),
    ]


def count_in_a_loop(truth: Labels, result: Labels, edges: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Score one edge pixel after another, as the published form does; see `edge_scores`."""
    truth, result = np.pad(truth, SIZE), np.pad(result, SIZE)
    scores = []
    for row, column in np.argwhere(edges):
        window = slice(row, row + 2 * SIZE), slice(column, column + 2 * SIZE)
        others = truth[window] != truth[row + SIZE, column + SIZE]
        merged = others & (result[window] == result[row + SIZE, column + SIZE])
        scores.append(1 - merged.sum() / others.sum() if others.any() else 1.0)
    return np.array(scores)


def published_cdr(result_ab: Tensor, truth_ab: Tensor) -> list[float]:
    """Return the ratio in a and b, each plane clustered as a gray RGB triple."""
    return [
        float(count_in_a_loop(_slic_of_triple(truth), _slic_of_triple(result), _edges(truth)).mean())
        for result, truth in zip(result_ab.numpy(), truth_ab.numpy(), strict=True)
    ]


def _slic_of_triple(plane: NDArray[np.float32]) -> Labels:
    triple = np.repeat(plane[..., None], 3, axis=2).astype(np.float64)
    slic: Callable[..., Labels] = segmentation.slic
    return slic(triple, n_segments=250, compactness=10, sigma=1, start_label=1)


def _edges(plane: NDArray[np.float32]) -> NDArray[np.bool_]:
    edges: NDArray[np.bool_] = feature.canny(plane, 1.2, 0.2, 0.7, use_quantiles=True)
    return edges


def _pair() -> tuple[Tensor, Tensor]:
    """Return the ab of a photo that scikit-image ships, and that ab moved by three pixels."""
    photo = resize(data.chelsea(), (SIDE, SIDE), anti_aliasing=True)
    ab = torch.from_numpy(rgb2lab(photo)[..., 1:].astype(np.float32)).permute(2, 0, 1).contiguous()
    return ab, ab.roll(3, dims=2)


def _require_equal(
    planes: list[tuple[Labels, Labels, NDArray[np.bool_]]], truth: Tensor, result: Tensor
) -> None:
    for plane in planes:
        np.testing.assert_allclose(edge_scores(*plane), count_in_a_loop(*plane), rtol=0, atol=1e-9)
    ours = cluster_discrepancy(result, truth_clusters(truth)).tolist()
    np.testing.assert_allclose(ours, published_cdr(result, truth), rtol=0, atol=1e-9)
