"""FID: its features against `torch-fidelity`, its key, and missing weights."""

from pathlib import Path

import pytest
import timm
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from colorzoo.errors import WeightsError
from colorzoo.metrics import FID, feature_network
from metrics.cases import PICTURES
from metrics.network_cases import CORNERS, FID_KEY
from pseudo_weights import pseudo_state_dict


@pytest.mark.parametrize("levels", [0, 51])
def test_a_shift_has_its_square_as_distance(levels: int) -> None:
    """All six features move by the same amount, and their covariance stays."""
    truth = (PICTURES[2]["target"] * 128).floor() / 255
    metric = FID(CORNERS)
    metric.update(truth + levels / 255 + 1e-4, truth + 1e-4)  # so that truncation keeps the levels
    assert float(metric.compute()[FID_KEY]) == pytest.approx(6 * (levels / 255) ** 2, abs=1e-5)
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
def test_missing_networks_are_an_error_in_one_line(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=message) as error:
        FID(name)
    assert "\n" not in str(error.value)
