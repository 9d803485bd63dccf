"""Stylization-Based Architecture for Fast Deep Exemplar Colorization (Xu et al., CVPR 2020).

A transfer sub-net gives a pre-colored picture the feature statistics of a reference; samples of its
chrominance are hints for a colorization sub-net. https://openaccess.thecvf.com (CVPR 2020, pages 9363-9372)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from colorzoo.color import lab_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.data.references import crop_flip_reference
from colorzoo.draws import picture_generators, uniform_draws
from colorzoo.guidance import Exemplar, Guidance, Points, PointSimulation, simulate_points
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import Prediction, SingleOptimizerModule
from colorzoo.tasks.optimizers import Schedule
from colorzoo.weights import apply_weights
from colorzoo.zoo.xu2020.backbone import backbone_weights, drop_backbone
from colorzoo.zoo.xu2020.color import Hints, grid_hints
from colorzoo.zoo.xu2020.losses import masked_huber, reconstruction_losses
from colorzoo.zoo.xu2020.network import ExemplarNetwork
from colorzoo.zoo.xu2020.published import convert_published
from colorzoo.zoo.xu2020.transfer import PLACE_SETS
from colorzoo.zoo.xu2020.transforms import TRANSFORMS, TransformName, by_label

Stage = Literal["encoder", "decoder", "color", "exposure"]
"""What trains: both halves of the transfer sub-net together (ours, where no VGG-19 can be had), its decoder
alone, the colorization sub-net, or the decoder of that on transferred hints (ours)."""

_TRAINS = {
    "encoder": ("transfer.",),
    "decoder": ("transfer.decoder.",),
    "color": ("color.",),
    "exposure": tuple(
        f"color.unet.{name}"
        for name in (
            *("up8.", "skip3.", "block8.", "attention.", "inject.", "up9.", "skip2.", "block9."),
            *("up10.", "skip1.", "block10.", "ab_head."),
        )
    ),
}
_UNUSED = "color.unet.class_head."  # the paper's loss does not reach it
_WRONG_SHARE, _WRONG_SHIFT = 0.3, 30.0  # of contents whose true colors were moved, by CIE units at most
_REFERENCE_AREA = (0.3, 1.0)  # share of the picture that a reference made from it shows


class Xu2020(SingleOptimizerModule):
    """Exemplar colorization by stylization.

    Args:
        width: Multiplier of the channel counts of the transfer sub-net; 1.0 is the published network.
        color_width: Multiplier of those of the colorization sub-net; None takes the same.
        hint_attention: See `HintUNet` (not in the paper).
        backbone: Name of a registered Local Hints model whose weights the colorization sub-net starts with;
            weight files hold only what differs from it. None starts from random weights.
        places: Sets of places at which moments are matched (figure 5 of the paper).
        hints: How transferred colors become hints: a ``grid`` of patches, ``dense``, or ``random`` as in
            training.
        hint_grid: Cells of the grid along each side.
        hint_patch: Side of a patch in pixels of a picture of 256.
        transfer_error: Deviation of a good transfer, in CIE units: with it transferred colors count less
            where the network is surer, and the more they contradict it (not in the paper, which is None).
        stage: What is trained, see `Stage`.
        image_weight: Weight of the squared error of the picture in training the decoder.
        perceptual_weight: Weight of that of relu4_1.
        hint_weight: lambda of the masked Huber loss.
        delta: Its delta, of ab over 110.
        stop_probability: See `PointSimulation`; 1/8 in the paper.
        none_share: Share of the pictures with the paper's points that get none of them instead.
        grid_share: Share of training pictures whose hints are the grid of inference, with true colors.
        transferred_share: Share whose hints are the grid with transferred colors, from references that are
            related, unrelated, or between.
        lr: Largest learning rate.
        betas: Decays of Adam's moments.
        weight_decay: Decoupled weight decay.
        schedule: How the rate moves.
        warmup_steps: Steps of linear rise.
        milestones: Steps at which ``multistep`` divides the rate by ten.
    """

    accepts = frozenset({"exemplar", "points"})
    recorded_hparams = ("width", "color_width", "hint_attention", "backbone")
    network: ExemplarNetwork

    def __init__(
        self,
        width: float = 1.0,
        color_width: float | None = None,
        hint_attention: bool = False,
        backbone: str | None = None,
        places: Sequence[str] = PLACE_SETS,
        hints: Hints = "grid",
        hint_grid: int = 8,
        hint_patch: int = 5,
        transfer_error: float | None = None,
        stage: Stage = "color",
        image_weight: float = 0.8,
        perceptual_weight: float = 0.2,
        hint_weight: float = 10.0,
        delta: float = 1.0,
        stop_probability: float = 1 / 8,
        none_share: float = 0.0,
        grid_share: float = 0.0,
        transferred_share: float = 0.0,
        lr: float = 1e-5,
        betas: Sequence[float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        milestones: Sequence[int] = (),
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build both sub-nets; what the stage does not train is frozen."""
        hp: Any = self.hparams
        self.network = ExemplarNetwork(
            hp.width,
            hp.width if hp.color_width is None else hp.color_width,
            hint_attention=hp.hint_attention,
            places=tuple(hp.places),
            hints=hp.hints,
            hint_grid=hp.hint_grid,
            hint_patch=hp.hint_patch,
            transfer_error=hp.transfer_error,
        )
        initialize(self.network, None)
        self.network.transfer.encoder.normalize_imagenet()
        on_meta = next(self.network.parameters()).is_meta  # where only shapes are wanted
        if hp.backbone is not None and not on_meta:
            self.network.color.load_state_dict(backbone_weights(hp.backbone))
        for name, parameter in self.network.named_parameters():
            trained = name.startswith(_TRAINS[hp.stage]) and not name.startswith(_UNUSED)
            parameter.requires_grad_(trained)

    def keep_still(self) -> None:
        """Keep whatever the stage leaves alone in evaluation mode."""
        for module in self.network.modules():
            parameters = list(module.parameters(recurse=False))
            if parameters and not any(parameter.requires_grad for parameter in parameters):
                module.eval()

    def look(self, rgb: Tensor) -> Tensor:
        """Return all that a reference ``(B, 3, H, W)`` gives, ``(B, 2, C)``: means and deviations."""
        return self.network.look(rgb)

    def look_key(self) -> str:
        """Return a hash of the weights that looks depend on."""
        return self.network.transfer.fingerprint()

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

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; without a reference automatically.

        ``extras`` hold the ``"logits"`` of the last pass, and with a reference the ab of the earlier stages,
        ``"automatic"`` and ``"transferred"``.
        """
        guidance = guidance or Guidance()
        if guidance.exemplar is None:
            ab, logits = self.network.color(luma, guidance.points or Points.none(luma))
            return Prediction(ab=ab, extras={"logits": logits})
        exemplar = guidance.exemplar
        look = self.look(exemplar.rgb) if exemplar.look is None else exemplar.look
        stages = self.network(luma, look, points=guidance.points, alpha=exemplar.alpha)
        extras = {
            "logits": stages.logits,
            "automatic": stages.automatic,
            "transferred": stages.transferred,
        }
        return Prediction(ab=stages.ab, extras=extras)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps of the colorization sub-net that an add-on may refine, in its last pass."""
        return self.network.color.unet.taps

    def before_taps(self, luma: Tensor, guidance: Guidance | None) -> TapState:
        """Run the model up to its first tap; see `TappedModel`."""
        guidance = guidance or Guidance()
        hints, exemplar = guidance.points, guidance.exemplar
        if exemplar is not None:
            look = self.look(exemplar.rgb) if exemplar.look is None else exemplar.look
            *_, hints = self.network.looked_up(luma, look, points=hints, alpha=exemplar.alpha)
        return self.network.color.before_taps(luma, hints or Points.none(luma))

    def after_taps(self, state: TapState, visit: Visit) -> Tensor:
        """Finish from the first tap; see `TappedModel`."""
        return self.network.color.after_taps(state, visit)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Take the step of the stage."""
        del batch_idx
        stage = self.hparams.stage
        if stage == "encoder":
            losses = self._transfer_losses(batch)
        elif stage == "decoder":
            losses = self._reconstruction_losses(batch["rgb"])
        else:
            losses = self._color_losses(batch)
        self.log_dict({f"train/{k}": v for k, v in losses.items()}, batch_size=len(batch["rgb"]))
        return losses["loss"]

    def validation_settings(self) -> tuple[str, ...]:
        """Return with which references validation colors each picture: none, its own, its neighbor's."""
        return "automatic", "self", "other"

    def validation_guidance(self, setting: str, lab: Tensor, seeds: Tensor) -> Guidance:
        """Make references of the batch's own pictures."""
        if setting == "automatic":
            return Guidance()
        made = self_references(lab_to_rgb(lab), seeds)
        return Guidance(exemplar=Exemplar(made if setting == "self" else made.roll(1, 0)))

    def borrowed_weights(self) -> Mapping[str, Tensor]:
        """Return the weights of the backbone, which files leave out."""
        backbone = self.hparams.backbone
        found = {} if backbone is None else backbone_weights(backbone)
        return {f"network.color.{name}": value for name, value in found.items()}

    @classmethod
    def for_inference(cls, state_dict: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return what a weight file needs: all but the weights that the embedded backbone brings along."""
        return drop_backbone(super().for_inference(state_dict))

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load a checkpoint of the authors' encoder, decoder or colorization net, told by its keys.

        None of them is published; these are the keys of the authors' code.
        """
        ours = {**self.state_dict(), **convert_published(state_dict)}
        apply_weights(self, ours, name="the published checkpoint", published=False)

    def _transfer_losses(self, batch: Batch) -> dict[str, Tensor]:
        """Recolor the pre-colored picture from a reference that shows part of it (ours)."""
        rgb = batch["rgb"]
        lab = rgb_to_lab(rgb)
        look = self.look(reference_of(batch))
        with torch.no_grad():
            automatic, _ = self.network.color(lab[:, :1], Points.none(lab))
            content = lab_to_rgb(torch.cat([lab[:, :1], _contents(automatic, lab[:, 1:], batch)], dim=1))
        found = self.network.transfer(content, self.network.adapt(look))
        loss = nn.functional.mse_loss(found, rgb)
        return {"loss": loss}

    def _reconstruction_losses(self, rgb: Tensor) -> dict[str, Tensor]:
        hp: Any = self.hparams
        transfer = self.network.transfer
        image, perceptual = reconstruction_losses(transfer.encoder, transfer(rgb), rgb)
        loss = hp.image_weight * image + hp.perceptual_weight * perceptual
        return {"loss": loss, "image": image, "perceptual": perceptual}

    def _color_losses(self, batch: Batch) -> dict[str, Tensor]:
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        luma, ab = lab[:, :1], lab[:, 1:]
        points = self._training_hints(luma, ab, batch)
        found, _ = self.network.color(luma, points)
        loss = masked_huber(found, ab, points.mask, hint_weight=hp.hint_weight, delta=hp.delta)
        return {"loss": loss}

    @torch.no_grad()
    def _training_hints(self, luma: Tensor, ab: Tensor, batch: Batch) -> Points:
        """Draw the paper's points, or for a share of the pictures a grid of true or of transferred colors."""
        hp: Any = self.hparams
        simulation = PointSimulation(hp.stop_probability, none=hp.none_share)
        drawn = simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)
        share = uniform_draws(picture_generators(batch["seed"], "hints"), len(ab), 1, ab.device)
        colors = ab
        if hp.transferred_share:
            transferred = self._transferred(luma, batch)
            colors = torch.where(share[:, :, None, None] < hp.transferred_share, transferred, ab)
        grid = grid_hints(colors, hp.hint_grid, hp.hint_patch)
        is_grid = share[:, :, None, None] < hp.transferred_share + hp.grid_share
        return Points(torch.where(is_grid, grid.ab, drawn.ab), torch.where(is_grid, grid.mask, drawn.mask))

    def _transferred(self, luma: Tensor, batch: Batch) -> Tensor:
        """Transfer from looks that are a picture's own, its neighbor's in the batch, or a mix of both."""
        own = self.look(reference_of(batch))
        draws = uniform_draws(picture_generators(batch["seed"], "mixture"), len(luma), 2, luma.device)
        part = torch.where(draws[:, :1] < 0.5, draws[:, 1:], (draws[:, 1:] < 0.5).float())[:, :, None]
        automatic, _ = self.network.color(luma, Points.none(luma))
        return self.network.transferred(luma, automatic, part * own + (1 - part) * own.roll(1, 0))


def _contents(automatic: Tensor, ab: Tensor, batch: Batch) -> Tensor:
    """Return the colors ``(B, 2, H, W)`` that transfers start from: mostly automatic, some true ones moved.

    The latter are as vivid as the pictures that people stylize; the network learns to give their colors up.
    """
    draws = uniform_draws(picture_generators(batch["seed"], "content"), len(ab), 4, ab.device)[
        ..., None, None
    ]
    wrong = ab * (1.5 * draws[:, :1]) + _WRONG_SHIFT * (2 * draws[:, 1:3] - 1)
    return torch.where(draws[:, 3:] < _WRONG_SHARE, wrong, automatic)


def reference_of(batch: Batch) -> Tensor:
    """Return the references of a batch: those that the data give, or parts of the pictures themselves."""
    given: Tensor | None = dict(batch).get("reference")  # type: ignore[assignment]
    return self_references(batch["rgb"], batch["seed"]) if given is None else given


def self_references(rgb: Tensor, seeds: Tensor) -> Tensor:
    """Return a part of each picture ``(B, 3, H, W)``, enlarged, half of them mirrored."""
    return crop_flip_reference(rgb, picture_generators(seeds, "referen"), scale=_REFERENCE_AREA)
