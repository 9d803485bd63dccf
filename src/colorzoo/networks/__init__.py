"""Networks and building blocks that at least two papers share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from colorzoo.lazy import lazy_names

if TYPE_CHECKING:  # `as` makes a name public to type checkers
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

# Name -> module, imported at first use to keep the import of the package fast.
_PUBLIC = {
    "AttentionDiscriminator": "discriminators",
    "BorrowedModel": "shared_weights",
    "DiscriminatorOutput": "discriminators",
    "HintUNet": "hint_unet",
    "PatchDiscriminator": "discriminators",
    "PointNetwork": "hint_unet",
    "FeatureHook": "hooks",
    "HookState": "hooks",
    "UNet": "unet",
    "Visit": "hooks",
    "conv3x3": "blocks",
    "conv_block": "blocks",
    "conv_relu_stack": "blocks",
    "enlarge_along_edges": "enlarging",
    "hint_input": "hint_unet",
    "initialize_gan": "unet",
    "pad_to_multiple": "blocks",
    "pad_with_zeros": "blocks",
    "scaled_width": "blocks",
    "unchanged": "hooks",
    "upconv4x4": "blocks",
}

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

__getattr__ = lazy_names("colorzoo.networks", _PUBLIC)


def __dir__() -> list[str]:
    return sorted(__all__)
