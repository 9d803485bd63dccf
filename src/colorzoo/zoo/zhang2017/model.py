"""Real-Time User-Guided Image Colorization with Learned Deep Priors (SIGGRAPH 2017).

The U-Net of Zhang et al. predicts ab from lightness and either color points (`LocalHints`) or global
color statistics (`GlobalHints`). A second head of Local Hints predicts a distribution over the ab grid
for palette suggestions. https://arxiv.org/abs/1705.02999

The conversion of the authors' Caffe files is at the end. The Caffe networks subtract 50 from L and do
not scale inputs, so the weights of L, ab and the mask (0 or 110 in Caffe) are multiplied by 100, 110 and
110. Caffe's BatchNorm has no affine parameters and stores mean and variance as sums, which are divided
by a third value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.factory import create_backbone
from colorzoo.guidance import GlobalStatistics, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.hint_unet import (
    GRID_BINS,
    HINT_UNET_NAMES,
    Detach,
    HintEncoding,
    HintUNet,
    Visit,
    hint_input,
    initialize,
    points_of,
    unchanged,
)
from colorzoo.networks.renaming import Pattern, name_caffe_blobs, rename_keys
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.prediction import AbPrediction
from colorzoo.settings import NonNegativeInt, Width, check_choice
from colorzoo.weights.readers.caffe import CaffeLayers
from colorzoo.zoo.zhang2017.network import (
    ExtendedHintUNet,
    GlobalNetwork,
    HypercolumnHead,
    LocalHintsNetwork,
    SteeredNetwork,
    fold_rank_layers,
)

NARROW_SIZE = 176
"""Working size of narrow networks in pixels; these networks are trained on small crops."""

OUTPUT_SCALE = 100.0
"""Default factor of the output tanh."""

_LIGHTNESS_UNIT, _AB_UNIT = 100.0, AB_SCALE
_LIGHTNESS, _HINTS = "bw_conv1_1", "ab_conv1_1"
_BRANCH = ("s_conv1", "glob_conv1", "glob_conv2", "glob_conv3", "glob_conv4")
_BRANCH_NORMS = ("s_glob_conv1norm", "glob_conv2norm", "glob_conv3norm", "glob_conv4norm")
NAMES: tuple[Pattern, ...] = tuple(
    (theirs, rf"unet.{ours}") for theirs, ours in HINT_UNET_NAMES if isinstance(ours, str)
)
GLOBAL_NAMES: tuple[Pattern, ...] = (
    (r"s_conv1\.", "branch.saturation."),
    (r"glob_conv1\.", "branch.histogram."),
    (r"s_glob_conv1norm\.", "branch.norm."),
    (r"glob_conv2\.", "branch.deeper.0."),
    (r"glob_conv2norm\.", "branch.deeper.2."),
    (r"glob_conv3\.", "branch.deeper.3."),
    (r"glob_conv3norm\.", "branch.deeper.5."),
    (r"glob_conv4\.", "branch.deeper.6."),
    (r"glob_conv4norm\.", "branch.last_norm."),
    *NAMES,
)


class LocalHints(ColoringModel):
    """Local Hints: colorization guided by color points.

    The arguments from ``hint_attention`` on are extensions that are not in the paper.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input: 0 for weights from
            Caffe, 0.5 for the authors' weights retrained in PyTorch.
        hypercolumn: Whether to use the paper's hypercolumn head (313 bins, section 3.3) instead of the
            published head (529 bins).
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
        hint_attention: Whether to add an attention layer that propagates hint colors to similar positions;
            see `HintAttention`.
        channel_attention: Whether the skip connections have squeeze-and-excitation layers.
        rank_layers: Number of linear 1 x 1 layers between encoder and decoder, which weight files contain as
            part of the next layer; see `RankLayers`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `SceneBlocks`.
    """

    accepts = frozenset({"points"})
    weight_settings = ("mask_center", "ab_scale")
    feature_layers = tuple(f"network.unet.block{index}" for index in (1, 2, 3, 7))

    published_names = NAMES  # 107 keys of siggraph17-df00044c.pth
    network: LocalHintsNetwork

    def __init__(
        self,
        width: Width = 1.0,
        mask_center: float = 0.0,
        hypercolumn: bool = False,
        ab_scale: float = AB_SCALE,
        init_std: float | None = 0.02,
        hint_attention: bool = False,
        channel_attention: bool = False,
        rank_layers: NonNegativeInt = 0,
        scene_blocks: NonNegativeInt = 0,
    ) -> None:
        unet = ExtendedHintUNet(
            width,
            mask_center,
            hint_attention=hint_attention,
            channel_attention=channel_attention,
            rank_layers=rank_layers,
            scene_blocks=scene_blocks,
        )
        head = HypercolumnHead(width) if hypercolumn else None
        network = LocalHintsNetwork(unet, mask_center, ab_scale, head)
        initialize(network, init_std)
        if unet.scene is not None:
            unet.scene.reset_output()
        super().__init__(network)
        self.refined_maps = unet.refined_maps
        if width < 1:
            self.working_size = NARROW_SIZE

    def forward(
        self, lightness: Tensor, guidance: Guidance | None = None, detach: Detach = "none"
    ) -> AbPrediction:
        """Colorize a batch.

        ``extras["logits"]`` contains the logits of the color distributions at 1/4 scale.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].
            guidance: Guidance with color points; None colorizes without points.
            detach: Head whose gradient does not reach the trunk (the layers before the heads):
                ``"regression"``, ``"classification"`` or ``"none"``.
        """
        check_choice("detach", detach, Detach)
        out = self.network(lightness, points_of(guidance, lightness), detach=detach)
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    def encode(self, lightness: Tensor, guidance: Guidance | None = None) -> HintEncoding:
        """Run the network up to block 8 and return the input of `decode`; see `forward` for the arguments."""
        network = self.network
        return network.unet.encode(hint_input(lightness, points_of(guidance, lightness), network.mask_center))

    def decode(self, encoded: HintEncoding, size: tuple[int, int], visit: Visit = unchanged) -> Tensor:
        """Run the layers after block 8 and return ab ``(B, 2, H, W)`` in CIE units.

        Args:
            encoded: Output of `encode`, which is not changed and can be reused.
            size: Height and width of the image in pixels.
            visit: Function that may replace feature maps, such as the `refined_maps`; see `HintUNet`.
        """
        ab = self.network.unet.decode(encoded, visit)
        return ab[:, :, : size[0], : size[1]].float() * self.network.ab_scale

    @classmethod
    def for_inference(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights for inference, with rank layers folded into the next layer.

        Rank layers are linear 1 x 1 layers; see `RankLayers`.

        Args:
            state_dict: State dict of a checkpoint or weight file.
        """
        return fold_rank_layers(super().for_inference(state_dict))

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert ``model.caffemodel`` of the authors' interactive demo; see `convert_local`."""
        named = _named(layers, "Local Hints", (_LIGHTNESS, _HINTS, "conv8_3"))
        tensors = {key: value for key, value in named.items() if key.startswith("model")}
        lightness_weight = _LIGHTNESS_UNIT * named[f"{_LIGHTNESS}.weight"]
        hint_weight = _AB_UNIT * named[f"{_HINTS}.weight"]
        tensors["model1.0.weight"] = torch.cat([lightness_weight, hint_weight], dim=1)
        tensors["model1.0.bias"] = named[f"{_LIGHTNESS}.bias"] + named[f"{_HINTS}.bias"]
        head_channels = tensors["model8.3.bias"].numel()
        tensors["model_class.0.weight"] = torch.zeros(GRID_BINS, head_channels, 1, 1)
        tensors["model_class.0.bias"] = torch.zeros(GRID_BINS)
        return tensors, {"mask_center": 0.0, "ab_scale": ab_scale_of(layers)}


