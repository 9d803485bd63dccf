"""Gupta et al. 2012: superpixels and their borders, features, matches, votes and scribbles."""

import numpy as np
import pytest
from skimage.feature import daisy

import colorzoo
from colorzoo import Exemplar, Guidance
from colorzoo.color import rgb_to_lab
from colorzoo.testing import sample_image
from colorzoo.zoo.gupta2012.model import Features, features, gabor, match, of_labels, superpixels, vote
from zoo.exemplar_regions import regions


def test_gupta2012_recovers_the_colors_of_the_reference_image() -> None:
    """Each region has a different lightness and color, and all matches have a cost of zero."""
    rgb = regions((96, 128))
    lab = rgb_to_lab(rgb)
    ab = colorzoo.create_model("gupta2012")(lab[:, :1], Guidance(exemplar=Exemplar(rgb))).ab
    error = (ab - lab[:, 1:]).norm(dim=1).mean()
    assert error < 0.05 * lab[:, 1:].norm(dim=1).mean()


def test_of_labels_counts_each_adjacent_superpixel_once() -> None:
    labels = np.array([[0, 0, 0, 1], [0, 0, 0, 1], [2, 2, 3, 3]])
    cells = of_labels(labels)
    np.testing.assert_allclose(cells.means @ np.arange(12.0), [2.5 + 0.5, 5, 8.5, 10.5])
    wanted = np.array([[0, 1, 1, 1], [1, 0, 0, 1], [1, 0, 0, 1], [1, 1, 1, 0]], dtype=float)
    np.testing.assert_allclose(cells.neighbors.toarray(), wanted / wanted.sum(1, keepdims=True))
    assert not of_labels(np.zeros((2, 2), dtype=np.int64)).neighbors.toarray().any()


def test_superpixel_features_equal_the_definitions_of_the_paper() -> None:
    gray = sample_image((40, 50))[0].mean(0).double().numpy()
    cells = superpixels(gray, 40)
    found = features(gray, cells)
    assert [each.shape[1] for each in found] == [40, 128, 2, 2]
    assert 20 <= len(found.gabor) <= 90
    inside = cells.labels == 3
    np.testing.assert_allclose(found.intensity[3, 0], gray[inside].mean())
    padded = np.pad(gray, 2, mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5)).std(axis=(2, 3))
    np.testing.assert_allclose(found.deviation[3, 0], windows[inside].mean(), atol=1e-6)
    beside = found.intensity[cells.neighbors.toarray()[3] > 0, 0]
    np.testing.assert_allclose(found.intensity[3, 1], beside.mean())
    np.testing.assert_allclose(found.gabor[3], gabor(gray)[:, inside].mean(axis=1))
    maps = daisy(np.pad(gray, 15, mode="symmetric"), step=1, radius=15, rings=3, histograms=5, orientations=8)
    np.testing.assert_allclose(found.descriptor[3], maps[inside].mean(axis=0))


def test_gabor_response_is_largest_at_its_period_and_direction() -> None:
    for index, angle in [(0, 0), (2, np.pi / 4), (4, np.pi / 2)]:
        rows, columns = np.mgrid[:120, :120]
        wave = np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / 10)
        strength = gabor(wave)[:, 40:80, 40:80].mean((1, 2))
        assert strength.argmax() == 8 + index  # the second of five periods
        for factor in (2 / 3, 4 / 3):  # an octave wide
            other = np.sin(factor * 2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / 10)
            beside = gabor(other)[8 + index, 40:80, 40:80].mean()
            assert beside / strength[8 + index] == pytest.approx(0.5, abs=0.02)


def test_match_drops_the_worse_half_by_each_feature_block() -> None:
    def of(rows: list[tuple[float, float, float, float]]) -> Features:
        return Features(*(np.array([[row[block]] for row in rows]) for block in range(4)))

    ours = of([(0, 0, 0, 0)])
    # the first has the least cost, but is in the worse half by Gabor, the second by the descriptor
    theirs = of([(5, 0, 0, 0), (1, 9, 0, 0), (2, 1, 0, 0), (3, 2, 3, 0), (9, 0, 0, 0), (9, 9, 9, 9)])
    best, cost = match(ours, theirs)
    assert best.tolist() == [2]
    np.testing.assert_allclose(cost, [0.2 * 2 / 9 + 0.5 * 1 / 9])


def test_vote_replaces_the_colors_of_the_smaller_group() -> None:
    colors = np.array([[10.0, 0], [12, 0], [11, 0], [-40, 5], [7, 7], [8, 8]])
    colors = np.concatenate([colors, colors[[0, 1, 3]]])
    found = vote(colors, np.array([0, 0, 0, 0, 1, 1, 2, 2, 2]))  # of two superpixels none is the smaller
    colors[3], colors[8] = [11, 0], [11, 0]
    np.testing.assert_allclose(found, colors)
