"""StreamingDataModule in Lightning: image order, distributed sampling and exact resumption."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from runs import fit, logged_batches, names

pytest.importorskip("litdata")

from colorzoo.data import StreamingDataModule
from colorzoo.data.dataset import crop_square
from colorzoo.data.decode import decode_rgb
from colorzoo.data.shards import ShardReader
from colorzoo.data.streaming import ShardSampler
from colorzoo.testing.processes import in_processes


def data(shards, **overrides) -> StreamingDataModule:
    base = {"batch_size": 4, "crop": 24, "val_size": 32, "num_workers": 0, "shuffle_window": 16}
    return StreamingDataModule(str(shards), **{**base, **overrides})


@pytest.mark.parametrize("world", [1, 3])
def test_shard_sampler_divides_the_epoch_among_processes(world: int) -> None:
    sizes = [6] * 6 + [5]
    alone = list(ShardSampler(sizes, window=16, seed=3))
    assert sorted(index for index, _ in alone) == list(range(41))
    ranks = [ShardSampler(sizes, window=16, seed=3, rank=rank, world_size=world) for rank in range(world)]
    shares = [list(sampler) for sampler in ranks]
    assert {len(share) for share in shares} == {-(-41 // world)}
    assert [shares[n % world][n // world] for n in range(41)] == alone
    resumed = ShardSampler(sizes, window=16, seed=3, skip=lambda: 12)
    assert list(resumed) == alone[12:]


def test_streaming_order_is_independent_of_the_number_of_workers(shards) -> None:
    orders = []
    for workers in (0, 2):
        module = data(shards, num_workers=workers)
        module.setup("fit")
        train, val = list(module.train_dataloader()), list(module.val_dataloader())
        orders.append([name for batch in (*train, *val) for name in batch["name"]])
        assert [tuple(batch["rgb"].shape) for batch in train] == [(4, 3, 30, 30)] * 10
        first, *_ = ShardReader(str(shards), "val")[0]
        assert torch.equal(val[0]["rgb"][0], crop_square(decode_rgb(first, 32), 32))  # center crop
    assert orders[0] == orders[1]
    assert len(set(orders[0])) == 45
    for limit, count in ((3, 3), (9, 5)):
        limited = data(shards, val_limit=limit)
        limited.setup("validate")
        assert len(limited.val_data) == count
    assert module.classes == ["c0", "c1", "c2"]
    assert all(
        module.classes[int(label)] in name
        for label, name in zip(train[0]["label"], train[0]["name"], strict=True)
    )


def test_streaming_training_resumes_exactly_in_mid_epoch(shards, tmp_path) -> None:
    fit(data(shards, num_workers=2), tmp_path / "whole")
    with pytest.raises(InterruptedError):
        fit(data(shards, num_workers=2), tmp_path / "part", stop=5)
    fit(data(shards, num_workers=2), tmp_path / "part", resume=tmp_path / "part" / "last.ckpt")
    assert logged_batches(tmp_path / "part") == logged_batches(tmp_path / "whole")
    for epoch in (0, 1):
        found = names(logged_batches(tmp_path / "part"), epoch)
        assert len(set(found)) == len(found) == 40


def run_until_interrupted(run: Callable[..., None], folder: Path) -> None:
    with pytest.raises(InterruptedError, match="the test ends the run here"):
        run(folder, stop=3)


@pytest.mark.nightly
@pytest.mark.timeout(240)
def test_ddp_streaming_uses_each_image_once_and_resumes_exactly(shards, tmp_path) -> None:
    two = partial(fit, data(shards, batch_size=4), strategy="ddp", devices=2)
    assert in_processes(two, tmp_path / "whole", processes=2) == [0, 0]
    assert in_processes(run_until_interrupted, two, tmp_path / "part", processes=2) == [0, 0]
    rest = partial(two, resume=tmp_path / "part" / "last.ckpt")
    assert in_processes(rest, tmp_path / "part", processes=2) == [0, 0]
    for epoch in (0, 1):
        both = [names(logged_batches(tmp_path / "whole", rank), epoch) for rank in (0, 1)]
        assert list(map(len, both)) == [20, 20]
        assert len(set(both[0]) | set(both[1])) == 40
    for rank in (0, 1):
        assert logged_batches(tmp_path / "part", rank) == logged_batches(tmp_path / "whole", rank)
