"""Conversion of images to network inputs."""

import numpy as np
import torch
from PIL import Image

from colorzoo.networks.scaling import squashed


def test_squashed_shrinks_noise_as_pillow_does() -> None:
    """Smooth images are equal with and without antialiasing."""
    image = torch.rand(1, 1, 90, 120, generator=torch.Generator().manual_seed(0))
    expected = Image.fromarray(image[0, 0].numpy()).resize((32, 32), Image.Resampling.BILINEAR)
    assert np.allclose(squashed(image, 32)[0, 0], np.asarray(expected), atol=1e-5)
