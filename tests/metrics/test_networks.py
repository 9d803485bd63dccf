"""Classifiers, contextual similarity, flow and video: weights, keys, and what no reference value shows."""

import math
from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision import models

from colorzoo import metrics
from colorzoo.errors import ColorzooError, DataError, WeightsError
from colorzoo.metrics.flow import visible_in_both, warp
from colorzoo.metrics.timm_network import TimmNetwork
from metrics.cases import PICTURES
from metrics.network_cases import CLASSIFIER, PATCHES

RGB = PICTURES[0]["rgb"]
LABELS = torch.tensor([3, 4])


def test_a_timm_classifier_keeps_its_name_and_preprocessing_in_the_key(tmp_path: Path) -> None:
    model = timm.create_model("test_resnet.r160_in1k", pretrained=False)
    torch.save(model.state_dict(), tmp_path / "timm.pth")
    metric = metrics.ClassifierAccuracy("test_resnet.r160_in1k", tmp_path / "timm.pth")
    metric.update(RGB, LABELS)
    assert set(metric.compute()) == {
        f"top{k}_timm-test_resnet.r160_in1k_160-crop0.95-bilinear" for k in (1, 5)
    }
    assert metric.state_dict() == {}


def test_a_classifier_sees_the_center_and_a_feature_network_the_whole() -> None:
    config = {"input_size": (3, 8, 8), "mean": [0.0] * 3, "std": [1.0] * 3, "crop_pct": 0.5}
    config["interpolation"] = "bilinear"
    wide = torch.zeros(1, 3, 16, 32)
    wide[..., 12:20] = 1
    seen = TimmNetwork(torch.nn.Identity(), config, crop=True)(wide)
    assert torch.equal(seen, torch.ones(1, 3, 8, 8))
    whole = TimmNetwork(torch.nn.Identity(), config)(wide)
    assert whole.shape == (1, 3, 8, 8)
    assert float(whole.mean()) == pytest.approx(0.25, abs=0.01)


def test_equal_scores_count_for_the_true_class() -> None:
    flat = metrics.Classifier("flat", "none", lambda rgb: torch.zeros(len(rgb), 10))
    metric = metrics.ClassifierAccuracy(flat, best=(1,))
    metric.update(RGB, LABELS)
    assert float(metric.compute()["top1_flat_none"]) == 1.0


def vgg_file(folder: Path) -> Path:
    torch.save(models.vgg19(weights=None).features[:14].state_dict(), folder / "part")
    part = torch.load(folder / "part", weights_only=True)
    torch.save({f"features.{key}": value for key, value in part.items()}, folder / "vgg.pth")
    return folder / "vgg.pth"


def test_vgg_maps_are_those_of_the_named_layer(tmp_path: Path) -> None:
    features = metrics.vgg19_maps("relu3_2", vgg_file(tmp_path))
    found = features.network(RGB)
    assert found.shape == (2, features.dimension, 6, 6)
    state = torch.load(tmp_path / "vgg.pth", weights_only=True)
    maps = (RGB - torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)) / torch.tensor(
        [0.229, 0.224, 0.225]
    ).view(3, 1, 1)
    for index in (0, 2, None, 5, 7, None, 10, 12):  # two convolutions in each of three blocks
        if index is None:
            maps = F.max_pool2d(maps, 2)
        else:
            maps = F.conv2d(
                maps, state[f"features.{index}.weight"], state[f"features.{index}.bias"], padding=1
            )
            maps = maps.relu()
    torch.testing.assert_close(found, maps)
    metric = metrics.ContextualSimilarity(features, bandwidth=0.1)
    metric.update(RGB, RGB)
    assert list(metric.compute()) == ["cx_vgg19-relu3_2_full-size_h0.1"]


def test_contextual_similarity_wants_the_same_parts_not_the_same_places() -> None:
    parts = torch.randn(1, 8, 6, 6, generator=torch.Generator().manual_seed(0))
    other = torch.randn(1, 8, 5, 7, generator=torch.Generator().manual_seed(1))
    shuffled = parts.flatten(2)[..., torch.randperm(36, generator=torch.Generator().manual_seed(2))].view_as(
        parts
    )
    same = float(metrics.contextual_similarity(parts, shuffled))
    assert same == pytest.approx(float(metrics.contextual_similarity(parts, parts)), abs=1e-5)
    assert same > 0.99 > 0.5 > float(metrics.contextual_similarity(parts, other))


