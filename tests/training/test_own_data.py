"""DataModules that do not belong to colorzoo: the example of docs/data.md, and invalid batches."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

from colorzoo.data import ImageDataModule
from colorzoo.errors import DataError
from colorzoo.testing.trainer import quiet_trainer
from labeled_model import LabeledTask

PAGE = Path(__file__).parents[2] / "docs" / "data.md"


@pytest.fixture
def data() -> ImageDataModule:
    """Return the DataModule that the page defines."""
    block = re.search(r'title="memory_data\.py"\n(.*?)```', PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    assert len([line for line in block[1].splitlines() if line.strip()]) <= 30
    names: dict[str, Any] = {}
    exec(block[1], names)
    torch.manual_seed(0)
    found: ImageDataModule = names["MemoryData"]("", batch_size=3, crop=32, num_workers=0)
    return found


def test_own_dataset_of_the_page_trains_a_model(data: ImageDataModule, tmp_path: Path) -> None:
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert {key: tuple(value.shape) for key, value in batch.items() if key != "name"} == {
        "rgb": (3, 3, 80, 80),
        "seed": (3,),
        "label": (3,),
        "reference": (3, 3, 80, 80),
    }
    assert len(set(batch["seed"].tolist())) == 3
    assert [int(name.split()[1]) % 3 for name in batch["name"]] == batch["label"].tolist()
    task = LabeledTask()
    before = task.model.network.colors.weight.clone()
    trainer = quiet_trainer(tmp_path, max_epochs=2)
    trainer.fit(task, data)
    assert trainer.global_step == 6
    assert not torch.equal(before, task.model.network.colors.weight)
    assert trainer.validate(task, data, verbose=False)[0]["val/psnr_automatic"] > 0


RGB, SEED = torch.rand(2, 3, 32, 32), torch.arange(2)


@pytest.mark.parametrize(
    ("batch", "message"),
    [
        ([RGB, SEED], "dictionary with the keys 'rgb' and 'seed', got list"),
        ({"rgb": RGB, "label": SEED}, "got keys rgb, label"),
        ({"rgb": (255 * RGB).byte(), "seed": SEED}, r"float32 \(B, 3, H, W\) .* got uint8 \(2, 3, 32, 32\)"),
        ({"rgb": RGB[:, :1], "seed": SEED}, r"float32 \(2, 1, 32, 32\)"),
        ({"rgb": RGB, "seed": SEED.float()}, r"int64 \(2,\), got float32 \(2,\)"),
        ({"rgb": RGB, "seed": SEED[:1]}, r"int64 \(2,\), got int64 \(1,\)"),
    ],
)
def test_invalid_batch_is_one_line(batch: object, message: str, tmp_path: Path) -> None:
    loader: Any = DataLoader([batch], batch_size=None)
    with pytest.raises(DataError, match=message) as caught:
        quiet_trainer(tmp_path, max_steps=1).fit(LabeledTask(), loader)
    assert "\n" not in str(caught.value)
