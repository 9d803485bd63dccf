"""FID: distance and Inception features, compared with `torch-fidelity`."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from colorzoo.metrics import feature_network
from colorzoo.metrics.fid import frechet_distance
from metrics.cases import IMAGES
from metrics.common_checks import pool
from metrics.network_cases import FID_CASE, FID_KEY
from pseudo_weights import pseudo_state_dict


def test_fid_distance_equals_reference_and_is_nan_for_single_images() -> None:
    batch, metric = pool(FID_CASE.batches), FID_CASE.build()
    one, other = (
        np.array([metric.features(image[None])[0].tolist() for image in batch[name]])
        for name in ("rgb", "target")
    )
    assert frechet_distance(one, other) == pytest.approx(FID_CASE.reference(batch)[FID_KEY], abs=1e-4)
    assert np.isfinite(frechet_distance(one[:2], other))
    assert np.isnan([frechet_distance(one[:1], other), frechet_distance(one, other[:1])]).all()


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
