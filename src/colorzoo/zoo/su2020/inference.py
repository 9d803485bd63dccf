"""The three networks of Su et al. 2020 for a process that only colors: no Lightning."""

from __future__ import annotations

from typing import cast

from torch import Tensor

from colorzoo.errors import GuidanceError
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, Start, settings_of
from colorzoo.tasks.stages import trained_lender
from colorzoo.weights import apply_weights
from colorzoo.zoo.su2020.boxes import Detector, TorchvisionDetector, detect
from colorzoo.zoo.su2020.extensions import InstanceExtensions, keep_trunk
from colorzoo.zoo.su2020.network import InstanceNetworks, PartsState
from colorzoo.zoo.su2020.published import NETWORKS, convert_published
from colorzoo.zoo.su2020.settings import InstanceArchitecture
from colorzoo.zoo.su2020.start import copy_trunk


class Answers(ColoringModel):
    """How the networks answer, whether they only color or are trained too.

    Attributes:
        detector: Looks for boxes where nobody gives them; any `Detector` may be put here.
        detector_file: The file that it is loaded from when it is first needed.
    """

    accepts = frozenset({"points", "boxes"})
    network: InstanceNetworks
    detector: Detector | None = None
    detector_file: str | None = None

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
        out = self.network(luma, *_given(luma, guidance))
        return AbPrediction(ab=out.ab, extras={"logits": out.logits})

    @property
    def detects(self) -> bool:
        """Whether there is a detector."""
        return self.detector is not None or self.detector_file is not None

    def find_boxes(self, luma: Tensor) -> Boxes:
        """Ask the detector where the things are; ``model.detector`` may be any `Detector`.

        Raises:
            GuidanceError: There is no detector.
        """
        if self.detector is None and self.detector_file is not None:
            self.detector = TorchvisionDetector.load(self.detector_file)
        if self.detector is None:
            raise GuidanceError(
                "su2020 needs to know where the things of the picture are: give boxes (--box "
                "X,Y,WIDTH,HEIGHT, or boxes in the recipe), a detector (the argument detector of the model, "
                "see its page), or --box none to color the picture as a whole."
            )
        return detect(luma, self.detector)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that an add-on may refine, after their fusion."""
        return self.network.full.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        return self.network.before_taps(luma, *_given(luma, guidance))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.after_taps(cast(PartsState, state), visit)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' three checkpoints, their keys below ``netGComp.``, ``netG.`` and ``netGF.``."""
        missing = [name for name in NETWORKS if not any(key.startswith(f"{name}.") for key in state_dict)]
        if missing:
            raise KeyError(
                f"nothing of {', '.join(missing)}; all three files are needed, in a folder or a state dict"
            )
        apply_weights(self, convert_published(state_dict), name="the published checkpoint", published=False)


class Su2020Inference(Answers, InferenceModel):
    """The networks, as `Su2020` answers.

    Args:
        architecture: The networks.
        extensions: What is not in the paper.
        detector: See `Su2020`.
    """

    def __init__(
        self,
        architecture: InstanceArchitecture = InstanceArchitecture(),
        extensions: InstanceExtensions = InstanceExtensions(),
        detector: str | None = None,
    ) -> None:
        architecture = settings_of(InstanceArchitecture, architecture)
        extensions = settings_of(InstanceExtensions, extensions)
        network = build_network(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions, detector=detector)
        self.detector_file = detector


def build_network(architecture: InstanceArchitecture, extensions: InstanceExtensions) -> InstanceNetworks:
    """Build the networks and draw their weights, or take those of the trunk."""
    network = InstanceNetworks(
        architecture.width,
        mask_center=architecture.mask_center,
        hint_attention=extensions.hint_attention,
        scene_blocks=extensions.scene_blocks,
    )
    initialize(network, architecture.init_std)
    if extensions.trunk is not None:
        trunk = trained_lender(Start(extensions.trunk), "trunk")
        copy_trunk(trunk.network, network, f"trunk={extensions.trunk!r}")
        keep_trunk(network)
    return network


def _given(luma: Tensor, guidance: Guidance | None) -> tuple[Points, Boxes | None]:
    points = guidance.points if guidance is not None else None
    boxes = guidance.boxes if guidance is not None else None
    return points if points is not None else Points.none(luma), boxes
