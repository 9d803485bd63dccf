"""Metrics of validation and test: keys, values, processes, and errors."""

import csv
import json
import math
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch
from harness import make_images, small_data, small_model, small_trainer
from test_cli import fit_words

from colorzoo import create_model
from colorzoo.errors import DataError
from colorzoo.evaluation import evaluate
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.guidance import Exemplar, Guidance
from colorzoo.metrics import MeanSSIM
from colorzoo.metrics.feature_networks import FeatureNetwork
from colorzoo.testing.processes import in_processes
from colorzoo.training.command import run_command as run
from colorzoo.training.validation import StageMetrics
from tiny_model import NAME, write_tiny_weights

SAME = "name: same\nversion: 1\ntitle: x\nsource: tests\nresize: {mode: none}\ncoloring: network\n"
SETTINGS = ("0", "1", "10", "100")


def rgb_pair(count: int = 3, seed: int = 0, side: int = 24) -> dict[str, torch.Tensor]:
    rgb, target = torch.rand(2, count, 3, side, side, generator=torch.Generator().manual_seed(seed))
    return {"rgb": rgb, "target": target}


def floats(metrics: StageMetrics) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.compute().items()}


def trained_model(**metrics):
    torch.manual_seed(0)
    model = small_model()
    model.trained = True
    for name, value in metrics.items():
        setattr(model, name, value)
    return model


def test_validation_logs_psnr_and_test_logs_more_metrics(images, tmp_path):
    model = trained_model()
    found = small_trainer(tmp_path).validate(model, small_data(images), verbose=False)[0]
    assert set(found) == {f"val/psnr_{setting}" for setting in SETTINGS}
    tested = small_trainer(tmp_path).test(model, small_data(images), verbose=False)[0]
    names = ("psnr", "ssim", "colorfulness")
    assert set(tested) == {f"test/{name}_{setting}" for name in names for setting in SETTINGS}
    assert tested["test/psnr_10"] == pytest.approx(found["val/psnr_10"], abs=1e-5)


def validate(images: Path, folder: Path, **options: Any) -> None:
    """Write the validation metrics of the first process to a file."""
    model = trained_model(validation_metrics=("psnr", "ssim", "colorfulness", "ab_rmse", "auc"))
    trainer = small_trainer(folder, **options)
    found = trainer.validate(model, small_data(images), verbose=False)[0]
    if trainer.is_global_zero:
        (folder / f"{trainer.world_size}.json").write_text(json.dumps(found))


@pytest.mark.nightly
def test_validation_metrics_of_two_processes_equal_one_process(images, tmp_path):
    """5 images: one process has batches of 2, 2, 1; two processes have 2, 1 and 2."""
    validate(images, tmp_path)
    half = partial(validate, images, tmp_path, strategy="ddp", devices=2)
    assert in_processes(half, processes=2) == [0, 0]
    alone, both = (json.loads((tmp_path / f"{count}.json").read_text()) for count in (1, 2))
    assert len(alone) == 6 * len(SETTINGS)  # auc is two numbers
    assert both == pytest.approx(alone, abs=1e-5)


@pytest.mark.nightly
def test_stage_metrics_equal_evaluate_results(tmp_path):
    """The same model and 5 images, in batches of 2, 2, 1 here and one by one in `evaluate`."""
    make_images(tmp_path / "data/val", 5, side=32, seed=1)
    make_images(tmp_path / "data/train", 1, side=32)
    names = ("psnr", "ssim", "colorfulness", "delta_colorfulness", "ab_rmse", "auc", "cdr")
    file = str(write_tiny_weights(tmp_path / "tiny.safetensors"))
    model = create_model(NAME, file)
    model.test_metrics = names
    found = small_trainer(tmp_path).test(model, small_data(tmp_path / "data"), verbose=False)[0]
    protocol = parse_protocol(SAME + f"metrics: [{', '.join(names)}]\n", "same")
    (row,) = evaluate({NAME: file}, tmp_path / "data/val", protocol, resamples=100).summary.rows
    keys = {
        "psnr": "psnr_rgb_8bit_mean", "ssim": "ssim_rgb_gauss11_mean", "colorfulness": "cf_hasler_mean",
        "mean_delta_cf_hasler": "cf_hasler_distance_mean", "ab_rmse": "ab_rmse_mean",
        "auc": "auc_ab150_pooled",
        "cdr": f"cdr_slic250_exact_skimage{version('scikit-image')}_mean",
    }  # fmt: skip
    for name, key in keys.items():
        assert found[f"test/{name}_0"] == pytest.approx(row.scores[key].estimate.value, rel=1e-5), name


