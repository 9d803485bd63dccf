"""Instance-aware Image Colorization (Su et al., CVPR 2020).

One network colorizes the whole image, and a second network colorizes each object in its bounding box. A third
network fuses the features of these networks. https://arxiv.org/abs/2005.10825
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

import torch
from torch import Tensor, nn

from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.factory import create_backbone
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit
from colorzoo.networks.hint_extensions import initialize_extended
from colorzoo.networks.hint_unet import fitting_unet, points_of
from colorzoo.networks.shared_weights import borrow
from colorzoo.prediction import AbPrediction
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Width
from colorzoo.simulation.points import PointSimulation, simulate_points
from colorzoo.weights.load import apply_weights, load_state_dict_file
from colorzoo.zoo.su2020.network import FusionState, InstanceNetworks
from colorzoo.zoo.su2020.published import NAMES, UNUSED

if TYPE_CHECKING:
    from colorzoo.data.dataset import Batch

_ENCODER = (*(f"block{index}." for index in range(1, 8)), "scene.")
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # trained in the third stage together with the fusion layers


@dataclass(frozen=True)
class InstanceExtensions:
    """Extensions of `su2020_small` that are not in the paper.

    Attributes:
        hint_attention: Whether to add an attention layer for hint colors; see `ExtendedHintUNet`.
        scene_blocks: Number of ConvNeXt blocks at stride 16; see `ExtendedHintUNet`.
        trunk: Name of a Local Hints model (Zhang et al. 2017) that provides the weights of all three
            networks; requires `keep_trunk`.
        keep_trunk: Whether to freeze the weights from ``trunk`` and omit them from weight files. The decoder
            of the instance network and the last layers of the fusion network remain trainable. Requires
            `trunk`.
        random_boxes: Number of random boxes for training images without boxes; 0 uses the whole image as the
            only box.
        colorfulness: Factor c in the loss weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        hints: Fraction of the training images with simulated color points.
    """

    hint_attention: bool = False
    scene_blocks: NonNegativeInt = 0
    trunk: str | None = None
    keep_trunk: bool = False
    random_boxes: NonNegativeInt = 0
    colorfulness: NonNegativeFloat = 0.0
    hints: Fraction = 0.0

    def __post_init__(self) -> None:
        """Check that `trunk` and `keep_trunk` are set together.

        Raises:
            ColorzooError: Only one of `trunk` and `keep_trunk` is set.
        """
        if self.keep_trunk and self.trunk is None:
            raise ColorzooError(
                "--model.extensions.keep_trunk requires --model.extensions.trunk. Set "
                "--model.extensions.trunk to a Local Hints model, or remove --model.extensions.keep_trunk."
            )
        if self.trunk is not None and not self.keep_trunk:
            raise ColorzooError(
                "--model.extensions.trunk requires --model.extensions.keep_trunk. Set "
                "--model.extensions.keep_trunk true. To train all layers, replace --model.extensions.trunk "
                "with --model.start."
            )


def keep_trunk(network: InstanceNetworks) -> None:
    """Exclude the weights of a Local Hints model from training and weight files.

    The decoder of the instance network, the last layers of the fusion network and the fusion layers remain
    trainable.

    Args:
        network: Networks whose weights were copied from the Local Hints model; see `copy_trunk`.
    """
    borrow(network, [key for key in network.state_dict() if not _own(key)])


def _own(key: str) -> bool:
    """Return whether a weight belongs to the instance decoder or the fusion layers."""
    part, _, name = key.partition(".")
    own = {
        "full": False,
        "instance": not name.startswith((*_ENCODER, _HEAD)),
        "fusion": name.startswith(_FUSED_END),
        "layers": True,
    }
    return own[part]


def training_points(extensions: InstanceExtensions, ab: Tensor, batch: Batch) -> Points:
    """Sample points with the true colors for a training batch.

    Args:
        extensions: Extensions, which define the fraction of images with points.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
        batch: Training batch, which contains a random seed for each image.
    """
    simulation = PointSimulation(none=1 - extensions.hints)
    return simulate_points(ab, image_generators(batch["seed"], "points"), simulation)


LEAST_SCORE, MOST = 0.7, 8
_LEAST_SIDE = 2.0  # pixels

Detector = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function that maps gray RGB ``(3, H, W)`` in [0, 1] to boxes and scores.

Boxes are ``(K, 4)`` in pixels (left, top, right, bottom), and scores are ``(K,)`` in [0, 1].
"""


@dataclass(frozen=True)
class InstanceArchitecture:
    """Settings of the full-image, instance and fusion networks.

    Attributes:
        width: Multiplier for every channel count; 1.0 matches the published network.
        mask_center: Value that is subtracted from the hint mask in the network input; the published weights
            require 0.5.
        init_std: Standard deviation of the initial weights; None selects He initialization.
    """

    width: Width = 1.0
    mask_center: float = 0.5
    init_std: float | None = None


