"""Metrics by name: all are named, wrong names are errors, and networks stay out of the model."""

import copy
import pickle
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torchmetrics import Metric
from torchvision import models

from colorzoo import metrics
from colorzoo.errors import DataError, WeightsError
from colorzoo.evaluation.measures import list_metrics, picture_moments
from colorzoo.metrics.named import ABBREVIATIONS, SPECS, inputs_of, named_metric, numbers_of, parse_name
from colorzoo.training.validation import StageMetrics
from metrics.cases import PICTURES
from metrics.network_cases import CLASSIFIER, CORNERS, PATCHES

EXPORTED = {
    name
    for name in metrics.__all__
    if isinstance(found := getattr(metrics, name), type) and issubclass(found, Metric)
}
PLAIN = sorted(name for name, spec in SPECS.items() if not spec.network)


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    """A weight file for the backbone of LPIPS."""
    torch.save(models.alexnet(weights=None).state_dict(), tmp_path / "alexnet.pth")
    return tmp_path / "alexnet.pth"


def test_every_exported_metric_has_a_name() -> None:
    assert {spec.metric for spec in SPECS.values()} == EXPORTED


def test_evaluate_uses_the_same_names() -> None:
    own = {"psnr_k7_gain", "psnr_kfull_gain", "cdr_gain", "drift"}  # relative to a method's first result
    costs = {"parameters", "seconds"}  # of a model, not of a picture
    assert {ABBREVIATIONS.get(name, name) for name in list_metrics()} - own - costs <= set(SPECS)


def test_the_page_lists_every_name() -> None:
    page = (Path(__file__).parents[2] / "docs/metrics.md").read_text(encoding="utf-8")
    assert set(SPECS) <= set(re.findall(r"`(\w+)`", page))


@pytest.mark.parametrize("name", PLAIN)
def test_a_named_metric_has_the_class_and_options_of_its_spec(name: str) -> None:
    metric = named_metric(name)
    assert type(metric).__name__ == SPECS[name].metric
    assert all(getattr(metric, key) == value for key, value in SPECS[name].options.items())


def test_a_name_selects_network_and_weight_file(alex: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr(
        "colorzoo.metrics.classification.classifier_network", lambda *given: calls.append(given) or CLASSIFIER
    )
    monkeypatch.setattr("colorzoo.metrics.fid.feature_network", lambda *given: calls.append(given) or CORNERS)
    monkeypatch.setattr("colorzoo.metrics.exemplar.vgg19_maps", lambda *given: calls.append(given) or PATCHES)
    scores = metrics.picture_metrics(
        ("accuracy:resnet18.a1_in1k", f"fid={alex}", "contextual:relu2_2", "psnr")
    )
    assert calls == [("resnet18.a1_in1k", None), ("inception-v3", alex), ("relu2_2", None)]
    assert set(scores) == {"accuracy_resnet18-a1_in1k", "fid", "contextual_relu2_2", "psnr"}


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("ssmi", DataError, "unknown metric 'ssmi'; did you mean ssim"),
        ("psnr:vgg", DataError, "the metric psnr has no network"),
        ("lpips=none.pth", WeightsError, "no file 'none.pth', given as the weights of the metric lpips"),
        ("lpips:resnet", WeightsError, "LPIPS has no backbone 'resnet'; expected one of alex, vgg, squeeze"),
    ],
)
def test_a_wrong_name_is_an_error_in_one_line(name: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        named_metric(name)


def test_a_repeated_name_is_an_error() -> None:
    with pytest.raises(DataError, match="named twice among psnr, cf, colorfulness"):
        metrics.picture_metrics(("psnr", "cf", "colorfulness"))


def test_abbreviations_name_the_same_metric() -> None:
    assert parse_name("cf") == parse_name("colorfulness")


def test_values_are_named_after_their_metric() -> None:
    one = torch.tensor(1.0)
    assert numbers_of("ssim", one) == {"ssim": one}
    assert numbers_of("lpips_vgg", {"lpips_vgg": one}) == {"lpips_vgg": one}
    several = {"cdr_a": one, "cdr": one}
    assert numbers_of("cdr", {**several, "left_out": one}) == several


def test_a_network_is_not_trained_not_saved_and_shared(alex: Path) -> None:
    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Linear(2, 2)
            self.measures = StageMetrics("val", ("a", "b"), (f"lpips={alex}",))

    model = Model().train()
    assert set(model.state_dict()) == {"own.weight", "own.bias"}
    assert len(list(model.parameters())) == 2
    one, other = (model.measures.collections[setting]["lpips"].network._hidden[0] for setting in "ab")
    assert one is other is copy.deepcopy(model).measures.collections["a"]["lpips"].network._hidden[0]
    assert not one.training
    assert not any(weight.requires_grad for weight in one.parameters())
    model.double()
    assert next(one.parameters()).dtype == torch.float64
    given = {"rgb": torch.rand(2, 3, 64, 64), "target": torch.rand(2, 3, 64, 64)}
    model.float().measures.update("a", given)
    assert float(model.measures.compute()["val/lpips_a"]) > 0
    assert pickle.loads(pickle.dumps(model.measures)).names == model.measures.names


@pytest.mark.parametrize("name", ["lpips", "fid", "accuracy"])
def test_offline_a_missing_network_is_an_error(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=r"COLORZOO_OFFLINE is set; .*give a weight file"):
        StageMetrics("val", ("a",), ("psnr", name))


def test_a_download_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.delenv("COLORZOO_OFFLINE", raising=False)

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", unreachable)
    with pytest.raises(WeightsError, match=r"cannot fetch the weights alexnet.*no route.*put it at"):
        named_metric("lpips")
    assert re.search(r"fetching https://.*alexnet", capsys.readouterr().err)


@pytest.mark.parametrize("name", sorted(set(PLAIN) & set(list_metrics()) | set(ABBREVIATIONS.values())))
def test_moments_of_pictures_add_up_to_those_of_the_batch(name: str) -> None:
    metric, given = named_metric(name), {**PICTURES[2], "reference_ab": PICTURES[2]["target_ab"]}

    def moments(pictures: slice) -> list[np.ndarray]:
        inputs = {key: given[key][pictures] for key in inputs_of(metric) if key in given}
        # of a curve only the 152 counts; its last moments count pictures
        return [np.array(values)[:152] for values in picture_moments(metric, inputs)]

    rows = [moments(slice(index, index + 1)) for index in range(3)]
    for *parts, whole in zip(*rows, moments(slice(None)), strict=True):
        np.testing.assert_allclose(np.sum(parts, axis=0), whole, rtol=1e-6)
    np.testing.assert_equal(moments(slice(0, 1)), rows[0])  # independent of earlier measurements
