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

from colorzoo.metrics.base import ColorMetric, Output, mean_of_moments, require_pair


class MeanDistance(ColorMetric):
    """Mean distance of colors."""

    names = {"ab_distance": {}}
    outputs = (Output("ab_distance_mean", "Distance", "", "lower", mean_of_moments),)

    def update(self, ab: Tensor, target_ab: Tensor) -> None:
        require_pair(ab, target_ab, 2)
        self.add(torch.linalg.vector_norm(ab - target_ab, dim=1).mean(dim=(1, 2)))
'''


OWN = """
import torch
from torchmetrics import Metric


class GreenError(Metric):
    higher_is_better = False

    def __init__(self):
        super().__init__()
        self.add_state("values", [], dist_reduce_fx="cat")

    def update(self, preds, target):
        self.values.append((preds - target)[:, 1].abs().mean(dim=(1, 2)))

    def compute(self):
        return torch.cat(self.values).mean()


class Pairs(GreenError):
    def compute(self):
        return torch.zeros(2)


class Unknown(GreenError):
    def update(self, imgs, real):
        pass


class Options(GreenError):
    def __init__(self, size):
        super().__init__()


class Network(GreenError):
    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)


class NoMetric:
    pass
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of a module outside colorzoo with metrics, one of them with an entry point."""
    (tmp_path / "own_metrics.py").write_text(OWN)
    info = tmp_path / "own_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-metrics\nVersion: 1.0\n")
    lines = ["[colorzoo.metrics]", "green_error = own_metrics:GreenError", "broken = own_metrics:NoMetric"]
    (info / "entry_points.txt").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(tmp_path)
    all_metrics.cache_clear()
    yield "own_metrics"
    all_metrics.cache_clear()
    sys.modules.pop("own_metrics", None)


@pytest.mark.filterwarnings("ignore:skipped the metric")
@pytest.mark.parametrize("name", ["own_metrics.GreenError", "green_error"])
def test_metric_outside_colorzoo_is_computed_by_training_and_evaluate(own: str, name: str) -> None:
    scores, batch = StageMetrics("val", ("automatic",), (name,)), IMAGES[0]
    scores.update("automatic", {**batch, "preds": batch["rgb"]})
    errors = (batch["rgb"] - batch["target"])[:, 1].abs().mean(dim=(1, 2))
    (logged,) = scores.compute().items()
    assert logged[0] in ("val/GreenError_automatic", "val/green_error_automatic")
    assert float(logged[1]) == pytest.approx(float(errors.mean()), rel=1e-5)
    truth = Truth(batch["target"][:1], (24, 24))
    result = SessionResult(batch["rgb"][:1], batch["ab"][:1])
    measure = named_measure(name)
    (moments,) = measure.run(MeasuredImage(result.rgb, result.ab, truth, Bleeding(result, truth)))
    assert (measure.outputs[0].key, measure.outputs[0].better) == (name, "lower")
    assert float(measure.outputs[0].finish(np.array(moments))) == pytest.approx(float(errors[0]), rel=1e-5)


def test_invalid_metric_of_a_package_is_skipped(own: str) -> None:
    with pytest.warns(UserWarning, match=r"skipped the metric broken: .* subclass of torchmetrics\.Metric"):
        assert "green_error" in all_metrics()
    assert "broken" not in all_metrics()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("own_metrics.Missing", "cannot be imported"),
        ("no_such_module.Metric", "cannot be imported"),
        ("own_metrics.NoMetric", r"subclass of torchmetrics\.Metric"),
        ("own_metrics.Unknown", r"own_metrics\.Unknown\.update must be among .*, got imgs, real$"),
        ("own_metrics.Options", "cannot be created without arguments"),
        ("own_metrics.Network", "contains a network"),
    ],
)
def test_invalid_metric_outside_colorzoo_is_refused_in_one_line(own: str, name: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        StageMetrics("val", ("automatic",), (name,))
    assert "\n" not in str(caught.value)


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
        ("qqqq", DataError, rf"^metric must be one of {', '.join(sorted(all_metrics()))}, or .* got 'qqqq'$"),
        ("lpip", DataError, "Did you mean lpips"),
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
