"""Cluster Discrepancy Ratio: invariants, cached truth, and gray images."""

import numpy as np
import pytest
import torch
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics import ClusterDiscrepancyRatio, truth_clusters
from colorzoo.metrics.cdr import cluster_plane
from metrics.cases import IMAGES, triple_slic

TRUTH, RESULT = IMAGES[2]["target_ab"], IMAGES[2]["ab"]
GRAY = torch.zeros_like(TRUTH[:1])


def computed(*arguments: object, **options: object) -> dict[str, float]:
    metric = ClusterDiscrepancyRatio()
    metric.update(*arguments, **options)
    return {name: float(value) for name, value in metric.compute().items()}


def test_the_truth_itself_scores_1() -> None:
    assert computed(TRUTH, TRUTH) == {"cdr_a": 1.0, "cdr_b": 1.0, "cdr": 1.0, "excluded": 0.0}


@pytest.mark.parametrize("shift", [0.0, 40.0])
def test_clusters_of_one_channel_are_those_of_the_gray_triple(shift: float) -> None:
    plane = np.random.default_rng(0).normal(shift, 5, (40, 56)).astype(np.float32)
    for each in (plane, np.zeros_like(plane)):
        assert (cluster_plane(each) == triple_slic(each)).all()


def test_faint_colors_have_edges_but_rounding_errors_have_none() -> None:
    step = (torch.arange(32) >= 16).float().expand(2, 32, 32)
    assert truth_clusters(0.02 * step).edges.any()
    assert not truth_clusters(0.009 * step).edges.any()


def test_a_cached_truth_gives_the_same_values() -> None:
    truths = [truth_clusters(image) for image in TRUTH]
    assert computed(RESULT, truths=truths) == computed(RESULT, TRUTH)


def noisy_gray() -> Tensor:
    """Ab of a gray photo: rounding of the conversion, 0.005 at most."""
    return 0.005 * torch.rand(1, 2, 24, 24, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("gray", [GRAY, noisy_gray()], ids=["flat", "rounding"])
def test_gray_ground_truth_is_excluded_and_counted(gray: Tensor) -> None:
    alone = computed(RESULT[:1], gray)
    assert np.isnan([alone["cdr_a"], alone["cdr_b"], alone["cdr"]]).all()
    assert alone["excluded"] == 1
    both = computed(RESULT[:2], torch.cat([gray, TRUTH[1:2]]))
    assert both == computed(RESULT[1:2], TRUTH[1:2]) | {"excluded": 1.0}


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((RESULT, TRUTH[:, :, 1:]), {}, "must have the shape"),
        ((RESULT,), {}, "target_ab"),
        ((RESULT,), {"truths": []}, "truths"),
    ],
)
def test_wrong_input_is_an_error_in_one_line(
    arguments: tuple[Tensor, ...], options: dict[str, object], message: str
) -> None:
    with pytest.raises(DataError, match=message) as error:
        computed(*arguments, **options)
    assert "\n" not in str(error.value)
