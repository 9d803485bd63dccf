"""Metrics by name: discovery, invalid names, and networks that are not part of the model."""

import copy
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchvision import models

from colorzoo import metrics
from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.images import Truth
from colorzoo.evaluation.measures import Bleeding, MeasuredImage, list_metrics, named_measure
from colorzoo.metrics.named import all_metrics, named_metric
from colorzoo.simulation import SessionResult
from colorzoo.training.validation import StageMetrics
from metrics.cases import IMAGES
from metrics.network_cases import CLASSIFIER, CORNERS

ADDED = '''
"""A metric of this test."""

import torch
from torch import Tensor

from colorzoo.metrics.base import ImageMean, require_pair
from colorzoo.metrics.base import Output, mean_of_moments


class MeanDistance(ImageMean):
    """Mean distance of colors."""

    names = {"ab_distance": {}}

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        require_pair(ab, target_ab, 2)
        self.add(torch.linalg.vector_norm(ab - target_ab, dim=1).mean(dim=(1, 2)))

    def outputs(self, suffix: str = "") -> tuple[Output, ...]:
        return (Output("ab_distance_mean", "Distance", "", "lower", mean_of_moments),)
'''


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    """Return a weight file for the backbone of LPIPS."""
    torch.save(models.alexnet(weights=None).state_dict(), tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return a folder whose modules belong to `colorzoo.metrics` during a test."""
    monkeypatch.setattr(metrics, "__path__", [*metrics.__path__, str(tmp_path)])
    all_metrics.cache_clear()
    yield tmp_path
    all_metrics.cache_clear()
    for path in tmp_path.glob("*.py"):
        sys.modules.pop(f"{metrics.__name__}.{path.stem}", None)
        vars(metrics).pop(path.stem, None)


def test_added_metric_file_is_found_by_training_and_evaluate(folder: Path) -> None:
    (folder / "added_distance.py").write_text(ADDED)
    scores, batch = StageMetrics("val", ("automatic",), ("ab_distance",)), IMAGES[0]
    scores.update("automatic", batch)
    expected = float((batch["ab"] - batch["target_ab"]).norm(dim=1).mean())
    assert float(scores.compute()["val/ab_distance_automatic"]) == pytest.approx(expected, rel=1e-5)
    assert "ab_distance" in list_metrics()
    truth = Truth(batch["target"][:1], (24, 24))
    result = SessionResult(batch["rgb"][:1], batch["ab"][:1])
    measure = named_measure("ab_distance")
    (moments,) = measure.run(MeasuredImage(result.rgb, result.ab, truth, Bleeding(result, truth)))
    one = float((result.ab - truth.ab).norm(dim=1).mean())
    assert float(measure.outputs[0].finish(np.array(moments))) == pytest.approx(one, rel=1e-5)


def test_metric_name_selects_network_and_weight_file(alex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "colorzoo.metrics.classification.classifier_network", lambda *given: calls.append(given) or CLASSIFIER
    )
    monkeypatch.setattr("colorzoo.metrics.fid.feature_network", lambda *given: calls.append(given) or CORNERS)
    scores = metrics.image_metrics(("accuracy:resnet18.a1_in1k", f"fid={alex}", "psnr"))
    assert calls == [("resnet18.a1_in1k", None), ("inception-v3", alex)]
    assert set(scores) == {"accuracy_resnet18-a1_in1k", "fid", "psnr"}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("qqqq", DataError, rf"^metric must be one of {', '.join(sorted(all_metrics()))}, got 'qqqq'$"),
        ("psnr:vgg", DataError, "psnr"),
        ("lpips=none.pth", WeightsError, "'none.pth' of the metric lpips"),
        ("lpips:resnet", WeightsError, "alex, vgg, squeeze, got 'resnet'"),
    ],
)
def test_named_metric_raises_error_for_invalid_name(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        named_metric(name)


def test_image_metrics_raises_data_error_for_repeated_name() -> None:
    with pytest.raises(DataError, match="listed once, got psnr, psnr"):
        metrics.image_metrics(("psnr", "psnr"))


def test_metric_network_is_frozen_shared_and_not_saved(alex: Path) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Linear(2, 2)
            self.measures = StageMetrics("val", ("a", "b"), (f"lpips={alex}",))

    model = Model().train()
    assert set(model.state_dict()) == {"own.weight", "own.bias"}
    assert len(list(model.parameters())) == 2
    one, other = (model.measures.collections[setting]["lpips"].network.network for setting in "ab")
    assert one is other is copy.deepcopy(model).measures.collections["a"]["lpips"].network.network
    assert not one.training
    assert not any(weight.requires_grad for weight in one.parameters())
    model.double()
    assert next(one.parameters()).dtype == torch.float64
    given = {"rgb": torch.rand(2, 3, 64, 64), "target": torch.rand(2, 3, 64, 64)}
    model.float().measures.update("a", given)
    assert float(model.measures.compute()["val/lpips_a"]) > 0
    assert pickle.loads(pickle.dumps(model.measures)).names == model.measures.names
