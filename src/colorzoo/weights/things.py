"""The network that finds things and parts of a photo, which ships with the package."""

from __future__ import annotations

from functools import cache

from colorzoo.networks.imagenet_encoder import ImageNetEncoder
from colorzoo.networks.thing_network import ThingNetwork
from colorzoo.weights.catalog import embedded_folder
from colorzoo.weights.encoder import frozen_imagenet_encoder
from colorzoo.weights.load import read_weights

FILE = "things.safetensors"
"""Weights that this project trained; see ``NOTICE``."""


@cache
def thing_network() -> tuple[ImageNetEncoder, ThingNetwork]:
    """Return the encoder and the network over its maps; they are loaded once."""
    network = ThingNetwork()
    network.load_state_dict(read_weights(embedded_folder() / FILE).state_dict)
    return frozen_imagenet_encoder(), network.eval().requires_grad_(False)