def moved(columns: int) -> tuple[Tensor, Tensor]:
    """A clip of blobs in which all moves to the right, but for the border."""
    coarse = torch.rand(1, 3, 12, 20, generator=torch.Generator().manual_seed(0))
    wide = F.interpolate(coarse, size=(96, 160), mode="bicubic").clamp(0, 1)
    return wide[..., 20:148], wide[..., 20 - columns : 148 - columns]


def test_opencv_flow_finds_a_movement_and_warping_undoes_it() -> None:
    first, second = moved(3)
    flow = metrics.opencv_flow(first, second)
    inner = flow[..., 16:-16, 16:-16]
    torch.testing.assert_close(inner.mean(dim=(0, 2, 3)), torch.tensor([3.0, 0.0]), rtol=0, atol=0.2)
    assert float((warp(second, flow) - first)[..., 16:-16, 16:-16].abs().mean()) < 0.01


def test_a_clip_that_only_moves_is_steady_and_one_that_flickers_is_not() -> None:
    first, second = moved(3)
    steady = torch.stack([first, second], dim=1)
    flickering = torch.stack([first, second * 0.7], dim=1)
    errors = [float(metrics.warping_error(clip, steady)) for clip in (steady, flickering)]
    assert errors[0] < 1e-3 < 0.01 < errors[1]


def test_what_is_hidden_or_leaves_the_picture_is_not_visible() -> None:
    forward = torch.zeros(1, 2, 8, 12)
    forward[:, 0] = 2.0
    assert visible_in_both(forward, -forward)[0, 0, :, :10].all()
    assert not visible_in_both(forward, -forward)[0, 0, :, 10:].any()
    assert not visible_in_both(forward, forward).any()  # does not come back
    torn = torch.zeros(1, 2, 8, 12)
    torn[:, 0, :, 6:] = 1.0
    assert not visible_in_both(torn, -torn)[0, 0, :, 5].any()  # a boundary of motion


def test_clips_without_a_pair_are_left_out_and_counted() -> None:
    short = torch.rand(2, 1, 3, 16, 16)
    metric = metrics.WarpingError()
    metric.update(short, short)
    assert {name: float(value) for name, value in metric.compute().items()} == pytest.approx(
        {"warping_error_opencv-dis": math.nan, "left_out": 2}, nan_ok=True
    )
    consistency = metrics.ColorConsistency()
    consistency.update(torch.rand(1, 4, 3, 8, 8))  # the interval 4 needs 5 frames
    consistency.update(torch.full((1, 5, 3, 8, 8), 0.5))
    assert {name: float(value) for name, value in consistency.compute().items()} == {"cdc": 0, "left_out": 1}


@pytest.mark.parametrize(
    ("metric", "arguments", "message"),
    [
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS[:1]), "one class number for each of 2"),
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS.float()), "one class number"),
        (metrics.ClassifierAccuracy(CLASSIFIER), (RGB, LABELS + 12), "knows 16 classes"),
        (metrics.ContextualSimilarity(PATCHES), (RGB, RGB[:1]), "an exemplar for each of 2"),
        (metrics.ColorConsistency(), (RGB,), "expected clips"),
        (metrics.WarpingError(), (RGB[None], RGB[None, :1]), "differ"),
    ],
)
def test_what_does_not_fit_is_said_in_one_line(metric, arguments, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        metric.update(*arguments)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: metrics.ClassifierAccuracy("no_such_network"), "no network 'no_such_network'"),
        (lambda: metrics.ClassifierAccuracy("resnet18"), "resnet18.*COLORZOO_OFFLINE"),
        (lambda: metrics.ContextualSimilarity("relu9_9"), "no VGG-19 layer 'relu9_9'"),
        (lambda: metrics.ContextualSimilarity(), r"vgg19-\w+\.pth are not here.*put it at"),
    ],
)
def test_networks_that_are_not_here_are_said_in_one_line(
    build, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("COLORZOO_OFFLINE", "1")
    with pytest.raises(WeightsError, match=message) as error:
        build()
    assert isinstance(error.value, ColorzooError)
    assert "\n" not in str(error.value)
