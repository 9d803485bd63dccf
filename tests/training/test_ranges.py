"""One-line errors for invalid option values and configurations."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from harness import small_model, small_trainer
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from colorzoo import settings
from colorzoo.apps.cli.main import main
from colorzoo.data import FolderDataModule
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.factory import build_model
from colorzoo.options import check_arguments
from colorzoo.registry import list_models, load_task_class, model_card
from colorzoo.settings import NonNegativeFloat, NonNegativeInt
from colorzoo.testing.models import contract_test_model
from colorzoo.testing.trainer import quiet_trainer
from colorzoo.training.configs import config_folders
from colorzoo.zoo.zhang2017.model import LocalHints
from colorzoo.zoo.zhang2017.task import Zhang2017Local

CASES = [
    ("--data.batch_size=-3", "batch_size must be at least 1"),
    ("--data.min_scale=3", "min_scale"),
    ("--data.resize=8", "--data.resize must be at least"),
    ("--model.optimizer.lr=-1", "learning rate"),
    ("--model.optimizer.lr=fast", "--model.optimizer.lr: Expected a float"),
    ("--model.stop_probability=0", "stop_probability"),
    ("--trainer.precision=bf16mixed", "--trainer.precision: Expected"),
    ("--trainer.overfit_batches=2", "--trainer.overfit_batches"),
    ("--model.width=16", "width"),
    ("--config=cluster/ddp.yaml", "--trainer.accelerator"),
    (
        "--seed_everything=-1",
        "-1 is not in bounds, numpy accepts from 0 to 4294967295. Change --seed_everything.",
    ),
]


def error_line(words: list[str], capsys) -> str:
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "colorzoo: error" in line]
    return line


@pytest.mark.skipif(torch.cuda.is_available(), reason="ddp.yaml runs on a GPU")
def test_fit_errors_for_invalid_values_are_one_line(images, tmp_path, capsys):
    words = ["fit", "--config=zhang2017/local_small.yaml", f"--data.root={images}", "--data.crop=32"]
    words += [
        "--data.resize=40",
        "--model.width=0.125",
        f"--trainer.default_root_dir={tmp_path}",
    ]
    for word, message in CASES:
        assert message in error_line([*words, word], capsys), word


KINDS = {
    "Fraction": ((0, 1), (-0.001, 1.001)),
    "Probability": ((0.001, 1), (0, 1.001)),
    "NonNegativeFloat": ((0, 9), (-0.001,)),
    "Positive": ((0.001, 9), (0,)),
    "Width": ((0.001, 4), (0, 4.001)),
    "NonNegativeInt": ((0, 9), (-1,)),
    "PositiveInt": ((1, 9), (0,)),
}


def test_number_types_contain_their_limits():
    for kind, (inside, outside) in KINDS.items():
        (limits,) = getattr(settings, kind).__metadata__
        assert all(map(limits.contains, inside)), kind
        assert not any(map(limits.contains, outside)), kind


@dataclass
class Tint:
    """Settings with a range in each supported kind of annotation."""

    many: NonNegativeInt | None = None
    weights: tuple[NonNegativeFloat, ...] = ()
    by_name: Mapping[str, NonNegativeFloat] | None = None


def test_python_api_checks_the_same_ranges():
    with pytest.raises(ColorzooError, match="hints must be"):
        Zhang2017Local(hints=7)
    with pytest.raises(ColorzooError, match="scene_blocks must be"):
        LocalHints(scene_blocks=-1)
    with pytest.raises(ColorzooError, match="width must be"):
        build_model(LocalHints, {"width": -1})
    with pytest.raises(ColorzooError, match="val_fraction must be"):
        FolderDataModule("x", val_fraction=1.5)
    check_arguments(Tint, {"many": None, "weights": [0.5, 2]})
    for name, value in {"many": -1, "weights": [0.5, -1], "by_name": {"a": -1}}.items():
        with pytest.raises(ColorzooError, match=f"{name} must be at least 0, got -1"):
            check_arguments(Tint, {name: value})


def test_shipped_configs_are_within_their_ranges():
    classes = {each.__name__: each for each in (load_task_class(model_card(n)) for n in list_models())}
    for path in sorted(config_folders()[0].glob("*/*.yaml")):
        model = (yaml.safe_load(Path(path).read_text()) or {}).get("model") or {}
        kind = classes.get(str(model.get("class_path")).rpartition(".")[2])
        if kind is not None:
            check_arguments(kind, dict(model["init_args"]))


def test_untrained_backbone_requires_allow_untrained(tmp_path):
    card = model_card("kim2021")
    model = contract_test_model(card)
    model.model.backbone.model.trained = False
    model.trainer = quiet_trainer(tmp_path, max_steps=1)
    with pytest.raises(WeightsError, match="--allow_untrained true"):
        model.on_fit_start()
    model.allow_untrained = True
    model.on_fit_start()


class Plain(LightningDataModule):
    """A DataModule whose batches do not have the keys of this package."""

    def __init__(self, key: str = "") -> None:
        super().__init__()
        self.key = key

    def train_dataloader(self) -> DataLoader[Any]:
        images = [torch.rand(3, 32, 32) for _ in range(4)]
        return DataLoader([{self.key: each} if self.key else each for each in images], batch_size=2)


def test_batches_without_rgb_raise(tmp_path):
    for key, found in (("", "got Tensor"), ("image", "got keys image")):
        with pytest.raises(DataError, match=found):
            small_trainer(tmp_path, limit_val_batches=0).fit(small_model(), Plain(key))


def test_invalid_config_file_error_is_one_line(tmp_path, capsys):
    path = tmp_path / "odd.yaml"
    for content in (b"5", b"\x89PNG\r\n\xff", b"a: [1\n", b"model:\n  class_path: [Z\n t: 3\n"):
        path.write_bytes(content)
        assert "odd.yaml" in error_line(["fit", f"--config={path}"], capsys)
