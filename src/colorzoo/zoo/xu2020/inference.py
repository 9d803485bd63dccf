"""Exemplar colorization by stylization for a process that only colors: no Lightning."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from torch import Tensor

from colorzoo.guidance import Guidance, Points
from colorzoo.networks.fingerprint import fingerprint
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import AbPrediction, ColoringModel, InferenceModel, settings_of
from colorzoo.weights import apply_weights
from colorzoo.zoo.xu2020.backbone import backbone_weights, stand_on
from colorzoo.zoo.xu2020.extensions import ExemplarExtensions
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.published import convert_published
from colorzoo.zoo.xu2020.settings import ExemplarArchitecture
from colorzoo.zoo.xu2020.transforms import TRANSFORMS, TransformName, by_label


class Answers(ColoringModel):
    """How the sub-nets answer, whether they only color or are trained too."""

    accepts = frozenset({"exemplar", "points"})
    network: ExemplarNetwork
    extensions: ExemplarExtensions

    def look(self, rgb: Tensor) -> Tensor:
        """Return all that a reference ``(B, 3, H, W)`` gives, ``(B, 2, C)``: means and deviations."""
        return self.network.look(rgb)

    def look_key(self) -> str:
        """Return a hash of the weights that looks depend on."""
        return fingerprint(self.network.transfer)

    def features(self, rgb: Tensor) -> Tensor:
        """Return relu3_1 of the encoder, ``(B, 256w, H/4, W/4)``, of a picture in multiples of 8."""
        return self.network.transfer.style_maps(rgb)["encoder3"]

    @torch.no_grad()
    def stylize(
        self,
        content: Tensor,
        style: Tensor,
        *,
        transform: TransformName = "adain",
        alpha: float = 1.0,
        labels: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Give a picture in color the colors of another one: the transfer sub-net alone.

        Args:
            content: ``(B, 3, H, W)`` in [0, 1].
            style: ``(B, 3, H', W')`` in [0, 1].
            transform: ``adain`` matches means and deviations, ``wct`` covariances too.
            alpha: How far to go, 0 to 1.
            labels: Integer maps ``(H, W)`` and ``(H', W')``: statistics go from each label to the same label.
                Only for a batch of one.

        Returns:
            ``(B, 3, H, W)`` in [0, 1].
        """
        function = TRANSFORMS[transform]
        if labels is not None:
            function = partial(by_label, function, labels=labels)
        adapt = self.network.adapt_maps(style, function, alpha)
        rgb: Tensor = self.network.transfer(content, adapt)
        return rgb.clamp(0, 1)

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> AbPrediction:
        """Color a batch; without a reference automatically.

        ``extras`` hold the ``"logits"`` of the last pass, and with a reference the ab of the earlier steps,
        ``"automatic"`` and ``"transferred"``.
        """
        guidance = guidance or Guidance()
        if guidance.exemplar is None:
            ab, logits = self.network.color(luma, guidance.points or Points.none(luma))
            return AbPrediction(ab=ab, extras={"logits": logits})
        exemplar = guidance.exemplar
        look = exemplar.look_by(self.look)
        out = self.network(luma, look, points=guidance.points, alpha=exemplar.alpha)
        extras = {"logits": out.logits, "automatic": out.automatic, "transferred": out.transferred}
        return AbPrediction(ab=out.ab, extras=extras)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps of the colorization sub-net that an add-on may refine, in its last pass."""
        return self.network.color.unet.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        guidance = guidance or Guidance()
        hints, exemplar = guidance.points, guidance.exemplar
        if exemplar is not None:
            look = exemplar.look_by(self.look)
            *_, hints = self.network.looked_up(luma, look, points=hints, alpha=exemplar.alpha)
        return self.network.color.before_taps(luma, hints or Points.none(luma))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.color.after_taps(state, visit)

    def borrowed_weights(self) -> Mapping[str, Tensor]:
        """Return the weights of the backbone, which files leave out."""
        backbone = self.extensions.backbone
        return {} if backbone is None else backbone_weights(backbone)

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load a checkpoint of the authors' encoder, decoder or colorization net, told by its keys.

        None of them is published; these are the keys of the authors' code.
        """
        ours = {**self.state_dict(), **convert_published(state_dict)}
        apply_weights(self, ours, name="the published checkpoint", published=False)


class Xu2020Inference(Answers, InferenceModel):
    """Exemplar colorization by stylization, as `Xu2020` answers.

    Args:
        architecture: The sub-nets.
        extensions: What is not in the paper.
    """

    def __init__(
        self,
        architecture: ExemplarArchitecture = ExemplarArchitecture(),
        extensions: ExemplarExtensions = ExemplarExtensions(),
    ) -> None:
        architecture = settings_of(ExemplarArchitecture, architecture)
        extensions = settings_of(ExemplarExtensions, extensions)
        network = build_network(architecture, extensions)
        super().__init__(network, architecture=architecture, extensions=extensions)
        self.extensions = extensions


def build_network(architecture: ExemplarArchitecture, extensions: ExemplarExtensions) -> ExemplarNetwork:
    """Build both sub-nets and draw their weights, or take those of the backbone."""
    color_width = extensions.color_width
    network = ExemplarNetwork(
        architecture.width,
        architecture.width if color_width is None else color_width,
        hint_attention=extensions.hint_attention,
        scene_blocks=extensions.scene_blocks,
        places=architecture.places,
        hints=architecture.hints,
        hint_grid=architecture.hint_grid,
        hint_patch=architecture.hint_patch,
        transfer_error=extensions.transfer_error,
    )
    initialize(network, None)
    network.transfer.encoder.normalize_imagenet()
    on_meta = next(network.parameters()).is_meta  # where only shapes are wanted
    if extensions.backbone is not None and not on_meta:
        stand_on(extensions.backbone, network.color)
    return network
