"""Features that `BorrowedTrunk` takes from an automatic model."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from colorzoo.networks.exemplar_features import BorrowedTrunk
from colorzoo.zoo.zhang2016.model import DistributionNetwork


@pytest.fixture
def trunk() -> BorrowedTrunk:
    torch.manual_seed(0)
    return BorrowedTrunk(DistributionNetwork(0.125))


@torch.no_grad()
def test_borrowed_trunk_automatic_ab_equals_network_prediction(trunk: BorrowedTrunk) -> None:
    lightness = torch.rand(1, 1, 40, 56) * 100
    assert torch.equal(trunk.of_lightness(lightness).automatic, trunk.network(lightness).ab)


@torch.no_grad()
def test_borrowed_trunk_is_unaffected_by_nested_calls(trunk: BorrowedTrunk) -> None:
    lightness, other = (torch.rand(1, 1, side, side) * 100 for side in (32, 48))
    alone = trunk.of_lightness(lightness)
    pending = [other]

    def interrupt(*_: Any) -> None:
        if pending:
            trunk.of_lightness(pending.pop())

    trunk.network.block5.register_forward_pre_hook(interrupt)
    found = trunk.of_lightness(lightness)
    assert not pending
    assert torch.equal(found.deep, alone.deep)
    assert all(map(torch.equal, found.hooks, alone.hooks))
