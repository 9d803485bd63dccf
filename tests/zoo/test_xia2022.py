"""Xia et al. 2022: superpixels, anchors, points as anchors, and the authors' files."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo import Guidance, Points
from colorzoo.color import hull_centers
from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.testing import sample_input
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.xia2022.extensions import PointColorization
from colorzoo.zoo.xia2022.model import anchor_bins, anchors_of
from colorzoo.zoo.xia2022.network import sizes


def model_of(**settings: Any) -> PointColorization:
    found = contract_test_model(model_card("xia2022")).model
    again = build_model(PointColorization, {**found.hparams["architecture"], **settings}).eval()
    again.load_state_dict(found.state_dict())
    return again


def test_anchor_bins_maximize_distances_among_the_ten_likeliest_bins() -> None:
    logits = torch.randn(1, 313, 6)
    chosen = anchor_bins(logits)
    likely = logits.topk(10, dim=1).indices
    colors = hull_centers()
    for cell in range(6):
        first, second, third = (colors[each[0, cell]] for each in chosen)
        assert chosen[0][0, cell] == likely[0, 0, cell]
        ten = colors[likely[0, :, cell]]
        away = (ten - first).norm(dim=1)
        assert (second - first).norm() == away.max()
        both = away + (ten - second).norm(dim=1)
        torch.testing.assert_close((third - first).norm() + (third - second).norm(), both.max())


def test_anchors_are_the_largest_superpixels_also_in_bfloat16() -> None:
    shares = torch.zeros(1, 9, 32, 64, dtype=torch.bfloat16)
    shares[:, 4] = 1.0  # each pixel belongs to its cell
    shares[:, 4, 16:20, 16] = 0.0  # four pixels of cell (1, 1) belong to cell (1, 0)
    shares[:, 3, 16:20, 16] = 1.0
    anchors = anchors_of(torch.zeros(1, 8, dtype=torch.int64), sizes(shares).flatten(1), count=1)
    assert anchors.nonzero().tolist() == [[0, 4]]


@torch.inference_mode()
def test_xia2022_point_replaces_the_anchor_of_its_cluster() -> None:
    model, lightness = model_of(anchors=2), sample_input("gray", (60, 75))
    joined: list[Tensor] = []
    model.network.join.register_forward_pre_hook(lambda _, given: joined.append(given[0]))
    own = model(lightness).extras["anchors"]
    at = (own[0, 0] == 0).nonzero()[0]
    points = Points.none(lightness)
    row, column = (16 * at).tolist()
    for place, ab in ((0, [40.0, 30.0]), (2, [44.0, 34.0])):  # the point color is their mean
        points.ab[0, :, row, column + place] = torch.tensor(ab)
        points.mask[0, 0, row, column + place] = 1
    anchors = model(lightness, Guidance(points=points)).extras["anchors"]
    assert anchors[0, 0, at[0], at[1]] == 1
    assert int(anchors.sum()) == 2  # the point replaces one of two anchors
    token = joined[-1][0, at[0], at[1]]
    color = hull_centers()[token[-314:-1].argmax()]
    assert color.tolist() == [40.0, 30.0]


def test_xia2022_loads_a_file_of_the_superpixel_network_alone() -> None:
    model, other = model_of(), model_of()
    part = {f"net.{key}": value + 1 for key, value in model.network.superpixels.layers.state_dict().items()}
    before = {key: value.clone() for key, value in other.state_dict().items()}
    other.load_published_state_dict(part)
    for key, value in other.state_dict().items():
        moved = key.startswith("network.superpixels.")
        torch.testing.assert_close(value, before[key] + int(moved))
    with pytest.raises(WeightsError, match="does not match"):
        other.load_published_state_dict({**part, "repnet.more.weight": torch.zeros(1)})
