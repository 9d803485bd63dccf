"""Instance-aware Image Colorization (Su et al., CVPR 2020).

One network colorizes the whole image, and a second network colorizes each object in its bounding box. A third
network fuses the features of these networks. https://arxiv.org/abs/2005.10825
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, cast

import torch
from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.model import ColoringModel
from colorzoo.networks.feature_hooks import FeatureHook, HookState, Visit
from colorzoo.networks.hint_unet import HintUNet, initialize, points_of
from colorzoo.prediction import AbPrediction
from colorzoo.weights.load import apply_weights, load_state_dict_file
from colorzoo.zoo.su2020.extensions import InstanceExtensions, networks_from
from colorzoo.zoo.su2020.network import FusionState, InstanceArchitecture, InstanceNetworks
from colorzoo.zoo.su2020.published import NAMES, UNUSED

LEAST_SCORE, MOST = 0.7, 8
_LEAST_SIDE = 2.0  # pixels

Detector = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Function that maps gray RGB ``(3, H, W)`` in [0, 1] to boxes and scores.

Boxes are ``(K, 4)`` in pixels (left, top, right, bottom), and scores are ``(K,)`` in [0, 1].
"""


def torchvision_detector(path: str) -> Detector:
    """Load torchvision's Faster R-CNN as a `Detector`; the paper uses Mask R-CNN.

    Args:
        path: Path of a state dict of ``torchvision.models.detection.fasterrcnn_resnet50_fpn_v2``.

    Returns:
        Function that maps an image to boxes and scores.

    Raises:
        WeightsError: The file is missing or contains the weights of a different network.
    """
    from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2  # slow import

    model = fasterrcnn_resnet50_fpn_v2(weights_backbone=None).eval()
    apply_weights(model, load_state_dict_file(Path(path)), name=path, published=False)

    def detect(image: Tensor) -> tuple[Tensor, Tensor]:
        with torch.inference_mode():
            detections = model.to(image.device)([image])[0]
        return detections["boxes"], detections["scores"]

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
    weight_settings = ("mask_center",)
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
        if extensions.trunk is None:
            unets = [HintUNet(width=architecture.width) for _ in range(3)]
            network = InstanceNetworks(unets, architecture.mask_center)
            initialize(network, None)
        else:
            network = networks_from(extensions.trunk)
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
        """Return the `HookState` at the first layer that an add-on can modify."""
        return self.network.before_hooks(lightness, *_points_and_boxes(lightness, guidance))

    def after_hooks(self, state: HookState, visit: Visit) -> Tensor:
        """Compute ab ``(B, 2, H, W)`` in CIE units from a `HookState`."""
        return self.network.after_hooks(cast(FusionState, state), visit)


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
