"""VGG networks of losses: torchvision weights are loaded only for training."""

from typing import Any

import pytest
import torch
from torch import Tensor

from colorzoo.networks.imagenet import vgg_layers
from steps.step import small

VGG16 = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG16_BN = "https://download.pytorch.org/models/vgg16_bn-6c64b313.pth"
VGG19 = "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"


@pytest.mark.parametrize(
    ("name", "weight", "url", "layers"),
    [
        ("ci2018", "content_weight", VGG16, (16, 9, False)),
        ("he2018", "perceptual_weight", VGG19, (19, 30, False)),
        ("kang2023", "perceptual_weight", VGG16_BN, (16, 35, True)),
    ],
)
def test_vgg_weights_of_losses_are_loaded_only_for_training(
    name: str, weight: str, url: str, layers: tuple[int, int, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = vgg_layers(*layers[:2], batch_norm=layers[2]).state_dict()
    held: dict[str, Tensor] = {f"features.{key}": torch.rand_like(1.0 * value) for key, value in own.items()}
    fetched: list[str] = []
    monkeypatch.setattr(
        "colorzoo.training.perceptual.published_weights", lambda url: fetched.append(url) or held
    )
    task: Any = small(name, **{weight: 0.5})
    task.setup("test")
    assert not hasattr(task, "vgg")
    task.allow_untrained = True
    task.setup("fit")
    assert task.vgg is not None
    assert fetched == []
    task.allow_untrained = False
    task.setup("fit")
    assert fetched == [url]
    assert torch.equal(task.vgg.network.features[0].weight, held["features.0.weight"])
    plain: Any = small(name)  # without the loss
    plain.setup("fit")
    assert fetched == [url]
