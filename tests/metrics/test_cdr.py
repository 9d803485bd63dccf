"""Cluster Discrepancy Ratio: invariants, cached ground truth, and gray images."""

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics import ClusterDiscrepancyRatio
from colorzoo.metrics.cdr import cluster_plane, truth_clusters
from metrics.cases import IMAGES, triple_slic

TRUTH, RESULT = IMAGES[2]["target_ab"], IMAGES[2]["ab"]
GRAY = torch.zeros_like(TRUTH[:1])


def compute_cdr(*arguments: object, **options: object) -> dict[str, float]:
    metric = ClusterDiscrepancyRatio()
    metric.update(*arguments, **options)
    return {name: float(value) for name, value in metric.compute().items()}


def test_cdr_of_identical_ab_is_one() -> None:
    assert compute_cdr(TRUTH, TRUTH) == {"cdr_a": 1.0, "cdr_b": 1.0, "cdr": 1.0, "excluded": 0.0}


@pytest.mark.parametrize("shift", [0.0, 40.0])
def test_cluster_plane_equals_slic_of_three_equal_channels(shift: float) -> None:
    plane = np.random.default_rng(0).normal(shift, 5, (40, 56)).astype(np.float32)
    for each in (plane, np.zeros_like(plane)):
        assert (cluster_plane(each) == triple_slic(each)).all()


def test_truth_clusters_detect_faint_edges_but_no_rounding_errors() -> None:
    step = (torch.arange(32) >= 16).float().expand(2, 32, 32)
    assert truth_clusters(0.02 * step).edges.any()
    assert not truth_clusters(0.009 * step).edges.any()


def test_cdr_with_cached_truth_clusters_equals_cdr_with_target_ab() -> None:
    truths = [truth_clusters(image) for image in TRUTH]
    assert compute_cdr(RESULT, truths=truths) == compute_cdr(RESULT, TRUTH)


def noisy_gray() -> Tensor:
    """Return ab of a gray image: conversion rounding errors of at most 0.005."""
    return 0.005 * torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gray", [GRAY, noisy_gray()], ids=["flat", "rounding"])
def test_cdr_excludes_and_counts_gray_ground_truth(gray: Tensor) -> None:
    alone = compute_cdr(RESULT[:1], gray)
    assert np.isnan([alone["cdr_a"], alone["cdr_b"], alone["cdr"]]).all()
    assert alone["excluded"] == 1
    both = compute_cdr(RESULT[:2], torch.cat([gray, TRUTH[1:2]]))
    assert both == compute_cdr(RESULT[1:2], TRUTH[1:2]) | {"excluded": 1.0}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((RESULT, TRUTH[:, :, 1:]), {}, "must have the shape"),
        ((RESULT,), {}, "target_ab"),
        ((RESULT,), {"truths": []}, "truths"),
    ],
)
def test_cdr_raises_one_line_error_for_invalid_input(
    arguments: tuple[Tensor, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        compute_cdr(*arguments, **options)
    assert "\n" not in str(error.value)
