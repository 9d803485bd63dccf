"""The networks of Zhang et al. 2017 for a process that only colors: built, loaded and asked, no Lightning."""

from __future__ import annotations

from torch import Tensor

from colorzoo.guidance import GlobalStatistics, Guidance, Points
from colorzoo.networks.hint_memory import HintMemory
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, Start, settings_of
from colorzoo.tasks.prediction import DeferredMaps
from colorzoo.tasks.stages import trained_lender
from colorzoo.weights import apply_weights
from colorzoo.zoo.zhang2017.extensions import GlobalExtensions, LocalExtensions
from colorzoo.zoo.zhang2017.global_network import GlobalHintsNetwork, GlobalNetwork
from colorzoo.zoo.zhang2017.network import LocalHintsNetwork
from colorzoo.zoo.zhang2017.published import convert_published, convert_published_global
from colorzoo.zoo.zhang2017.settings import GlobalArchitecture, LocalArchitecture
from colorzoo.zoo.zhang2017.steered import SteeredNetwork


class LocalAnswers(ColoringModel):
    """How the Local Hints network answers, whether it only colors or is trained too."""

    accepts = frozenset({"points"})
    network: LocalHintsNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
        return color_by_points(self.network, luma, guidance)

    def remember(self) -> HintMemory:
        """Return an empty memory for `edit`; see `Edits`."""
        return HintMemory(self.network.unet)

    def edit(self, luma: Tensor, guidance: Guidance, memory: HintMemory) -> AbPrediction:
        """Color a picture of which other points were seen before; see `Edits`."""
        return edit_points(self.network, luma, guidance, memory)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that an add-on may refine."""
        return self.network.unet.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        points = guidance.points if guidance is not None else None
        return self.network.before_taps(luma, points if points is not None else Points.none(luma))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.after_taps(state, visit)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load ``siggraph17-df00044c.pth`` or a checkpoint with the same 107 keys."""
        ours = convert_published(state_dict)
        apply_weights(self, ours, name="the published checkpoint", published=False)


class LocalInference(LocalAnswers, InferenceModel):
    """Local Hints, as `Zhang2017Local` answers.

    Args:
        architecture: The network.
        extensions: What is not in the paper.
    """

    def __init__(
        self,
        architecture: LocalArchitecture = LocalArchitecture(),
        extensions: LocalExtensions = LocalExtensions(),
    ) -> None:
        architecture = settings_of(LocalArchitecture, architecture)
        extensions = settings_of(LocalExtensions, extensions)
        network = build_local(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions)


class GlobalAnswers(ColoringModel):
    """How the Global Hints network answers, whether it only colors or is trained too."""

    accepts = frozenset({"statistics"})
    network: GlobalNetwork

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch."""
        statistics = guidance.statistics if guidance is not None else None
        return AbPrediction(ab=self.network(luma, statistics or GlobalStatistics()))

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that an add-on may refine."""
        return self.network.unet.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        statistics = guidance.statistics if guidance is not None else None
        return self.network.before_taps(luma, statistics or GlobalStatistics())

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.after_taps(state, visit)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the 135 keys that ``colorzoo weights convert`` reads from the authors' Caffe files."""
        ours = convert_published_global(state_dict)
        apply_weights(self, ours, name="the published checkpoint", published=False)


class GlobalInference(GlobalAnswers, InferenceModel):
    """Global Hints, as `Zhang2017Global` answers.

    Args:
        architecture: The network.
        extensions: What is not in the paper.
    """

    def __init__(
        self,
        architecture: GlobalArchitecture = GlobalArchitecture(),
        extensions: GlobalExtensions = GlobalExtensions(),
    ) -> None:
        architecture = settings_of(GlobalArchitecture, architecture)
        extensions = settings_of(GlobalExtensions, extensions)
        network = build_global(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions)


def build_local(architecture: LocalArchitecture, extensions: LocalExtensions) -> LocalHintsNetwork:
    """Build the network with its extensions and draw its weights."""
    network = LocalHintsNetwork(
        architecture.width,
        mask_center=architecture.mask_center,
        hint_attention=extensions.hint_attention,
        channel_attention=extensions.channel_attention,
        rank_layers=extensions.rank_layers,
        scene_blocks=extensions.scene_blocks,
        hypercolumn=architecture.hypercolumn,
        ab_scale=architecture.ab_scale,
    )
    initialize(network, architecture.init_std)
    return network


def build_global(architecture: GlobalArchitecture, extensions: GlobalExtensions) -> GlobalNetwork:
    """Build U-Net and branch and draw their weights, but for those of a borrowed trunk."""
    if extensions.trunk is not None:
        steered = SteeredNetwork(trained_lender(Start(extensions.trunk), "trunk"))
        steered.begin(architecture.init_std)
        return steered
    network = GlobalHintsNetwork(architecture.width, ab_scale=architecture.ab_scale)
    initialize(network, architecture.init_std)
    return network


def color_by_points(network: LocalHintsNetwork, luma: Tensor, guidance: Guidance | None) -> AbPrediction:
    """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
    points = guidance.points if guidance is not None else None
    out = network(luma, points if points is not None else Points.none(luma))
    return AbPrediction(ab=out.ab, extras={"logits": out.logits})


def edit_points(
    network: LocalHintsNetwork, luma: Tensor, guidance: Guidance, memory: HintMemory
) -> AbPrediction:
    """Color a picture; the distribution is computed where somebody asks for it: a pad seldom does."""
    points = guidance.points
    ab, encoded = network.edit(luma, points if points is not None else Points.none(luma), memory)
    size, trunk = (int(luma.shape[2]), int(luma.shape[3])), encoded.trunk
    if network.hypercolumn is not None:  # reads maps that the next edit changes
        return AbPrediction(ab=ab, extras={"logits": network.distribution(trunk, encoded.maps, size)})
    logits = DeferredMaps({"logits": lambda: network.distribution(trunk, (), size)}, trunk.nbytes)
    return AbPrediction(ab=ab, extras=logits)
