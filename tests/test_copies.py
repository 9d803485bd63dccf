"""Pickled and copied colorizers."""

import copy
import pickle

import numpy as np
from PIL import Image

import colorzoo


def random_image(height: int, width: int) -> Image.Image:
    levels = np.random.default_rng(height).integers(0, 256, (height // 8, width // 8), dtype=np.uint8)
    return Image.fromarray(levels).resize((width, height))


def images_equal(one: Image.Image, other: Image.Image) -> bool:
    return one.mode == other.mode and np.array_equal(np.asarray(one), np.asarray(other))


def test_colorizer_copies_keep_weights_and_settings() -> None:
    colorizer = colorzoo.Colorizer("zhang2016_small", device="cpu", size=64, temperature=0.2)
    next(colorizer.model.parameters()).data.mul_(1.1)  # differs from the weight file
    image = random_image(80, 48)
    wanted = colorizer(image)
    for other in (pickle.loads(pickle.dumps(colorizer)), copy.deepcopy(colorizer), copy.copy(colorizer)):
        assert images_equal(other(image), wanted)
        assert (other.size, other.settings, other.name) == (64, {"temperature": 0.2}, colorizer.name)
    assert images_equal(colorizer(image), wanted)
