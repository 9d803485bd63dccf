"""Classes of a folder, and samplers that draw small classes more often."""

import tarfile

import pytest
import torch

from colorzoo.data import FolderDataModule, StreamingDataModule
from colorzoo.data.loader import SeededSampler, class_weights, draw_weighted
from colorzoo.errors import DataError

SMALL = {"batch_size": 2, "crop": 32, "val_size": 32, "num_workers": 0}


def test_the_class_of_a_picture_is_its_folder_the_same_in_both_splits(classes_folder) -> None:
    (classes_folder / "val" / "c0").rename(classes_folder / "val" / "away")
    try:
        with pytest.raises(DataError, match="in no folder of a class"):
            FolderDataModule(str(classes_folder), labels=True, **SMALL).find_pictures("val")
    finally:
        (classes_folder / "val" / "away").rename(classes_folder / "val" / "c0")
    module = FolderDataModule(str(classes_folder), labels=True, **SMALL)
    for split in ("train", "val"):
        found = module.find_pictures(split)
        assert [f"c{label}" for label in found.labels.tolist()] == [
            source.path.split("/")[-2] for source in found.sources
        ]
    assert FolderDataModule(str(classes_folder), **SMALL).find_pictures("train").labels is None


def test_the_class_of_a_picture_in_a_tar_is_the_tar(classes_folder, tmp_path) -> None:
    for name in ("c0", "c1"):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as shard:
            shard.add(classes_folder / "train" / name, ".")
    found = FolderDataModule(str(tmp_path), labels=True, **SMALL).find_pictures("train")
    assert [f"c{label}.tar" for label in found.labels.tolist()] == [
        source.path.split("/")[-1] for source in found.sources
    ]


@pytest.mark.parametrize(("power", "expected"), [(1.0, [0.9, 0.1]), (0.5, [0.75, 0.25]), (0.0, [0.5, 0.5])])
def test_classes_are_drawn_by_a_power_of_their_size(power, expected) -> None:
    labels = torch.tensor([0] * 90 + [1] * 10)
    drawn = draw_weighted(class_weights(labels, power), 20_000, torch.Generator().manual_seed(0))
    shares = labels[drawn].bincount() / 20_000
    torch.testing.assert_close(shares, torch.tensor(expected), atol=0.01, rtol=0)
    assert len(drawn.unique()) == 100


def test_weighted_samplers_of_two_processes_share_one_order_that_resumes() -> None:
    weights = torch.rand(52, generator=torch.Generator().manual_seed(1))

    def order(**more) -> list[tuple[int, int]]:
        return list(SeededSampler(52, seed=3, weights=weights, **more))

    first, second = (order(rank=rank, world_size=2) for rank in (0, 1))
    together = order()
    assert [*zip(first, second, strict=True)] == [*zip(together[::2], together[1::2], strict=True)]
    assert order(seen=lambda: 7) == together[7:]


def test_a_module_draws_small_classes_more_often(classes_folder) -> None:
    (one := classes_folder / "train" / "rare").mkdir()
    source = next((classes_folder / "train" / "c1").glob("*.jpg"))
    (one / "001.jpg").write_bytes(source.read_bytes() + b"\0")
    try:
        module = FolderDataModule(str(classes_folder), labels=True, class_power=0.0, check=False, **SMALL)
        module.setup("fit")
        pictures = module.train_data.pictures
        sampler = module.train_sampler()
        drawn = []
        for epoch in range(20):
            sampler.set_epoch(epoch)
            drawn += [int(pictures.labels[index]) for index, _ in sampler]
        assert drawn.count(3) / len(drawn) == pytest.approx(0.25, abs=0.05)
    finally:
        (one / "001.jpg").unlink()
        one.rmdir()


def test_without_classes_the_power_is_refused(classes_folder) -> None:
    module = FolderDataModule(str(classes_folder), class_power=0.5, check=False, **SMALL)
    module.setup("fit")
    with pytest.raises(DataError, match="labels: true"):
        module.train_dataloader()
    with pytest.raises(DataError, match="leave it at 1"):
        StreamingDataModule("anywhere", class_power=0.5)