@pytest.mark.nightly
def test_metrics_option_selects_the_validation_metrics(images, tmp_path):
    assert run(fit_words(images, tmp_path, "--trainer.max_epochs=1", "--metrics=ssim, colorfulness")) == 0
    with next(tmp_path.rglob("metrics.csv")).open() as stream:
        keys = set(csv.DictReader(stream).fieldnames)
    assert {f"val/{name}_10" for name in ("psnr", "ssim", "colorfulness")} <= keys
    assert list(tmp_path.rglob("best-*.ckpt"))  # selected by PSNR, which is not in --metrics


def test_metrics_option_rejects_an_unknown_metric(images, tmp_path, monkeypatch):
    monkeypatch.setenv("COLORZOO_DEBUG", "")
    with pytest.raises(DataError, match="unknown metric 'ssmi'"):
        run(fit_words(images, tmp_path, "--metrics=psnr,ssmi"))
    assert not list(tmp_path.rglob("*.ckpt"))


def test_stage_metrics_ignore_autocast():
    given, metrics, expected = rgb_pair(), StageMetrics("val", ("a",), ("ssim",)), MeanSSIM()
    expected.update(**given)
    with torch.autocast("cpu", torch.bfloat16):
        metrics.update("a", given)
    assert float(metrics.compute()["val/ssim_a"]) == pytest.approx(float(expected.compute()), abs=1e-6)


def test_stage_metrics_rejects_metrics_that_require_other_inputs(monkeypatch):
    for name in ("psnr_k7", "lpips_k7"):
        monkeypatch.setattr("colorzoo.metrics.edges.lpips_network", lambda *_, **__: torch.nn.Identity())
        with pytest.raises(DataError, match=rf"the metric {name} requires .*docs/metrics\.md"):
            StageMetrics("val", ("a",), (name,))


class OneHot(torch.nn.Module):
    """Predicts class i for image i."""

    def forward(self, rgb):
        return torch.eye(6)[: len(rgb)]


def test_accuracy_requires_labels(monkeypatch):
    flat = FeatureNetwork("flat", "none", OneHot(), 6)
    monkeypatch.setattr("colorzoo.metrics.classification.classifier_network", lambda *_: flat)
    metrics = StageMetrics("test", ("a",), ("accuracy",))
    with pytest.raises(DataError, match="accuracy"):
        metrics.update("a", rgb_pair())
    metrics.update("a", {**rgb_pair(), "labels": torch.tensor([0, 1, 5])})
    assert floats(metrics)["test/top1_flat_none_a"] == pytest.approx(2 / 3)


def test_exemplar_metric_is_nan_without_an_exemplar(images, tmp_path):
    model = trained_model(validation_metrics=("psnr", "histogram_intersection"))
    model.validation_settings = lambda: ("automatic", "self")
    model.validation_guidances = lambda batch, _: [
        ("automatic", Guidance()),
        ("self", Guidance(exemplar=Exemplar(batch["rgb"].flip(-1)))),  # this model ignores the exemplar
    ]
    found = small_trainer(tmp_path).validate(model, small_data(images), verbose=False)[0]
    assert math.isnan(found["val/histogram_intersection_automatic"])
    assert 0 < found["val/histogram_intersection_self"] < 1
