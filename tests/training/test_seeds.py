"""Random seeds of epochs, runs and images; image counts; weights in checkpoints."""

from __future__ import annotations

import colorsys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from harness import fit, small_data, small_model, small_trainer
from lightning.pytorch import Callback
from test_cli import fit_words

from colorzoo.data.augment import jitter_colors
from colorzoo.data.dataset import place_square
from colorzoo.data.loader import SeededSampler
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.training.callbacks.guards import StepSeed
from colorzoo.training.command import run_command as run


class RecordsBatches(Callback):
    """Records training and validation batches by epoch."""

    def __init__(self) -> None:
        self.trained: dict[int, list[Any]] = {}
        self.validated: dict[int, list[Any]] = {}

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        row = (
            batch["name"],
            batch["seed"].tolist(),
            batch["rgb"].sum((1, 2, 3)).tolist(),
            float(torch.rand(())),
        )
        self.trained.setdefault(trainer.current_epoch, []).append(row)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, batch_idx, dataloader_idx=0):
        row = (batch["name"], batch["seed"].tolist(), batch["rgb"].sum((1, 2, 3)).tolist())
        self.validated.setdefault(trainer.current_epoch, []).append(row)


def record_batches(images: Path, folder: Path, seed: int, step_seed: int = 0) -> RecordsBatches:
    callback = RecordsBatches()
    small_trainer(folder, callback, StepSeed(step_seed), max_epochs=3, enable_checkpointing=False).fit(
        small_model(), small_data(images, seed=seed)
    )
    return callback


def test_training_batches_depend_on_epoch_and_seed_and_validation_repeats(images, tmp_path):
    first, again = record_batches(images, tmp_path, 0), record_batches(images, tmp_path, 0)
    other, dropout = record_batches(images, tmp_path, 1), record_batches(images, tmp_path, 0, step_seed=1)
    assert (first.trained, first.validated) == (again.trained, again.validated)
    for column in range(4):  # order, seeds, crops, the numbers of the device
        epochs = [str([row[column] for row in rows]) for rows in first.trained.values()]
        assert len(set(epochs)) == 3
        by_seed, by_step_seed = ([row[column] for row in run.trained[0]] for run in (other, dropout))
        assert (str(by_seed) != epochs[0]) == (column < 3)
        assert (str(by_step_seed) != epochs[0]) == (column == 3)
    drawn = [row[3] for rows in first.trained.values() for row in rows]
    assert len(set(drawn)) == len(drawn)  # no number is repeated in another step
    seeds = [seed for rows in first.trained.values() for row in rows for seed in row[1]]
    assert len(set(seeds)) == len(seeds)
    # crops and augmentation of the same image differ between epochs
    for name in {name for rows in first.trained.values() for row in rows for name in row[0]}:
        crops = [
            value
            for rows in first.trained.values()
            for row in rows
            for own, value in zip(row[0], row[2], strict=True)
            if own == name
        ]
        assert len(set(crops)) == len(crops)
    assert first.validated[0] == first.validated[1] == first.validated[2]
    assert first.validated[0] != other.validated[0]
    assert len({seed for row in first.validated[0] for seed in row[1]}) == 5


def test_fit_draws_other_numbers_for_each_seed_everything(images, tmp_path):
    drawn = []
    for seed in (0, 1, 18_446_633, 20250101, 2**32 - 1):
        words = fit_words(images, tmp_path, "--trainer.fast_dev_run=1", f"--seed_everything={seed}")
        assert run(words) == 0
        drawn.append(float(torch.rand(())))
    assert len(set(drawn)) == len(drawn)


@pytest.mark.parametrize("seed", [-1, 2**62, 2**80])
def test_samplers_with_large_seeds_draw_other_samples_in_each_epoch(seed):
    sampler = SeededSampler(50, seed=seed)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append(tuple(sampler))
    assert len(set(epochs)) == 3


def test_place_square_reaches_every_position():
    image = torch.zeros(3, 12, 13)
    found = {(s.top, s.left) for s in (place_square(image, 10, seed) for seed in range(300))}
    assert found == {(top, left) for top in range(3) for left in range(4)}
    assert (place_square(image, 10).top, place_square(image, 10).left) == (1, 1)


def test_jitter_colors_equals_colorsys():
    for color in [(0.6, 0.35, 0.2), (0.97, 0.02, 0.3), (0.5, 0.48, 0.47)]:
        seeds = torch.arange(200)
        rgb = torch.tensor(color)
        found = jitter_colors(
            rgb[None, :, None, None].expand(200, 3, 2, 2), image_generators(seeds, "jitter")
        )
        draws = draw_uniform(image_generators(seeds, "jitter"), 200, 7, torch.device("cpu")).tolist()
        kinds = set()
        for (light, tint, *shifts), image in zip(draws, found, strict=True):
            light, tint = light < 0.5, tint < 0.5
            brightness, contrast, hue, saturation, value = (2 * shift - 1 for shift in shifts)
            lit = [
                min(1, max(0, v * (1 + 0.2 * light * contrast) + 0.2 * light * brightness))
                for v in rgb.tolist()
            ]
            h, s, v = colorsys.rgb_to_hsv(*lit)
            if tint:
                h, s, v = (h + hue * 40 / 360) % 1, s + saturation * 30 / 255, v + value * 20 / 255
            wanted = colorsys.hsv_to_rgb(h, min(1, max(0, s)), min(1, max(0, v)))
            torch.testing.assert_close(image[:, 0, 0], torch.tensor(wanted), atol=2e-3, rtol=0)
            kinds.add((light, tint))
        assert len(kinds) == 4


@pytest.mark.parametrize("processes", [1, 4])
def test_provenance_counts_the_images_of_all_processes(processes):
    model = small_model()
    model._trainer = SimpleNamespace(world_size=processes)  # type: ignore[assignment]
    for _ in range(3):
        model.on_train_batch_start({"rgb": torch.zeros(5, 3, 8, 8), "seed": torch.arange(5)}, 0)  # type: ignore[typeddict-item]
    assert model.provenance.images == 15 * processes


class Weights(Callback):
    """Records the trained weights after each step."""

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.last = {name: value.detach().clone() for name, value in pl_module.named_parameters()}


def test_checkpoints_store_trained_and_averaged_weights(images, tmp_path):
    weights = Weights()
    fit(images, tmp_path, more=[weights])
    content = torch.load(tmp_path / "last.ckpt", weights_only=True)
    raw, mean = content["current_model_state"], content["state_dict"]
    for name, value in weights.last.items():
        torch.testing.assert_close(raw[name], value, rtol=0, atol=0)
    apart = [name for name, value in weights.last.items() if not torch.equal(mean[name], value)]
    assert len(apart) > len(weights.last) / 2


def test_transfer_batch_to_device_keeps_seeds_on_the_cpu(images):
    """Reading seeds from a device would synchronize each step."""
    batch = {"rgb": torch.zeros(1, 3, 4, 4), "seed": torch.zeros(1, dtype=torch.int64), "name": ["x"]}
    moved = small_data(images).transfer_batch_to_device(batch, torch.device("meta"), 0)
    assert (moved["rgb"].device.type, moved["seed"].device.type) == ("meta", "cpu")
