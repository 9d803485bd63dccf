"""Cache of stage results in drawing pads."""

from __future__ import annotations

import pytest
import torch

from colorzoo.apps.studio import models
from colorzoo.apps.studio.models import StageCache
from colorzoo.prediction import AbPrediction


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch) -> StageCache:
    monkeypatch.setattr(models, "_MAX_BYTES", 3 * 40_000)
    return StageCache()


def test_cache_removes_the_least_recently_used_result_and_stores_no_larger_result(cache: StageCache) -> None:
    for name in "abc":
        cache[name] = (torch.zeros(10_000),)
    assert cache["a"][0].shape == (10_000,)
    cache["d"] = AbPrediction(ab=torch.zeros(1, 2, 100, 40))
    assert list(map(cache.__contains__, "abcd")) == [True, False, True, True]
    cache["huge"] = {"map": torch.zeros(40_000)}
    assert "huge" not in cache
    cache.clear()
    assert (cache.currsize, "a" in cache) == (0, False)


def test_cache_counts_the_size_of_a_grown_result_again(cache: StageCache) -> None:
    state = {1: torch.zeros(10_000)}
    cache["state"], cache["other"] = state, torch.zeros(10_000)
    state[2] = torch.zeros(15_000)
    cache["state"] = state
    assert "other" not in cache
    assert cache["state"] is state
    state[3] = torch.zeros(10_000)  # now larger than the cache
    cache["state"] = state
    assert ("state" in cache, cache.currsize) == (False, 0)
