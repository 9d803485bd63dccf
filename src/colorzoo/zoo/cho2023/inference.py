"""GuidingPainter for a process that only colors: divided, asked and painted, no Lightning."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn

from colorzoo.card import InputKind, OutputKind
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Regions
from colorzoo.networks.taps import Tap, TapState, Visit, unchanged
from colorzoo.networks.unet import initialize_gan
from colorzoo.tasks import ColoringModel, InferenceModel, RgbPrediction, settings_of
from colorzoo.tasks.coloring import without_discriminator
from colorzoo.weights import apply_weights
from colorzoo.zoo.cho2023.extensions import Extensions
from colorzoo.zoo.cho2023.hints import gumbel_noise, look_up_hints, one_hot
from colorzoo.zoo.cho2023.network import SEGMENTS, GuidingPainterNetwork
from colorzoo.zoo.cho2023.pieces import cut_segments
from colorzoo.zoo.cho2023.published import convert_published
from colorzoo.zoo.cho2023.settings import Architecture


class Answers(ColoringModel):
    """How f and g answer, whether they only color or are trained too."""

    accepts = frozenset({"regions"})
    input_kind: InputKind = "sketch"
    output_kind: OutputKind = "rgb"
    network: GuidingPainterNetwork
    extensions: Extensions

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> RgbPrediction:
        """Paint sketches ``(B, 1, H, W)`` in [0, 1]; f runs only where no regions are given.

        Raises:
            GuidanceError: More than 30 regions, or colors outside [0, 1].
        """
        return RgbPrediction(rgb=self.after_taps(self.before_taps(luma, guidance), unchanged))

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps of g that an add-on may refine."""
        return self.network.colorizer.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        regions = guidance.regions if guidance is not None else None
        if regions is None:
            regions = self._without_colors(self.network.divide(luma))
        regions = _all_segments(regions)
        hints = look_up_hints(regions.index, 2 * regions.rgb - 1, regions.given)
        segments = regions.index if regions.segments is None else regions.segments
        maps = self.network.before_taps(luma, hints, one_hot(segments, SEGMENTS))
        return TapState(maps, (luma.shape[-2], luma.shape[-1]))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return (self.network.after_taps(state.maps, visit) + 1) / 2

    def propose(self, luma: Tensor, generator: torch.Generator | None = None) -> Regions:
        """Return the regions of sketches ``(B, 1, H, W)`` in [0, 1], none colored, the most wanted first.

        Args:
            luma: The sketches.
            generator: Source of Gumbel noise (tau 0.1), for other proposals; by default each pixel belongs to
                its most likely region.
        """
        with torch.autocast(luma.device.type, enabled=False):  # rounding must not move pixels between regions
            logits = self.network.divide(luma.float())
        if generator is not None:
            noise = torch.cat([gumbel_noise([generator], _shape(one)) for one in logits])
            logits = logits + noise.to(logits)
        regions = self._without_colors(logits)
        if not self.extensions.pieces:
            return regions
        index = cut_segments(regions.index, luma, SEGMENTS, self.extensions.needs)
        return replace(regions, index=index, segments=regions.index)

    def _without_colors(self, logits: Tensor) -> Regions:
        colors = torch.full((len(logits), SEGMENTS, 3), 0.5, device=logits.device)
        return Regions(logits.argmax(1, keepdim=True), colors, torch.zeros_like(colors[..., 0]))


class Cho2023Inference(Answers, InferenceModel):
    """f and g, as `Cho2023` answers.

    Args:
        architecture: The networks.
        extensions: What is not in the paper.
    """

    def __init__(
        self, architecture: Architecture = Architecture(), extensions: Extensions = Extensions()
    ) -> None:
        architecture = settings_of(Architecture, architecture)
        extensions = settings_of(Extensions, extensions)
        network = build_network(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions)
        self.extensions = extensions

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the networks' part of a checkpoint of the published code."""
        ours = without_discriminator(convert_published(state_dict))
        apply_weights(self, ours, name="the published checkpoint", published=False)


def build_network(architecture: Architecture, extensions: Extensions) -> GuidingPainterNetwork:
    """Build f and g and draw their weights."""
    network = GuidingPainterNetwork(
        architecture.width,
        architecture.segmenter_width,
        extensions.segmenter_side,
        hint_residual=extensions.hint_residual,
    )
    initialize_gan(network)
    return network


def _shape(logits: Tensor) -> tuple[int, int, int]:
    segments, height, width = logits.shape
    return segments, height, width


def _all_segments(regions: Regions) -> Regions:
    """Return regions with 30 colors, the missing ones not given."""
    missing = SEGMENTS - regions.rgb.shape[1]
    if missing < 0:
        raise GuidanceError(f"at most {SEGMENTS} regions can be colored, got {regions.rgb.shape[1]} colors.")
    if not torch.compiler.is_compiling():
        low, high = regions.rgb.aminmax()
        if not 0 <= low <= high <= 1:
            raise GuidanceError(f"colors of regions must lie in [0, 1], got {low:g} .. {high:g}.")
    pad = nn.functional.pad
    return replace(regions, rgb=pad(regions.rgb, (0, 0, 0, missing)), given=pad(regions.given, (0, missing)))
