"""Public names of `colorzoo.networks`, which the package imports when they are used."""

from colorzoo.networks.blocks import conv3x3 as conv3x3
from colorzoo.networks.blocks import pad_to_multiple as pad_to_multiple
from colorzoo.networks.blocks import scaled_width as scaled_width
from colorzoo.networks.blocks import upconv4x4 as upconv4x4
from colorzoo.networks.diffusion import InitialNoise as InitialNoise
from colorzoo.networks.diffusion import NoiseSchedule as NoiseSchedule
from colorzoo.networks.discriminators import PatchDiscriminator as PatchDiscriminator
from colorzoo.networks.unet import UNet as UNet
from colorzoo.networks.unet import initialize_gan as initialize_gan
