"""Samplers and the folder DataModule."""

import numpy as np
import pytest
import torch
from harness import make_images, small_data, small_model, small_trainer
from PIL import Image

from colorzoo.data.check import split_by_content
from colorzoo.data.loader import SeededSampler
from colorzoo.data.sources import find_sources
from colorzoo.errors import DataError


def samples_by_rank(length: int, world: int, epoch: int = 0, **options) -> list[list[tuple[int, int]]]:
    samplers = [SeededSampler(length, rank=rank, world_size=world, **options) for rank in range(world)]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    return [list(sampler) for sampler in samplers]


def test_seeded_sampler_yields_each_index_and_pads_evenly():
    for length, world in [(12, 1), (12, 3), (11, 2), (3, 4), (1, 4)]:
        per_rank = samples_by_rank(length, world)
        indices = [index for share in per_rank for index, _ in share]
        assert {len(share) for share in per_rank} == {-(-length // world)}
        assert set(indices) == set(range(length))
        assert len(indices) - length < world  # only the padding is repeated


def test_seeded_sampler_without_shuffle_repeats_no_index():
    for length, world in [(12, 3), (11, 2), (4, 4)]:
        per_rank = samples_by_rank(length, world, shuffle=False)
        assert sorted(index for share in per_rank for index, _ in share) == list(range(length))


def test_val_dataloader_raises_in_every_process_with_too_few_images(images):
    data = small_data(images, val_limit=3)
    data.setup("validate")
    for rank in range(4):  # a process without an error would wait for the others
        data.trainer = type("Trainer", (), {"world_size": 4, "global_rank": rank})()
        with pytest.raises(DataError, match=r"^3 validation .* 4 processes.* at most 3"):
            data.val_dataloader()


def test_seeded_sampler_order_depends_only_on_seed_and_epoch():
    assert samples_by_rank(20, 1, epoch=3) == samples_by_rank(20, 1, epoch=3)
    assert samples_by_rank(20, 1, epoch=3) != samples_by_rank(20, 1, epoch=4)
    assert samples_by_rank(20, 1, seed=1) != samples_by_rank(20, 1, seed=2)
    interleaved = [pair for pairs in zip(*samples_by_rank(20, 2), strict=True) for pair in pairs]
    assert (
        interleaved == samples_by_rank(20, 1)[0]
    )  # two processes with half the batch each form the same global batches


@pytest.mark.parametrize(
    ("crop", "batch_size"), [(np.int64(16), np.int32(2)), ([np.int64(16)], [np.int32(2)])]
)
def test_data_module_accepts_numpy_numbers(images, crop, batch_size):
    data = small_data(images, crop=crop, batch_size=batch_size)
    data.setup("fit")
    assert (data.crops, data.global_batches) == ([16], [2])
    assert len(next(iter(data.train_dataloader()))["rgb"]) == 2


@pytest.mark.parametrize("batch_size", [4, [2, 4], 99])
def test_train_dataloader_yields_a_whole_epoch_after_fit(images, tmp_path, batch_size):
    data = small_data(images, batch_size=batch_size)
    data.setup("fit")
    expected = [len(batch["rgb"]) for batch in data.train_dataloader()]
    trainer = small_trainer(tmp_path, max_epochs=1, limit_val_batches=0, enable_checkpointing=False)
    trainer.fit(small_model(), data)
    assert [len(batch["rgb"]) for batch in data.train_dataloader()] == expected


def test_seeded_sampler_skip_continues_the_order():
    whole = samples_by_rank(20, 1, epoch=2)[0]
    assert samples_by_rank(20, 1, epoch=2, skip=lambda: 7)[0] == whole[7:]
    assert len(SeededSampler(20, skip=lambda: 7)) == 20  # Lightning counts skipped samples too


def test_train_dataloader_does_not_depend_on_num_workers(images):
    batches = []
    for workers in (0, 2):
        data = small_data(images, num_workers=workers)
        data.setup("fit")
        batches.append(list(data.train_dataloader()))
    for alone, helped in zip(*batches, strict=True):
        assert alone["name"] == helped["name"]
        assert torch.equal(alone["rgb"], helped["rgb"])
        assert torch.equal(alone["seed"], helped["seed"])


def test_split_by_content_does_not_depend_on_file_names(tmp_path):
    make_images(tmp_path / "a", 40, side=8)
    train, val = split_by_content(find_sources(tmp_path / "a"), 0.3, tmp_path / "a")
    contents = {source.read() for source in val}
    assert 0 < len(val) < 40
    for index, path in enumerate(sorted((tmp_path / "a").iterdir())):
        path.rename(path.with_name(f"{(index * 7) % 40:02d}-renamed.png"))
    (tmp_path / "a" / "p00.png").unlink(missing_ok=True)
    _, renamed = split_by_content(find_sources(tmp_path / "a"), 0.3, tmp_path / "a")
    assert {source.read() for source in renamed} == contents
    assert not contents & {source.read() for source in train if source.path.endswith("renamed.png")}


def test_small_albums_have_a_validation_image(tmp_path):
    make_images(tmp_path, 3, side=8)
    train, val = split_by_content(find_sources(tmp_path), 1e-9, tmp_path)
    assert (len(train), len(val)) == (2, 1)
    assert len(split_by_content(find_sources(tmp_path), 0.0, tmp_path)[1]) == 0


def test_folder_data_module_rejects_unusable_folders(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        small_data(tmp_path / "none").setup("fit")
    with pytest.raises(DataError, match="below"):
        small_data(tmp_path).setup("fit")
    make_images(tmp_path / "train", 1)
    make_images(tmp_path / "val", 1)
    Image.new("L", (40, 40), 90).save(tmp_path / "train" / "p00.png")
    with pytest.raises(DataError, match="training"):
        small_data(tmp_path).setup("fit")
    (tmp_path / "bad.tar").write_bytes(b"not a tar" * 200)
    with pytest.raises(DataError, match=r"bad\.tar.*uncompressed"):
        find_sources(tmp_path)
