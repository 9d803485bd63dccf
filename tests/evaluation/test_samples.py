"""Metrics of samples: best of K, mean and standard deviation over seeds, and diversity."""

from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from colorzoo.apps.cli.main import main
from colorzoo.errors import DataError
from colorzoo.evaluation import evaluate, run
from colorzoo.evaluation.images import read_truth, select_images
from colorzoo.evaluation.methods import saved_result
from colorzoo.evaluation.protocol import parse_protocol
from colorzoo.guidance import Guidance
from colorzoo.metrics.perceptual import MeanLPIPS
from colorzoo.model import ColoringModel
from colorzoo.prediction import AbPrediction, clip_colors
from tiny_evaluation import write_image

PROTOCOL = parse_protocol(
    "{name: tiny, version: 1, title: Tiny, source: tests, coloring: network, metrics: [psnr, ab_rmse], "
    "resize: {mode: squash, size: 64}}",
    "tiny",
)


class Sampled(ColoringModel):
    """Predicts one random color for each image."""

    accepts = frozenset({"seed"})

    def __init__(self) -> None:
        super().__init__(nn.Identity())
        self.trained = True

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        drawn = [torch.randn(2, generator=each) for each in self.generators(guidance, len(lightness))]
        ab = 10 * torch.stack(drawn)[:, :, None, None]
        return AbPrediction(ab=ab.to(lightness.device) + 0 * lightness)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed in range(3):
        write_image(tmp_path / "images" / f"{seed}.png", seed, (64, 64))
    return tmp_path / "images"


def scores(report: Path) -> dict[str, dict[str, float]]:
    """Return the values of each method by the start of the key, before the resizing."""
    rows = json.loads((report / "results.json").read_text())["results"]
    return {
        row["method"]: {key.partition("@")[0]: score["value"] for key, score in row["scores"].items()}
        for row in rows
    }


def test_columns_of_samples_equal_the_results_of_single_seeds(folder: Path, tmp_path: Path) -> None:
    weights = tmp_path / "squeeze.pth"
    torch.manual_seed(0)
    torch.save(squeezenet1_1(weights=None).state_dict(), weights)
    metrics = ["psnr", "ab_rmse", f"lpips:squeeze={weights}", "colorfulness"]
    models: dict[str, Any] = {"mine": Sampled(), "gray": None}
    evaluate(models, folder, PROTOCOL, output=tmp_path / "all", metrics=metrics, samples=3, resamples=10)
    found = scores(tmp_path / "all")
    # the results of single seeds
    values = []
    for seed in range(3):
        (folder / "seed.csv").write_text("\n".join(["image,seed", *(f"{i}.png,{seed}" for i in range(3))]))
        outcome = evaluate({"mine": Sampled()}, folder, PROTOCOL, metrics=["psnr"], resamples=10)
        values.append([row["psnr_rgb_8bit_mean@squash64-bicubic"] for row in outcome.per_image()])
    by_seed = np.array(values)  # seeds x images
    psnr = "psnr_rgb_8bit_mean"
    assert found["mine"][f"{psnr}_best_of_3"] == pytest.approx(by_seed.max(0).mean(), abs=1e-4)
    assert found["mine"][f"{psnr}_mean_of_3"] == pytest.approx(by_seed.mean(), abs=1e-4)
    assert found["mine"][f"{psnr}_sd_of_3"] == pytest.approx(by_seed.std(0, ddof=1).mean(), abs=1e-4)
    assert found["mine"][psnr] == pytest.approx(by_seed[0].mean(), abs=1e-4)
    rmse = "ab_rmse_mean"
    assert found["mine"][f"{rmse}_best_of_3"] < found["mine"][f"{rmse}_mean_of_3"]  # lower is better
    # the diversity
    (folder / "seed.csv").unlink()
    metric, distances = MeanLPIPS("squeeze", weights), []
    for item in select_images(folder, PROTOCOL, None, None)[0]:
        truth = read_truth(item.hashed(), PROTOCOL, torch.device("cpu"))
        seeds = (Guidance(extra={"seed": torch.tensor([seed])}) for seed in range(3))
        lightness = truth.lab[:, :1]
        images = [clip_colors(Sampled()(lightness, each), lightness)[0] for each in seeds]
        for one, other in combinations(map(saved_result, images), 2):
            change = torch.linalg.vector_norm(one.ab - other.ab, dim=1).mean()
            distances.append((float(change), float(metric.network(2 * one.rgb - 1, 2 * other.rgb - 1))))
    expected = np.mean(distances, axis=0)
    assert found["mine"]["ab_diversity_of_3"] == pytest.approx(expected[0], rel=1e-4)
    (lpips,) = (key for key in found["mine"] if key.startswith("lpips") and "diversity" in key)
    assert found["mine"][lpips] == pytest.approx(expected[1], rel=1e-3)
    # a method without seeds
    gray = found["gray"]
    assert gray[f"{psnr}_best_of_3"] == gray[f"{psnr}_mean_of_3"] == gray[psnr]
    assert gray[f"{psnr}_sd_of_3"] == gray["ab_diversity_of_3"] == gray[lpips] == 0
    assert not [key for key in gray if key.startswith("colorfulness") and "_of_" in key]  # no direction


def test_samples_are_an_option_of_the_command(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["evaluate", "--models", "gray", "--data", str(folder), "--metrics", "psnr", "--resamples", "100"]
    assert main([*words, "--samples", "2", "-o", str(tmp_path / "report")]) == 0
    assert "best of 2" in capsys.readouterr().out
    with pytest.raises(DataError, match="--samples must be at least 1"):
        evaluate(["gray"], folder, samples=0)


def test_protocol_skips_networks_without_a_download(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(*_: Any, **__: Any) -> None:
        raise AssertionError("a file was downloaded")

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr(run, "select_images", lambda *_: (select_images(*_)[0][:1], ""))
    outcome = evaluate(["gray"], folder, "automatic", resamples=10)
    notes = [note for note in outcome.notes if "was skipped" in note]
    assert [note.partition(" ")[0] for note in notes] == ["lpips", "fid"]
    assert all("colorzoo weights fetch metrics" in note for note in notes)
