"""Cyclic crop and batch sizes."""

from pathlib import Path

import pytest
from harness import make_images, small_data, small_model, small_trainer
from lightning.pytorch import Callback
from lightning.pytorch.callbacks import ModelCheckpoint

from colorzoo.data.loader import CyclicBatchSampler, SeededSampler
from colorzoo.errors import ColorzooError

TURNS = {"crop": [32, 16, 24], "batch_size": [2, 4, 3]}


class Batches(Callback):
    """Records size, side and names of every training batch; optionally stops at a step."""

    def __init__(self, stop: int | None = None) -> None:
        self.seen: list[tuple[int, int, list[str]]] = []
        self.stop = stop

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if trainer.global_step == self.stop:
            raise InterruptedError
        names = [Path(name).name for name in batch["name"]]
        self.seen.append((len(batch["rgb"]), batch["rgb"].shape[-1], names))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("turns")
    make_images(root / "train", 25)
    make_images(root / "val", 2, seed=1)
    return root


def sampler(length: int, sizes: list[int], *, drop_last: bool, **more) -> CyclicBatchSampler:
    return CyclicBatchSampler(SeededSampler(length, seed=1, **more), sizes, drop_last=drop_last)


def test_cyclic_batch_sampler_cycles_through_the_batch_sizes() -> None:
    for drop_last in [False, True]:
        for length in [1, 2, 8, 9, 20]:
            found = sampler(length, [2, 4, 3], drop_last=drop_last)
            batches = list(found)
            assert len(batches) == len(found)
            whole = batches if drop_last else batches[:-1]
            assert [len(batch) for batch in whole] == ([2, 4, 3] * 4)[: len(whole)]
            samples = [sample for batch in batches for sample in batch]
            assert samples == list(SeededSampler(length, seed=1))[: len(samples)]
            assert length - len(samples) < (4 if drop_last else 1)


def test_cyclic_batch_sampler_splits_an_epoch_between_two_processes() -> None:
    parts = [sampler(26, [2, 4], drop_last=False, rank=rank, world_size=2) for rank in (0, 1)]
    for part in parts:
        part.set_epoch(3)
    batches = [list(part) for part in parts]
    assert [len(batch) for batch in batches[0]] == [len(batch) for batch in batches[1]] == [2, 4, 2, 4, 1]
    indices = sorted(index for part in batches for batch in part for index, _ in batch)
    assert indices == list(range(26))
    assert batches[0] != list(sampler(26, [2, 4], drop_last=False, rank=0, world_size=2))  # another epoch


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.nightly)])
def test_cyclic_batch_sizes_continue_after_a_resume(many: Path, tmp_path: Path, workers: int) -> None:
    settings = {**TURNS, "num_workers": workers}

    def train(noted: Batches, resume: str | None = None) -> None:
        save = ModelCheckpoint(tmp_path, enable_version_counter=False, every_n_train_steps=1, filename="last")
        trainer = small_trainer(tmp_path, noted, save, max_epochs=2, limit_val_batches=0)
        trainer.fit(small_model(), small_data(many, **settings), ckpt_path=resume)

    train(whole := Batches())
    epoch = [(2, 32), (4, 16), (3, 24), (2, 32), (4, 16), (3, 24), (2, 32), (4, 16)]  # one image remains
    assert [(size, side) for size, side, _ in whole.seen] == epoch * 2
    with pytest.raises(InterruptedError):
        train(first := Batches(stop=5))
    train(second := Batches(), resume=str(tmp_path / "last.ckpt"))
    assert first.seen + second.seen == whole.seen


def test_folder_data_module_validates_crop_and_batch_sizes(many: Path) -> None:
    assert small_data(many, **TURNS).train_side == 40
    with pytest.raises(ColorzooError, match=r"resize must be at least"):
        small_data(many, crop=[16, 32], resize=30)
    with pytest.raises(ColorzooError, match="crop must be at least 1, got 0"):
        small_data(many, crop=[16, 0])
    with pytest.raises(ColorzooError, match="crop"):
        small_data(many, batch_size=[])
