"""The complete example in docs/diffusion.md."""

import csv
import importlib
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from colorzoo.apps.cli.main import main
from colorzoo.guidance import Guidance
from colorzoo.testing.samples import sample_batch

PAGE = Path(__file__).parents[2] / "docs" / "diffusion.md"


@pytest.fixture
def palette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Write the example of the page to the current folder, and return its module."""
    text = PAGE.read_text(encoding="utf-8")
    for name, content in re.findall(r'```\w+ title="(palette\.\w+)"\n(.*?)```', text, re.DOTALL):
        (tmp_path / name).write_text(content)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "palette", raising=False)
    return importlib.import_module("palette")


def test_losses_and_samples_of_the_page(palette: ModuleType) -> None:
    task = palette.Palette(width=8, steps=2)
    task.log_losses = lambda *_: None
    torch.nn.init.zeros_(task.model.network.head[-1].weight)
    task.model.network.head[-1].bias.data = torch.tensor([0.3, -0.1])
    batch = sample_batch((20, 28), batch=2)
    _, noise = task.model.schedule.draw(batch["seed"], batch["rgb"][:, :2])
    expected = (noise - torch.tensor([0.3, -0.1])[:, None, None]).square().mean()
    assert float(task.training_step(batch, 0).detach()) == pytest.approx(float(expected), rel=1e-5)
    assert task.checkpoint_metric() == ("val/loss", "min")
    ab = task.eval().model(torch.full((2, 1, 20, 28), 50.0)).ab
    assert ab.shape == (2, 2, 20, 28)
    assert torch.equal(ab[0], ab[1])
    assert ab.abs().max() <= 110
    seeds = Guidance(extra={"seed": torch.tensor([5, 6])})
    sampled = task.model(torch.full((2, 1, 20, 28), 50.0), seeds).ab
    assert not torch.equal(sampled[0], sampled[1])


@pytest.mark.nightly
@pytest.mark.usefixtures("palette")
def test_example_of_the_page_trains_and_resumes(images: Path) -> None:
    words = ["fit", "--config=palette.yaml", f"--data.root={images}", "--data.batch_size=2", "--data.crop=32"]
    words += ["--data.val_size=32", "--data.num_workers=0", "--trainer.accelerator=cpu", "--model.width=8"]
    words += ["--model.steps=2", "--trainer.log_every_n_steps=1"]

    def last(folder: str, steps: int, *more: str) -> dict[str, torch.Tensor]:
        options = [f"--trainer.default_root_dir={folder}", f"--trainer.max_steps={steps}", *more]
        assert main([*words, *options]) == 0
        (path,) = Path(folder).rglob("last.ckpt")
        state: dict[str, torch.Tensor] = torch.load(path, weights_only=True)["state_dict"]
        return state

    whole = last("whole", 3)
    last("parts", 2)
    resumed = last("parts", 3, "--ckpt_path=parts")
    torch.testing.assert_close(resumed, whole, rtol=0, atol=0)
    rows = [row for log in Path("whole").rglob("metrics.csv") for row in csv.DictReader(log.open())]
    assert any(row["val/loss"] for row in rows)
    assert list(Path("whole").rglob("best-*.ckpt"))