def torchvision_detector(path: str) -> Detector:
    """Load torchvision's Faster R-CNN as a `Detector`; the paper uses Mask R-CNN.

    Args:
        path: Path of a state dict of ``torchvision.models.detection.fasterrcnn_resnet50_fpn_v2``.

    Returns:
        Function that maps an image to boxes and scores.

    Raises:
        WeightsError: The file is missing or contains the weights of a different network.
    """
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

    model = fasterrcnn_resnet50_fpn_v2(weights_backbone=None).eval()
    apply_weights(model, load_state_dict_file(Path(path)), name=path, published=False)

    def detect(image: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            found = model([image])[0]
        return found["boxes"], found["scores"]

    return detect


class InstanceColorization(ColoringModel):
    """Colorization of an image and each object, guided by boxes and color points.

    Attributes:
        detector: Function that detects objects; None before the first detection or without a detector.
        detector_file: Weight file of the detector, loaded at the first detection; None without a detector.

    Args:
        architecture: Settings of the networks.
        extensions: Settings of extensions that are not in the paper.
        detector: State dict file of torchvision's ``fasterrcnn_resnet50_fpn_v2``, which detects objects if
            the user does not specify boxes. None disables the detection.
    """

    accepts = frozenset({"points", "boxes"})
    published_names, published_unused = NAMES, UNUSED
    published_files: ClassVar[Mapping[str, str]] = {
        "latest_net_GComp.pth": "netGComp",
        "latest_net_G.pth": "netG",
        "latest_net_GF.pth": "netGF",
    }
    feature_layers = (
        "network.full.block1",
        "network.full.block2",
        "network.full.block3",
        "network.full.block7",
    )
    network: InstanceNetworks

    def __init__(
        self,
        architecture: InstanceArchitecture = InstanceArchitecture(),
        extensions: InstanceExtensions = InstanceExtensions(),
        detector: str | None = None,
    ) -> None:
        network = InstanceNetworks(
            architecture.width,
            mask_center=architecture.mask_center,
            hint_attention=extensions.hint_attention,
            scene_blocks=extensions.scene_blocks,
        )
        initialize_extended(network, architecture.init_std)
        if extensions.trunk is not None:
            trunk = create_backbone(extensions.trunk, "trunk")
            copy_trunk(trunk.network, network, f"trunk={extensions.trunk!r}")
            keep_trunk(network)
        super().__init__(network)
        self.architecture = architecture
        self.extensions = extensions
        self.detector_file = detector
        self.detector: Detector | None = None

    def forward(self, lightness: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Colorize a batch; the fusion network is used for images with boxes.

        ``extras["logits"]`` contains logits ``(B, 529, ceil(H/4), ceil(W/4))`` over the bins of the ab grid.
        """
        out = self.network(lightness, *_points_and_boxes(lightness, guidance))
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    @property
    def detects(self) -> bool:
        """Whether an object detector is configured."""
        return self.detector is not None or self.detector_file is not None

    def find_boxes(self, lightness: Tensor) -> Boxes:
        """Detect objects in images and return their bounding boxes.

        Args:
            lightness: ``(B, 1, H, W)`` in [0, 100].

        Raises:
            GuidanceError: The model has no detector.
        """
        if self.detector is None and self.detector_file is not None:
            self.detector = torchvision_detector(self.detector_file)
        if self.detector is None:
            raise GuidanceError(
                "su2020 requires bounding boxes. Set `--box X,Y,WIDTH,HEIGHT`, add boxes to the recipe, or "
                "set the model argument `detector` (Python) to a weight file. To use the full-image network "
                "only, set `--box none`."
            )
        return detect(lightness, self.detector)

    @property
    def hooks(self) -> tuple[FeatureHook, ...]:
        """Fused feature maps that an add-on model can modify."""
        return self.network.full.hooks

    def before_hooks(self, lightness: Tensor, guidance: Guidance | None) -> HookState:
        """Return the `HookState` at the first layer that an add-on can modify; see `HookedModel`."""
        return self.network.before_hooks(lightness, *_points_and_boxes(lightness, guidance))

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Compute ab ``(B, 2, H, W)`` in CIE units from a `HookState`; see `HookedModel`."""
        return self.network.after_hooks(cast(FusionState, state), visit)


def copy_trunk(source: nn.Module, network: InstanceNetworks, purpose: str) -> None:
    """Copy the weights of a Local Hints network to all three networks.

    Args:
        source: Local Hints network with the U-Net in the attribute ``unet``.
        network: Target networks.
        purpose: Option name for error messages, such as ``"--model.start"``.

    Raises:
        ColorzooError: The source is not a Local Hints network, or its weight shapes, ``mask_center`` or
            ``ab_scale`` differ.
    """
    state = fitting_unet(source, network.full, mask_center=network.mask_center, purpose=purpose)
    for unet in (network.full, network.instance, network.fusion):
        unet.load_state_dict(state)


def detect(lightness: Tensor, detector: Detector) -> Boxes:
    """Return the boxes of at most 8 objects per image, with detector scores of at least 0.7.

    Boxes are sorted by descending score. Boxes with a side below 2 pixels are dropped.

    Args:
        lightness: ``(B, 1, H, W)`` in [0, 100].
        detector: Function that detects objects, called once per image.
    """
    height, width = lightness.shape[-2:]
    scale = torch.tensor([width, height, width, height])
    kept = []
    for gray in lightness:
        boxes, scores = (each.detach().float().cpu() for each in detector((gray / 100).expand(3, -1, -1)))
        sides = boxes[:, 2:] - boxes[:, :2]
        sure = (scores >= LEAST_SCORE) & (sides >= _LEAST_SIDE).all(dim=1)
        order = scores[sure].argsort(descending=True)[:MOST]
        kept.append((boxes[sure][order] / scale).clamp(0, 1))
    return Boxes.of(kept).to(lightness.device)


def _points_and_boxes(lightness: Tensor, guidance: Guidance | None) -> tuple[Points, Boxes | None]:
    return points_of(guidance, lightness), None if guidance is None else guidance.boxes