class GlobalHints(ColoringModel):
    """Global Hints: colorization guided by a color histogram, a mean saturation or both.

    Args:
        width: Multiplier for every channel count; 1.0 matches the published network.
        ab_scale: Factor that converts the network output to CIE units: 110, or 100 for the authors' Caffe
            weights.
        init_std: Standard deviation of the initial weights; None selects He initialization.
        trunk: Name of a Local Hints model that provides the U-Net, which is frozen and not stored in weight
            files; see `SteeredNetwork`. The Local Hints model determines ``width`` and ``ab_scale``. The
            paper has no such network.
    """

    accepts = frozenset({"statistics"})
    weight_settings = ("ab_scale",)
    feature_layers = tuple(f"network.unet.block{index}" for index in (1, 2, 3, 7))

    published_names = GLOBAL_NAMES  # 135 keys that `colorzoo weights convert` creates from the Caffe files
    network: GlobalNetwork

    def __init__(
        self,
        width: Width = 1.0,
        ab_scale: float = AB_SCALE,
        init_std: float | None = 0.02,
        trunk: str | None = None,
    ) -> None:
        network: GlobalNetwork
        if trunk is None:
            network = GlobalNetwork(HintUNet(1, width, distribution=False), ab_scale)
            initialize(network, init_std)
        else:
            network = SteeredNetwork(create_backbone(trunk, "trunk"))
            network.begin(init_std)
        super().__init__(network)

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch to match the color statistics in ``guidance``, if present."""
        statistics = (guidance and guidance.statistics) or GlobalStatistics()
        return AbPrediction(ab=self.network(lightness, statistics))

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert ``global_model.caffemodel`` of the authors' demo; see `convert_global`."""
        named = _named(layers, "Global Hints", (_LIGHTNESS, *_BRANCH))
        kept = ("model", *(f"{name}." for name in (*_BRANCH, *_BRANCH_NORMS)))
        tensors = {key: value for key, value in named.items() if key.startswith(kept)}
        tensors["model1.0.weight"] = _LIGHTNESS_UNIT * named[f"{_LIGHTNESS}.weight"]
        tensors["model1.0.bias"] = named[f"{_LIGHTNESS}.bias"]
        return tensors, {"ab_scale": ab_scale_of(layers)}


