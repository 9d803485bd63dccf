"""FID: distance and Inception features, compared with torchmetrics and `torch-fidelity`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torchmetrics.image.fid import _compute_fid

from colorzoo.metrics.feature_networks import feature_network
from colorzoo.metrics.fid import frechet_distance
from metrics.cases import IMAGES
from pseudo_weights import pseudo_state_dict


@pytest.mark.parametrize("images", [5, 40])
def test_frechet_distance_matches_torchmetrics(images: int) -> None:
    generator = torch.Generator().manual_seed(0)
    one, other = torch.randn(2, images, 12, generator=generator, dtype=torch.float64)
    other = other * 1.5 + 0.3
    expected = _compute_fid(one.mean(0), one.T.cov(), other.mean(0), other.T.cov())
    assert frechet_distance(one.numpy(), other.numpy()) == pytest.approx(float(expected), rel=1e-6)
    assert frechet_distance(one.numpy(), one.numpy()) < 1e-9
    assert np.isnan(frechet_distance(one.numpy()[:1], other.numpy()))


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
    rgb = IMAGES[1]["rgb"]
    expected = reference((rgb * 255).round().byte())[0]
    torch.testing.assert_close(ours.network(rgb), expected, rtol=1e-5, atol=1e-6)
    assert expected.shape == (1, ours.dimension)
