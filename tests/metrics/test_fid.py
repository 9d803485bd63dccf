"""FID: the features and the formula against `torch-fidelity`, and the battery over a small network."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from torch import Tensor, nn
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.metric_fid import fid_statistics_to_metric

from colorzoo.errors import WeightsError
from colorzoo.metrics import FID, FeatureNetwork, feature_network
from metrics import battery
from metrics.battery import Batch, Case, Values
from metrics.cases import NAN, PICTURES
from pseudo_weights import pseudo_state_dict


class Corners(nn.Module):
    """A feature network without weights: six numbers of each picture."""

    def forward(self, rgb: Tensor) -> Tensor:
        return torch.cat([rgb[:, :, 2, 3], rgb[:, :, -3, -2]], dim=1)


CORNERS = FeatureNetwork("corners", "none", Corners(), 6)
KEY = "fid_corners_none"
BATCHES = [{name: batch[name] for name in ("rgb", "target")} for batch in (*PICTURES, PICTURES[0])]


def fidelity_answer(batch: Batch) -> Values:
    statistics = [
        {"mu": found.mean(axis=0), "sigma": np.cov(found, rowvar=False)}
        for found in (Corners()(batch[name]).double().numpy() for name in ("rgb", "target"))
    ]
    answer = fid_statistics_to_metric(*statistics, verbose=False)
    return {KEY: float(next(iter(answer.values())))}


CASE = Case("fid", partial(FID, CORNERS), BATCHES, fidelity_answer, tolerance=1e-3, empty={KEY: NAN})


@pytest.mark.parametrize(
    "check",
    [
        battery.check_reference,
        battery.check_accumulation,
        battery.check_pickling,
        battery.check_half,
        battery.check_empty,
        battery.check_gradient,
    ],
)
def test_battery(check) -> None:
    check(CASE)


def test_the_truth_itself_is_at_0() -> None:
    metric = FID(CORNERS)
    metric.update(PICTURES[2]["target"], PICTURES[2]["target"])
    assert float(metric.compute()[KEY]) == pytest.approx(0, abs=1e-5)
    assert metric.state_dict() == {}


def test_inception_features_equal_torch_fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "inception.pth"
    torch.save({}, file)
    with monkeypatch.context() as patch:  # the package cannot build its network without weights
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        reference = FeatureExtractorInceptionV3("reference", ["2048"], str(file))
    shapes = {key: tuple(value.shape) for key, value in reference.state_dict().items()}
    state = {key: torch.from_numpy(value) for key, value in pseudo_state_dict(shapes).items()}
    reference.load_state_dict(state)
    torch.save(state, file)
    ours = feature_network("inception-v3", file)
    rgb = PICTURES[1]["rgb"]
    expected = reference((rgb * 255).round().byte())[0]
    torch.testing.assert_close(ours.network(rgb), expected, rtol=1e-5, atol=1e-6)
    assert expected.shape == (1, ours.dimension)


def test_a_timm_network_keeps_its_name_and_size_in_the_key(tmp_path: Path) -> None:
    model = timm.create_model("test_resnet.r160_in1k", pretrained=False, num_classes=0)
    torch.save(model.state_dict(), tmp_path / "timm.pth")
    metric = FID("test_resnet.r160_in1k", tmp_path / "timm.pth")
    metric.update(PICTURES[0]["rgb"], PICTURES[0]["target"])
    (key,) = metric.compute()
    assert key == "fid_timm-test_resnet.r160_in1k_160-bicubic"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("inception-v3", r"weights-inception.*not here.*put it at"),
        ("resnet18", r"resnet18.*COLORZOO_OFFLINE"),
        ("no_such_network", r"no feature network 'no_such_network'"),
    ],
)
def test_what_is_not_here_is_said_in_one_line(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=message) as error:
        FID(name)
    assert "\n" not in str(error.value)
