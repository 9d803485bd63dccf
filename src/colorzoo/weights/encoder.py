"""Frozen networks with embedded weights: ImageNet encoder and interactive segmenter."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Literal

import torch
from torch import nn

from colorzoo.networks.imagenet_encoder import ImageNetEncoder
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.weights.load import read_weights

if TYPE_CHECKING:
    from colorzoo.networks.click_segmenter import ClickSegmenter

EncoderWeights = Literal["imagenet", "fine-tuned"]
"""Names of the encoder weights: trained on ImageNet, or fine-tuned together with colorzoo2026."""
FILES: dict[EncoderWeights, str] = {
    "imagenet": "efficientnet_lite2.safetensors",
    "fine-tuned": "colorzoo2026_encoder.safetensors",
}
"""Files of the 8-bit encoder weights; ``NOTICE`` lists their sources."""
SEGMENTER_FILE = "things.safetensors"
"""File of the segmenter weights, which this project trained; see ``NOTICE``."""


def frozen_imagenet_encoder(weights: EncoderWeights = "imagenet") -> ImageNetEncoder:
    """Return the pretrained ImageNet encoder of colorzoo2026 in evaluation mode.

    Its weights are non-persistent buffers, so they are neither trained nor stored in checkpoints.

    Args:
        weights: ``"imagenet"`` for weights trained on ImageNet, or ``"fine-tuned"`` for weights that were
            fine-tuned together with colorzoo2026.
    """
    device = torch.get_default_device()
    with torch.device("meta"):  # skips the initialization
        encoder = ImageNetEncoder()
    if device.type != "meta":  # a meta model has shapes only
        encoder.load_state_dict(read_weights(EMBEDDED_FOLDER / FILES[weights]).state_dict, assign=True)
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            for name, value in list(layer.named_parameters(recurse=False)):
                delattr(layer, name)
                layer.register_buffer(name, value.detach(), persistent=False)
    return encoder.to(device, torch.float32).eval()  # some weights are stored in half precision


@cache
def click_segmenter() -> tuple[ImageNetEncoder, ClickSegmenter]:
    """Return the ImageNet encoder and the interactive segmenter that decodes its features.

    The segmenter predicts the region of an object from clicks. The networks are loaded once and cached.
    """
    from colorzoo.networks.click_segmenter import ClickSegmenter  # used only by object selections

    network = ClickSegmenter()
    network.load_state_dict(read_weights(EMBEDDED_FOLDER / SEGMENTER_FILE).state_dict)
    return frozen_imagenet_encoder(), network.eval().requires_grad_(False)
