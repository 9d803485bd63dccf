"""Writes the source of a tiny paper, as an author would: one folder and one configuration."""

from pathlib import Path
from textwrap import dedent

PARAMETERS = 4 * 8 * 9 + 8 + 8 * 2 * 9 + 2

CARD = """
from colorzoo.card import ModelCard, Smoke

CARDS = (
    ModelCard(
        name="{name}",
        title="A Paper Nobody Wrote",
        paper="https://example.org/{name}",
        year=2030,
        summary="Two convolutions.",
        task="{package}.task:Paper",
        parameters={parameters},
        aliases=("{name}_alias",),
        guidance=("points",),
        config="{name}/tiny.yaml",
        smoke=Smoke(size=16),
    ),
)
"""

NETWORK = """
import torch
from torch import Tensor, nn


class TwoConvolutions(nn.Sequential):
    def __init__(self, width: int) -> None:
        layers = nn.Conv2d(4, width, 3, padding=1), nn.ReLU(), nn.Conv2d(width, 2, 3, padding=1)
        super().__init__(*layers)

    def forward(self, luma: Tensor, ab: Tensor, mask: Tensor) -> Tensor:
        return 100 * super().forward(torch.cat([luma / 100, ab / 100, mask], dim=1)).float()
"""

TASK = """
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data import Batch
from colorzoo.guidance import Guidance, Points
from colorzoo.losses import smooth_l1_map
from colorzoo.tasks import AbPrediction, SingleOptimizerModule
from {package}.network import TwoConvolutions


class Paper(SingleOptimizerModule):
    accepts = frozenset({{"points"}})

    def __init__(
        self,
        width: int = 8,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        self.width = width
        super().__init__(optimizer, lr_scheduler)

    def configure_network(self) -> None:
        self.network = TwoConvolutions(self.width)

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        points = guidance.points if guidance is not None else None
        points = points or Points.none(luma)
        return AbPrediction(ab=self.network(luma, points.ab * points.mask, points.mask))

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        lab = rgb_to_lab(batch["rgb"])
        loss = smooth_l1_map(self(lab[:, :1]).ab, lab[:, 1:]).mean()
        self.log("train/loss", loss)
        return loss
"""

CONFIG = """
model:
  class_path: {package}.task.Paper
  init_args:
    optimizer: {{class_path: torch.optim.Adam, init_args: {{lr: 1.0e-3}}}}
data:
  class_path: colorzoo.data.FolderDataModule
  init_args: {{root: data, num_workers: 0}}
trainer:
  callbacks:
    - class_path: lightning.pytorch.callbacks.ModelCheckpoint
      init_args: {{save_last: true}}
"""


def write_paper(folder: Path, package: str, name: str) -> None:
    """Write a package of four modules and its README into ``folder``."""
    folder.mkdir(parents=True)
    values = {"package": package, "name": name, "parameters": PARAMETERS}
    (folder / "__init__.py").write_text('"""A paper nobody wrote."""\n')
    for module, text in (("card", CARD), ("network", NETWORK), ("task", TASK)):
        (folder / f"{module}.py").write_text(dedent(text).lstrip().format(**values))
    (folder / "README.md").write_text(f"# {name}\n\nWhat nobody wrote about it.\n")


def write_config(configs: Path, package: str, name: str) -> Path:
    """Write the training configuration that the card names, and return its path."""
    path = configs / name / "tiny.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(CONFIG.format(package=package))
    return path
