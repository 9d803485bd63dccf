"""Data configuration files, and a training step with `--data` on the command line."""

from pathlib import Path

import pytest
import torch
import yaml

import colorzoo.data
from colorzoo.apps.cli.main import main
from colorzoo.weights import read_weights

MODEL = ["--model", "Zhang2017Local", "--model.width", "0.125"]
SMALL = {"batch_size": 2, "crop": 32, "val_size": 32, "val_batch_size": 2, "num_workers": 0}
ONE_STEP = {
    "accelerator": "cpu",
    "max_steps": 1,
    "limit_val_batches": 1,
    "num_sanity_val_steps": 0,
    "logger": "false",
    "enable_checkpointing": "false",
    "enable_progress_bar": "false",
    "enable_model_summary": "false",
}


CONFIGS = sorted((Path(__file__).parents[2] / "configs" / "data").glob("*.yaml"))
# A data configuration inherits missing settings from the model's configuration. The crop size is inherited,
# but a cache in memory for a small folder must not apply to a large set.
REQUIRED = {"root", "cache", "num_workers"}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_data_configs_set_the_required_data_module_arguments(path) -> None:
    data = yaml.safe_load(path.read_text())["data"]
    module = getattr(colorzoo.data, data["class_path"])(**data["init_args"])
    assert isinstance(module, colorzoo.data.ImageDataModule)
    assert set(data["init_args"]) >= REQUIRED


def words(prefix: str, values: dict[str, object]) -> list[str]:
    return [f"--{prefix}.{name}={value}" for name, value in values.items()]


def test_fit_trains_one_step_on_shards(shards, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    data = ["--data", "StreamingDataModule", *words("data", {"root": shards, **SMALL})]
    assert main(["fit", *MODEL, *data, *words("trainer", ONE_STEP)]) == 0


def test_fit_extracts_sketches_with_a_function_and_saves_a_readable_checkpoint(
    classes_folder, tmp_path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.set_num_threads(1)
    options = {"root": classes_folder, "extract": "colorzoo.color.canny_sketch", **SMALL}
    data = ["--data", "SketchDataModule", *words("data", options)]
    trainer = words("trainer", {**ONE_STEP, "enable_checkpointing": "true"})
    assert main(["fit", *MODEL, *data, *trainer]) == 0
    assert read_weights(next(tmp_path.rglob("last.ckpt"))).state_dict
