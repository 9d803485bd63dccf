"""Real-Time User-Guided Image Colorization with Learned Deep Priors (SIGGRAPH 2017).

The U-Net of Zhang et al. predicts ab from lightness and any number of color points. A second head predicts a
distribution over the ab grid for palette suggestions. https://arxiv.org/abs/1705.02999
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from colorzoo.factory import create_backbone
from colorzoo.guidance import GlobalStatistics, Guidance
from colorzoo.model import ColoringModel
from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit
from colorzoo.networks.hint_unet import Detach, HintUNet, initialize, points_of
from colorzoo.prediction import AbPrediction
from colorzoo.settings import check_choice
from colorzoo.weights.readers.caffe import CaffeLayers
from colorzoo.zoo.zhang2017.extended_unet import ExtendedHintUNet, LocalExtensions, fold_rank_layers
from colorzoo.zoo.zhang2017.extensions import GlobalExtensions, SteeredNetwork
from colorzoo.zoo.zhang2017.network import (
    GlobalArchitecture,
    GlobalNetwork,
    LocalArchitecture,
    LocalHintsNetwork,
)
from colorzoo.zoo.zhang2017.published import GLOBAL_NAMES, NAMES, convert_global, convert_local

NARROW_SIZE = 176
"""Working size of narrow networks in pixels; these networks are trained on small crops."""


class LocalHints(ColoringModel):
    """Local Hints: colorization guided by color points.

    Args:
        architecture: Settings of the network.
        extensions: Settings of extensions that are not in the paper.
    """

    accepts = frozenset({"points"})
    weight_settings = ("mask_center", "ab_scale")
    feature_layers = tuple(f"network.unet.block{index}" for index in (1, 2, 3, 7))

    published_names = NAMES  # 107 keys of siggraph17-df00044c.pth
    network: LocalHintsNetwork

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        extensions: LocalExtensions = LocalExtensions(),
    ) -> None:
        unet = ExtendedHintUNet(architecture, extensions)
        network = LocalHintsNetwork(unet, architecture)
        initialize(network, architecture.init_std)
        if unet.scene is not None:
            unet.scene.reset_output()
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions
        if architecture.width < 1:
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

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """Feature maps that an add-on model can modify."""
        return self.network.unet.hooks

    def before_hooks(self, lightness: Tensor, guidance: Guidance | None) -> HookState:
        """Return the `HookState` at the first layer that an add-on can modify."""
        return self.network.before_hooks(lightness, points_of(guidance, lightness))

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Compute ab ``(B, 2, H, W)`` in CIE units from a `HookState`."""
        return self.network.after_hooks(state, visit)

    @classmethod
    def for_inference(cls, state_dict: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the weights for inference, with rank layers folded into the next layer.

        Rank layers are linear 1 x 1 layers; see `LocalExtensions`.

        Args:
            state_dict: State dict of a checkpoint or weight file.
        """
        return fold_rank_layers(super().for_inference(state_dict))

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert ``model.caffemodel`` of the authors' interactive demo; see `convert_local`."""
        return convert_local(layers)


class GlobalHints(ColoringModel):
    """Global Hints: colorization guided by a color histogram, a mean saturation or both.

    Args:
        architecture: Settings of the network.
        extensions: Settings of extensions that are not in the paper.
    """

    accepts = frozenset({"statistics"})
    weight_settings = ("ab_scale",)
    feature_layers = tuple(f"network.unet.block{index}" for index in (1, 2, 3, 7))

    published_names = GLOBAL_NAMES  # 135 keys that `colorzoo weights convert` creates from the Caffe files
    network: GlobalNetwork

    def __init__(
        self,
        architecture: GlobalArchitecture = GlobalArchitecture(),
        extensions: GlobalExtensions = GlobalExtensions(),
    ) -> None:
        network: GlobalNetwork
        if extensions.trunk is None:
            unet = HintUNet(1, architecture.width, distribution=False)
            network = GlobalNetwork(unet, architecture.ab_scale)
            initialize(network, architecture.init_std)
        else:
            network = SteeredNetwork(create_backbone(extensions.trunk, "trunk"))
            network.begin(architecture.init_std)
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch to match the color statistics in ``guidance``, if present."""
        statistics = (guidance and guidance.statistics) or GlobalStatistics()
        return AbPrediction(ab=self.network(lightness, statistics))

    @classmethod
    def convert_caffe(cls, layers: CaffeLayers) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Convert ``global_model.caffemodel`` of the authors' demo; see `convert_global`."""
        return convert_global(layers)
