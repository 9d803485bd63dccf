"""Load the ImageNet encoders of the package."""

from __future__ import annotations

from colorzoo.networks.imagenet_encoder import ImageNetEncoder, frozen_imagenet_encoder
from colorzoo.weights.catalog import EMBEDDED_FOLDER
from colorzoo.weights.load import read_weights


def load_imagenet_encoder(file: str = "efficientnet_lite2.safetensors") -> ImageNetEncoder:
    """Return a frozen ImageNet encoder with weights of the package; see `frozen_imagenet_encoder`.

    Args:
        file: Name of the weight file; ``NOTICE`` lists the source of each file.
    """
    return frozen_imagenet_encoder(read_weights(EMBEDDED_FOLDER / file).state_dict)
