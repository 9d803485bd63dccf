"""The task subclass in docs/training.md trains, and its checkpoints load everywhere."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
import yaml
from harness import small_data, small_trainer
from lightning.pytorch.loggers import CSVLogger

import colorzoo
from colorzoo.apps.cli.main import main
from colorzoo.factory import build_model

PAGE = (Path(__file__).parents[2] / "docs" / "training.md").read_text(encoding="utf-8")
NAME = "zhang2016"
LIGHTNESS = torch.linspace(0, 100, 32 * 48).view(1, 1, 32, 48)


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Import the module that the page shows."""
    (source,) = re.findall(r'```python title="mine.py"\n(.*?)```', PAGE, re.DOTALL)
    (tmp_path / "mine.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mine", raising=False)
    import mine

    return mine


def assert_loads_everywhere(mine: ModuleType, checkpoint: Path) -> None:
    """Load a checkpoint as the subclass, as the registered model and as a `Colorizer`."""
    content = torch.load(checkpoint, weights_only=True)
    assert content["hyper_parameters"]["l1_weight"] == 0.2
    own = mine.Mine.load_from_checkpoint(checkpoint).eval()
    assert (own.l1_weight, own.hparams.width) == (0.2, 0.0625)
    torch.testing.assert_close(dict(own.state_dict()), content["state_dict"], rtol=0, atol=0)
    registered = colorzoo.create_model(NAME, checkpoint)
    assert type(registered) is mine.Zhang2016
    colorizer = colorzoo.Colorizer(weights=checkpoint, device="cpu")  # the checkpoint names the model
    expected = own(LIGHTNESS).ab
    for module in (registered, colorizer.model):
        assert torch.equal(module(LIGHTNESS).ab, expected)


def test_subclass_with_own_loss_head_and_frozen_block_trains_in_python(
    mine: ModuleType, images: Path, tmp_path: Path
) -> None:
    task = mine.Mine(l1_weight=0.2, width=0.0625)
    assert build_model(mine.Mine, {"l1_weight": 0.3, "width": 0.0625}).l1_weight == 0.3
    before = {name: value.clone() for name, value in task.state_dict().items()}
    trainer = small_trainer(tmp_path, max_steps=2, logger=CSVLogger(tmp_path))
    trainer.fit(task, small_data(images))
    logged = yaml.safe_load((Path(trainer.log_dir) / "hparams.yaml").read_text())
    assert (logged["l1_weight"], logged["width"]) == (0.2, 0.0625)
    assert {"train/l1", "train/chroma", "train/loss"} <= trainer.callback_metrics.keys()
    changed = {name for name, value in task.state_dict().items() if not torch.equal(value, before[name])}
    assert {"chroma_head.weight", "model.network.class_head.weight"} <= changed
    assert not any(name.startswith("model.network.block1") for name in changed)
    trainer.save_checkpoint(tmp_path / "mine.ckpt")
    assert_loads_everywhere(mine, tmp_path / "mine.ckpt")


@pytest.mark.nightly
def test_subclass_trains_with_the_command_line(
    mine: ModuleType, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--model=mine.Mine", "--model.l1_weight=0.2", "--model.width=0.0625"]
    words += [f"--data.root={images}", "--data.batch_size=2", "--data.crop=32", "--data.val_size=32"]
    words += ["--data.num_workers=0", "--trainer.max_steps=1", "--trainer.accelerator=cpu"]
    assert main(["fit", *words]) == 0
    assert_loads_everywhere(mine, tmp_path / "runs" / "version_0" / "checkpoints" / "last.ckpt")


@pytest.mark.usefixtures("mine")
def test_python_example_of_the_page_runs() -> None:
    (block,) = (each for each in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "import Mine" in each)
    names: dict[str, object] = {}
    exec(block, names)
    assert not names["colorizer"].model.trained
