"""DDColor: pretrained weights of the encoder, and errors if they are unavailable."""

from pathlib import Path

import pytest
import torch

from colorzoo.errors import WeightsError
from colorzoo.factory import build_model
from colorzoo.registry import model_card
from colorzoo.zoo.kang2023.convnext import ConvNextEncoder
from colorzoo.zoo.kang2023.task import Kang2023

NARROW = {"width": 0.125, "queries": 8, "layers": 4}


def test_convnext_encoder_loads_pretrained_classifier_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    torch.manual_seed(0)
    shape = {"depths": (1, 1, 3, 1), "dims": (8, 24, 48, 96)}
    source = timm.create_model("convnext_tiny", pretrained=False, num_classes=0, **shape)
    monkeypatch.setattr("colorzoo.metrics.feature_networks.download_timm_model", lambda *_: source)
    encoder = ConvNextEncoder("tiny", 0.125, 0.3)
    assert encoder.channels == (16, 24, 48, 96)
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.load_pretrained("convnext_tiny")
    source = timm.create_model("convnext_tiny", num_classes=0, **(shape | {"dims": encoder.channels}))
    encoder.load_pretrained("convnext_tiny")
    found = encoder.stages.state_dict()["stages_2.blocks.1.mlp.fc1.weight"]
    assert torch.equal(found, source.state_dict()["stages.2.blocks.1.mlp.fc1.weight"])


def test_kang2023_fit_without_pretrained_weights_raises(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    settings = {**model_card("kang2023").contract_test.hparams, "perceptual_weight": 5.0}
    model = build_model(Kang2023, settings)
    with pytest.raises(WeightsError, match="vgg16_bn"):
        model.setup("fit")
    encoder = build_model(
        Kang2023, {**settings, "perceptual_weight": 0.0, "pretrained": "convnext_tiny.fb_in22k"}
    )
    with pytest.raises(WeightsError, match="convnext_tiny"):
        encoder.prepare_fit()
    encoder.trained = True
    encoder.prepare_fit()
