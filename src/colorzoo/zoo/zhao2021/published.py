"""Conversion of the authors' checkpoint: ``colorEncoder.`` and ``colorUNet.``."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.networks.renaming import Pattern, rename_keys

_VGG, _TWIN = "colorEncoder.vgg.vgg_model.features.", "colorEncoder.vgg.vgg_feature."
_UNUSED = re.compile(
    r"colorEncoder\.vgg\.(vgg_model\.classifier\.|(vgg_model\.features|vgg_feature)\.3[24]\.)"
)
_NAMES: tuple[Pattern, ...] = (
    (r"colorEncoder\.vgg\.vgg_model\.features\.", "network.encoder.features.layers."),
    (r"colorEncoder\.feature2vector\.", "network.encoder.to_vector."),
    (r"colorUNet\.inc\.double_conv\.", "network.unet.inc."),
    (r"colorUNet\.(down\d)\.main\.0\.", r"network.unet.\1.halve.0."),
    (r"colorUNet\.(down\d)\.main\.2\.bottle_conv\.", r"network.unet.\1.widen."),
    (r"colorUNet\.(down\d)\.main\.2\.double_conv\.", r"network.unet.\1.refine."),
    (r"colorUNet\.(up\d)\.conv_cat\.", r"network.unet.\1.join."),
    (r"colorUNet\.(up\d)\.conv_s\.", r"network.unet.\1.shortcut."),
    (r"colorUNet\.(up\d)\.SDFT\.", r"network.unet.\1.modulated."),
    (r"colorUNet\.", "network.unet."),
)


def convert_published(state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the authors' tensors; unknown keys stay, so a strict load reports them.

    The file contains VGG-19 twice, including unused layers.

    Raises:
        WeightsError: The file is another file of this paper, or its two copies of VGG-19 differ.
    """
    _refuse_others(state_dict)
    kept = {key: value for key, value in state_dict.items() if not _UNUSED.match(key)}
    for key in [key for key in kept if key.startswith(_TWIN)]:
        twin, original = kept.pop(key), kept.get(_VGG + key.removeprefix(_TWIN))
        if original is None or not torch.equal(twin, original):
            raise WeightsError(f"{key} differs from its second copy in the file. Download the file again.")
    return {key: _reshaped(key, value) for key, value in rename_keys(kept, _NAMES).items()}


def _refuse_others(state_dict: Mapping[str, Tensor]) -> None:
    if "features.0.weight" in state_dict:
        raise WeightsError("the file contains only a VGG-19. Pass it as vgg_weights for training.")
    if "inc.double_conv.0.weight" in state_dict:
        raise WeightsError("the file contains only Color2Embed's ColorUNet; the color encoder is missing.")


def _reshaped(key: str, value: Tensor) -> Tensor:
    """Remove the singleton axes of the authors' modulated convolutions."""
    if key.endswith(".modulated.weight") and value.ndim == 5:
        return value.squeeze(0)
    if key.endswith(".modulation.weight") and value.ndim == 4:
        return value.flatten(1)
    return value
