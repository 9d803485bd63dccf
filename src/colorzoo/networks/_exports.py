"""Public names of `colorzoo.networks`, which the package imports when they are used."""

from colorzoo.networks.blocks import conv3x3, pad_to_multiple, scaled_width, upconv4x4
from colorzoo.networks.diffusion import InitialNoise, NoiseSchedule
from colorzoo.networks.discriminators import PatchDiscriminator
from colorzoo.networks.unet import UNet, initialize_gan

__all__ = [
    "InitialNoise",
    "NoiseSchedule",
    "PatchDiscriminator",
    "UNet",
    "conv3x3",
    "initialize_gan",
    "pad_to_multiple",
    "scaled_width",
    "upconv4x4",
]
