from .blocks import conv3x3 as conv3x3
from .blocks import pad_to_multiple as pad_to_multiple
from .blocks import scaled_width as scaled_width
from .blocks import upconv4x4 as upconv4x4
from .diffusion import InitialNoise as InitialNoise
from .diffusion import NoiseSchedule as NoiseSchedule
from .discriminators import PatchDiscriminator as PatchDiscriminator
from .unet import UNet as UNet
from .unet import initialize_gan as initialize_gan

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
