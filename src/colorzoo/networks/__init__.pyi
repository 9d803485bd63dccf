from .blocks import conv3x3 as conv3x3
from .blocks import conv_block as conv_block
from .blocks import conv_relu_stack as conv_relu_stack
from .blocks import pad_to_multiple as pad_to_multiple
from .blocks import pad_with_zeros as pad_with_zeros
from .blocks import scaled_width as scaled_width
from .blocks import upconv4x4 as upconv4x4
from .click_segmenter import SegmenterFeatures as SegmenterFeatures
from .diffusion import InitialNoise as InitialNoise
from .diffusion import NoiseSchedule as NoiseSchedule
from .discriminators import AttentionDiscriminator as AttentionDiscriminator
from .discriminators import PatchDiscriminator as PatchDiscriminator
from .enlarging import enlarge_along_edges as enlarge_along_edges
from .hint_unet import HintUNet as HintUNet
from .hint_unet import PointNetwork as PointNetwork
from .hint_unet import hint_input as hint_input
from .shared_weights import BorrowedModel as BorrowedModel
from .unet import UNet as UNet
from .unet import initialize_gan as initialize_gan

__all__ = [
    "AttentionDiscriminator",
    "BorrowedModel",
    "HintUNet",
    "InitialNoise",
    "NoiseSchedule",
    "PatchDiscriminator",
    "PointNetwork",
    "SegmenterFeatures",
    "UNet",
    "conv3x3",
    "conv_block",
    "conv_relu_stack",
    "enlarge_along_edges",
    "hint_input",
    "initialize_gan",
    "pad_to_multiple",
    "pad_with_zeros",
    "scaled_width",
    "upconv4x4",
]