def _numbered(found: re.Match[str]) -> str:
    """Return the name of a convolution or normalization in a block of alternating convolutions and ReLUs."""
    block, convolution, is_norm = int(found[1]), int(found[2]), found[3] is not None
    layer = 2 * (convolution - 1)
    if block >= 8:  # convolution 1 is the upsampling layer, and the block starts with a ReLU
        layer -= 1
    if is_norm:  # follows the ReLU after the convolution
        layer += 2
    return f"model{block}.{layer}."


_TRUNK: tuple[Pattern, ...] = (
    (r"conv(8|9|10)_1\.", r"model\1up.0."),
    (r"conv([123])_[23]_short\.", lambda m: f"model{m[1]}short{11 - int(m[1])}.0."),
    (r"conv10_ab\.", "model_out.0."),
    (r"conv(\d+)_([1-3])(norm)?\.", _numbered),
)


def _named(layers: CaffeLayers, network: str, required: Sequence[str]) -> dict[str, Tensor]:
    """Return all tensors, with trunk names from the authors' PyTorch checkpoint."""
    if missing := [name for name in required if name not in layers]:
        raise WeightsError(
            f"the Caffe file must contain a {network} network, but these layers are missing: "
            f"{', '.join(missing)}"
        )
    blobs = {
        f"{name}.{index}": torch.from_numpy(np.array(blob))
        for name, parts in layers.items()
        for index, blob in enumerate(parts)
    }
    named = rename_keys(name_caffe_blobs(blobs, "norm"), _TRUNK)
    for key, mean in list(named.items()):
        if key.endswith(".running_mean"):
            norm = key.removesuffix("running_mean")
            named |= {f"{norm}weight": torch.ones_like(mean), f"{norm}bias": torch.zeros_like(mean)}
            named[f"{norm}num_batches_tracked"] = torch.tensor(0)
    return named


def ab_scale_of(layers: CaffeLayers) -> float:
    """Return the factor that converts the output of the Caffe network to CIE units.

    If the file does not contain exactly one such factor, the result is 100.

    Args:
        layers: Output of `read_caffe`.
    """
    factors: set[float] = set()
    for blobs in layers.values():
        if len(blobs) == 1 and blobs[0].size <= 2:  # a scale layer for a and b
            factors.update(blobs[0].flatten().tolist())
    return factors.pop() if len(factors) == 1 else OUTPUT_SCALE
