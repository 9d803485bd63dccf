"""Outputs and losses of all models stay equal between versions, because weight files outlive versions.

``results.json`` contains means of the output over 3 x 3 cells, and losses. To add new models, run
``PYTHONPATH=src:tests python tests/zoo/test_reproducible_results.py``. After an intended change, append the
names of the changed models to the command.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.pytorch import Trainer
from torch.nn import functional as F

from colorzoo.networks.spectral import StoredSpectralConv
from colorzoo.registry import list_models, model_card
from colorzoo.testing.models import contract_test_model, sample_call
from colorzoo.testing.samples import sample_batch
from colorzoo.training.gan import GANColorizationModule
from pseudo_weights import pseudo_tensor

FILE = Path(__file__).with_name("results.json")
RESULTS: dict[str, dict[str, list[float]]] = json.loads(FILE.read_text())
# the nightly tier runs all models of a class
FAST = {model_card(name).task: name for name in reversed(RESULTS["colors"])}.values()
MODELS = [
    pytest.param(name, stored, id=name, marks=() if name in FAST else pytest.mark.nightly)
    for name, stored in RESULTS["colors"].items()
]


def fixed_task(name: str) -> Any:
    """Return the small variant of a model with parameters that depend only on their names."""
    task: Any = contract_test_model(model_card(name))
    scales = model_card(name).contract_test.scales
    for key, each in task.named_parameters():
        each.data = torch.as_tensor(pseudo_tensor(key, tuple(each.shape), scale=scales.get(key, 1.0)))
    for layer in task.modules():
        if isinstance(layer, StoredSpectralConv):
            layer.settle()
    return task


@torch.inference_mode()
def colors(name: str) -> list[float]:
    """Return means of the output without guidance, and with guidance if the model accepts guidance."""
    task, (lightness, guidance) = fixed_task(name), sample_call(model_card(name), (37, 53))
    every = (None, guidance)[: 1 + bool(model_card(name).guidance)]
    found = [F.adaptive_avg_pool2d(task(lightness, given).colors.float(), 3) for given in every]
    return torch.stack(found).flatten().tolist()


def losses(name: str) -> list[float]:
    """Return the loss of a training step, or the losses of generator and discriminator."""
    task = fixed_task(name).train()
    task.allow_untrained, task.log_losses, task.trainer = (
        True,
        lambda *_: None,
        Trainer(logger=False, max_steps=1),
    )
    task.setup("fit")
    task.prepare_fit()
    batch = sample_batch((model_card(name).contract_test.size,) * 2, batch=6)
    torch.manual_seed(0)  # dropout
    if not isinstance(task, GANColorizationModule):
        return [float(task.training_step(batch, 0))]
    generated = task.generate(batch)
    loss = float(task.generator_loss(batch, generated))
    return [loss, float(task.discriminator_loss(batch, task.regenerate(batch, generated)))]


@pytest.mark.parametrize(("name", "stored"), MODELS)
def test_outputs_equal_stored_results(name: str, stored: list[float]) -> None:
    assert colors(name) == pytest.approx(stored, abs=5e-3 * max(map(abs, stored)))


@pytest.mark.nightly
@pytest.mark.parametrize(("name", "stored"), RESULTS["losses"].items(), ids=RESULTS["losses"].keys())
def test_losses_equal_stored_results(name: str, stored: list[float]) -> None:
    assert losses(name) == pytest.approx(stored, rel=5e-3)


def store(names: Sequence[str], path: Path = FILE) -> None:
    """Write the results of models to a file, which keeps its values of other registered models.

    Args:
        names: Names of the models; if empty, the models without values in the file.
        path: The file.
    """
    stored = json.loads(path.read_text())
    for name in names or [name for name in list_models() if name not in stored["colors"]]:
        found = {"colors": colors(name), "losses": losses(name) if model_card(name).trainable else []}
        for kind, values in found.items():
            stored[kind][name] = [float(f"{value:.5g}") for value in values]
    made = {
        kind: {name: rows[name] for name in list_models() if rows.get(name)} for kind, rows in stored.items()
    }
    path.write_text(json.dumps(made).replace("], ", "],\n") + "\n")


def test_store_adds_new_models_and_keeps_other_values(tmp_path: Path) -> None:
    new, old = "zhang2016_small", "zhang2017_local_small"
    path, changed = tmp_path / "results.json", json.loads(FILE.read_text())
    changed["colors"] = {name: [7.0] for name in list_models() if name != new}
    del changed["losses"][new]
    path.write_text(json.dumps(changed))
    store([], path)
    found = json.loads(path.read_text())
    assert found["colors"][new] == pytest.approx(RESULTS["colors"][new], rel=5e-3)
    assert all(found[kind].items() >= rows.items() for kind, rows in changed.items())
    store([old], path)
    assert json.loads(path.read_text())["colors"][old] == pytest.approx(RESULTS["colors"][old], rel=5e-3)


if __name__ == "__main__":
    store(sys.argv[1:])
