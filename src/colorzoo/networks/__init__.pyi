from colorzoo.networks.blocks import conv3x3 as conv3x3
from colorzoo.networks.blocks import conv_block as conv_block
from colorzoo.networks.blocks import conv_relu_stack as conv_relu_stack
from colorzoo.networks.blocks import pad_to_multiple as pad_to_multiple
from colorzoo.networks.blocks import pad_with_zeros as pad_with_zeros
from colorzoo.networks.blocks import scaled_width as scaled_width
from colorzoo.networks.blocks import upconv4x4 as upconv4x4
from colorzoo.networks.discriminators import AttentionDiscriminator as AttentionDiscriminator
from colorzoo.networks.discriminators import DiscriminatorOutput as DiscriminatorOutput
from colorzoo.networks.discriminators import PatchDiscriminator as PatchDiscriminator
from colorzoo.networks.enlarging import enlarge_along_edges as enlarge_along_edges
from colorzoo.networks.feature_hooks import FeatureHook as FeatureHook
from colorzoo.networks.feature_hooks import HookState as HookState
from colorzoo.networks.feature_hooks import Visit as Visit
from colorzoo.networks.feature_hooks import unchanged as unchanged
from colorzoo.networks.hint_unet import HintUNet as HintUNet
from colorzoo.networks.hint_unet import PointNetwork as PointNetwork
from colorzoo.networks.hint_unet import hint_input as hint_input
from colorzoo.networks.shared_weights import BorrowedModel as BorrowedModel
from colorzoo.networks.unet import UNet as UNet
from colorzoo.networks.unet import initialize_gan as initialize_gan

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
