"""Networks and building blocks that at least two papers share."""

from colorzoo.networks.blocks import (
    conv3x3,
    conv_block,
    conv_relu_stack,
    pad_to_multiple,
    pad_with_zeros,
    scaled_width,
    upconv4x4,
)
from colorzoo.networks.discriminators import AttentionDiscriminator, DiscriminatorOutput, PatchDiscriminator
from colorzoo.networks.enlarging import enlarge_along_edges
from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit, unchanged
from colorzoo.networks.hint_unet import HintUNet, PointNetwork, hint_input
from colorzoo.networks.shared_weights import BorrowedModel
from colorzoo.networks.unet import UNet, initialize_gan

__all__ = [
    "AttentionDiscriminator",
    "BorrowedModel",
    "DiscriminatorOutput",
    "FeatureHook",
    "HintUNet",
    "HookState",
    "PatchDiscriminator",
    "PointNetwork",
    "UNet",
    "Visit",
    "conv3x3",
    "conv_block",
    "conv_relu_stack",
    "enlarge_along_edges",
    "hint_input",
    "initialize_gan",
    "pad_to_multiple",
    "pad_with_zeros",
    "scaled_width",
    "unchanged",
    "upconv4x4",
]
