"""The batched Cluster Discrepancy Ratio: stage by stage against scikit-image, and against the exact ratio."""

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from colorzoo.errors import DataError
from colorzoo.metrics import (
    BatchedClusterDiscrepancyRatio,
    CDRSettings,
    batched_discrepancy,
    batched_truth,
    cluster_discrepancy,
    truth_clusters,
)
from colorzoo.metrics.batched_edges import batched_edges
from colorzoo.metrics.batched_slic import batched_clusters, join_small
from colorzoo.metrics.clusters import cluster_plane, find_edges
from colorzoo.metrics.components import connected_components
from colorzoo.metrics.smooth import gaussian_blur

SETTINGS = CDRSettings()


def planes(*size: int, seed: int = 0) -> Tensor:
    """Blobs of color with noise, in CIE units."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(3, 1, 7, 9, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=size, mode="bicubic")[:, 0]
    return 60 * smooth.round(decimals=1) + torch.randn(3, *size, generator=generator)


@pytest.fixture(params=[(128, 128), (90, 131)], ids=str)
def colors(request: pytest.FixtureRequest) -> Tensor:
    return planes(*request.param)


@pytest.mark.parametrize(("mirrored", "mode"), [(True, "reflect"), (False, "constant")])
def test_blur_is_that_of_scipy(mirrored: bool, mode: str) -> None:
    small = planes(5, 12)  # narrower than the kernel
    expected = np.stack([ndimage.gaussian_filter(plane, 1.2, mode=mode) for plane in small.numpy()])
    found = gaussian_blur(small, 1.2, mirrored=mirrored)
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("diagonal", [False, True])
def test_components_are_those_of_scipy(diagonal: bool) -> None:
    labels = torch.randint(0, 2, (2, 20, 23), generator=torch.Generator().manual_seed(0))
    roots = connected_components(torch.where(labels > 0, 1, -1), diagonal=diagonal)
    shape = np.ones((3, 3)) if diagonal else None
    for plane, found in zip(labels.numpy(), roots.numpy(), strict=True):
        expected, count = ndimage.label(plane, shape)
        pairs = np.unique(np.stack([expected[plane > 0], found[plane > 0]]), axis=1)
        assert pairs.shape[1] == count == len(np.unique(pairs[1]))


def test_edges_are_those_of_scikit_image(colors: Tensor) -> None:
    expected = np.stack([find_edges(plane, SETTINGS) for plane in colors.numpy()])
    found = batched_edges(colors, SETTINGS).numpy()
    assert expected.sum() > 1000
    assert (found != expected).sum() <= 2  # rounding at a threshold


def same_partition(first: np.ndarray, second: np.ndarray) -> float:
    """Share of pixels in the cluster of ``second`` that best covers their cluster of ``first``."""
    names, index = np.unique(first, return_inverse=True)
    others, other_index = np.unique(second, return_inverse=True)
    table = np.zeros((len(names), len(others)))
    np.add.at(table, (index.ravel(), other_index.ravel()), 1)
    return float(table.max(axis=1).sum() / first.size)


def test_clusters_are_nearly_those_of_scikit_image(colors: Tensor) -> None:
    found = batched_clusters(colors, SETTINGS).numpy()
    for plane, ours in zip(colors.numpy(), found, strict=True):
        expected = cluster_plane(plane, SETTINGS)
        assert abs(len(np.unique(ours)) - len(np.unique(expected))) <= 2
        assert same_partition(ours, expected) > 0.98
        assert same_partition(expected, ours) > 0.98


def test_small_components_join_the_earlier_neighbor_met_last() -> None:
    labels = torch.tensor([[[1, 1, 1, 2, 2, 2], [1, 1, 3, 3, 2, 2], [1, 1, 1, 2, 2, 2]]])
    joined = join_small(connected_components(labels), 4)
    assert joined.tolist() == [[[0, 0, 0, 3, 3, 3], [0, 0, 3, 3, 3, 3], [0, 0, 0, 3, 3, 3]]]


def test_a_small_first_component_stays() -> None:
    labels = torch.tensor([[[1, 2, 2], [2, 2, 2]]])
    assert join_small(connected_components(labels), 2).tolist() == [[[0, 1, 1], [1, 1, 1]]]


def pair() -> tuple[Tensor, Tensor]:
    truth = torch.stack([planes(96, 96)[:2], planes(96, 96, seed=1)[:2]])
    return 0.6 * truth.roll(2, dims=3) + torch.randn(
        truth.shape, generator=torch.Generator().manual_seed(9)
    ), truth


def test_the_ratio_is_nearly_the_exact_one() -> None:
    result, truth = pair()
    exact = torch.stack(
        [cluster_discrepancy(one, truth_clusters(true)) for one, true in zip(result, truth, strict=True)]
    )
    assert float(exact.max()) < 0.9
    torch.testing.assert_close(batched_discrepancy(result, batched_truth(truth)), exact, rtol=0, atol=0.02)


def test_counting_is_exact_for_equal_clusters() -> None:
    from colorzoo.metrics.batched_cdr import _mean_scores
    from colorzoo.metrics.cdr import edge_scores

    generator = torch.Generator().manual_seed(0)
    truth, result = (torch.randint(1, 6, (2, 30, 37), generator=generator) for _ in range(2))
    edges = torch.rand(2, 30, 37, generator=generator) > 0.8
    expected = [edge_scores(*(part[i].numpy() for part in (truth, result, edges))).mean() for i in (0, 1)]
    found = _mean_scores(truth, result, edges, kernel_size=5)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=0, atol=1e-9)


def test_region_cached_truth_and_pictures_without_edges() -> None:
    result, truth = pair()
    region = torch.zeros(2, 1, 96, 96)
    region[0, :, 20:60] = 1
    found = batched_discrepancy(result, batched_truth(truth), region)
    exact = cluster_discrepancy(result[0], truth_clusters(truth[0]), region[0, 0])
    torch.testing.assert_close(found[0], exact, rtol=0, atol=0.03)
    assert found[1].isnan().all()
    metric = BatchedClusterDiscrepancyRatio()
    metric.update(result, region=region, batched_truths=batched_truth(truth))
    metric.update(result, torch.zeros_like(truth))
    answer = metric.compute()
    assert answer["left_out"] == 3
    assert float(answer["cdr_batched"]) == pytest.approx(float(found[0].mean()))


def test_the_truth_itself_scores_1() -> None:
    _, truth = pair()
    assert batched_discrepancy(truth, batched_truth(truth)).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.zeros(1, 2, 32, 32),), "needs a truth"),
        ((torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 31)), "differ in shape"),
        ((torch.full((1, 2, 32, 32), torch.nan), torch.zeros(1, 2, 32, 32)), "NaN or infinite"),
        ((torch.zeros(1, 2, 32, 32), torch.zeros(1, 2, 32, 32), torch.ones(1, 1, 2, 2)), "expected a mask"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(arguments: tuple[Tensor, ...], message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        BatchedClusterDiscrepancyRatio().update(*arguments)
    assert "\n" not in str(error.value)
