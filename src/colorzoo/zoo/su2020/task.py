"""Instance-aware Image Colorization (Su et al., CVPR 2020).

One network colors the whole picture, one each thing in its box, and a third blends the features of both.
Three stages train them one after the other. https://arxiv.org/abs/2005.10825
"""

from __future__ import annotations

import contextvars
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.draws import picture_generators
from colorzoo.errors import ColorzooError, GuidanceError
from colorzoo.factory import create_model
from colorzoo.guidance import Boxes, Guidance, Points, PointSimulation, simulate_points
from colorzoo.losses import smooth_l1_map
from colorzoo.networks.frozen import borrow
from colorzoo.networks.hint_input import AB_SCALE
from colorzoo.networks.hint_unet import initialize
from colorzoo.networks.taps import Tap, TapState, Visit
from colorzoo.tasks import Prediction, SingleOptimizerModule
from colorzoo.tasks.optimizers import Schedule
from colorzoo.weights import apply_weights
from colorzoo.zoo.su2020.boxes import Detector, TorchvisionDetector, detect, random_boxes, shares
from colorzoo.zoo.su2020.network import InstanceNetworks, PartsState
from colorzoo.zoo.su2020.places import cut, place_boxes
from colorzoo.zoo.su2020.published import NETWORKS, convert_published

Stage = Literal["full", "instance", "fusion"]

LOSS_SCALE = 10 / AB_SCALE  # the paper's Huber loss is on ab / 110 and weighs 10
CHROMA_UNIT = 20.0  # about the mean chroma of a photo, CIE units
GRAY_BELOW = 10.0  # sum of the ranges of a and b in CIE units
_UNET = "network.unet."
_ENCODER = tuple(f"block{index}." for index in range(1, 8))
_HEAD = "class_head."
_FUSED_END = ("block10.", "ab_head.")  # what the third stage trains beside the fusion layers


class Su2020(SingleOptimizerModule):
    """Full-image, instance and fusion network, and their three stages of training.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask; 0.5 in the published weights.
        hint_attention: See `HintUNet` (not in the paper).
        trunk: Registered Local Hints model of the same shape from whose weights all three networks start;
            None starts from random ones.
        keep_trunk: Leave the full-image network and the encoders of the other two as the trunk has them (not
            in the paper): they are neither trained nor saved, so that a weight file is small.
        stage: What is trained: ``"full"`` on whole pictures, then ``"instance"`` on boxes, then
            ``"fusion"``: the fusion layers and the end of the fusion network. Each begins with a copy of
            the networks before it where these were not trained yet.
        most_boxes: Largest number of boxes of a training picture, the first ones.
        random_boxes: Boxes drawn at random for a picture that has none; with 0 the whole picture is one.
        delta: Where the loss turns linear, in CIE units; 1 in the paper.
        colorfulness: Weight the loss by 1 + c * chroma / 20 of the true color, so that an unsure network does
            not fall back to gray; 0 in the paper.
        hints: Share of the training pictures that get color points; 0 in the paper.
        detector: State dict of torchvision's ``fasterrcnn_resnet50_fpn_v2``, which then looks for boxes where
            nobody gives them.
        init_std: Deviation of the initial weights; None takes He's.
        lr: Largest learning rate.
        betas: Decays of Adam's moments.
        weight_decay: Decoupled weight decay.
        schedule: How the rate moves.
        warmup_steps: Steps of linear rise.
        milestones: Steps at which ``multistep`` divides the rate by ten.
    """

    accepts = frozenset({"points", "boxes"})
    recorded_hparams = ("width", "mask_center", "hint_attention", "trunk", "keep_trunk")
    published_files: ClassVar[Mapping[str, str]] = {
        "latest_net_GComp.pth": "netGComp",
        "latest_net_G.pth": "netG",
        "latest_net_GF.pth": "netGF",
    }
    network: InstanceNetworks
    detector: Detector | None = None

    def __init__(
        self,
        width: float = 1.0,
        mask_center: float = 0.5,
        hint_attention: bool = False,
        trunk: str | None = None,
        keep_trunk: bool = False,
        stage: Stage = "full",
        most_boxes: int = 8,
        random_boxes: int = 0,
        delta: float = 1.0,
        colorfulness: float = 0.0,
        hints: float = 0.0,
        detector: str | None = None,
        init_std: float | None = None,
        lr: float = 5e-4,
        betas: Sequence[float] = (0.9, 0.999),
        weight_decay: float = 0.0,
        schedule: Schedule = "constant",
        warmup_steps: int = 0,
        milestones: Sequence[int] = (),
    ) -> None:
        super().__init__()

    def configure_network(self) -> None:
        """Build the networks, with the trunk in them, and say what is trained."""
        hp: Any = self.hparams
        self.network = InstanceNetworks(
            hp.width, mask_center=hp.mask_center, hint_attention=hp.hint_attention
        )
        initialize(self.network, hp.init_std)
        if hp.trunk is not None:
            start_from(hp.trunk, self.network)
        if hp.keep_trunk:
            borrow(self.network, kept_keys(self.network))
        kept = {name for name, value in self.network.named_parameters() if not value.requires_grad}
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in kept and is_trained(name, hp.stage))

    def setup(self, stage: str) -> None:
        """Let a network that was not trained begin as the one before it, as the paper's stages do."""
        hp: Any = self.hparams
        if stage == "fit" and self.trained and hp.trunk is None:
            earlier = {"instance": ("full", "instance"), "fusion": ("full", "fusion")}.get(hp.stage)
            if earlier is not None:
                source, target = (getattr(self.network, name) for name in earlier)
                target.load_state_dict(source.state_dict())

    def keep_still(self) -> None:
        """Keep networks that this stage does not train in evaluation mode, and the third always."""
        stage = self.hparams.stage
        for name, network in self.network.named_children():
            if name != stage or stage == "fusion":
                network.eval()
        if self.hparams.keep_trunk:
            for index in range(1, 8):
                getattr(getattr(self.network, stage), f"block{index}").eval()

    def forward(self, luma: Tensor, guidance: Guidance | None = None) -> Prediction:
        """Color a batch; ``extras["logits"]`` is the distribution over the ab grid at a quarter size."""
        out = self.network(luma, *_given(luma, guidance))
        return Prediction(ab=out.ab, extras={"logits": out.logits})

    @property
    def detects(self) -> bool:
        """Whether there is a detector."""
        return self.detector is not None or self.hparams.detector is not None

    def find_boxes(self, luma: Tensor) -> Boxes:
        """Ask the detector where the things are; ``model.detector`` may be any `Detector`.

        Raises:
            GuidanceError: There is no detector.
        """
        if self.detector is None and self.hparams.detector is not None:
            self.detector = TorchvisionDetector.load(self.hparams.detector)
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

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Color whole pictures, or the things in them, and compare with the truth."""
        del batch_idx
        hp: Any = self.hparams
        lab = rgb_to_lab(batch["rgb"])
        boxes = self._boxes(batch)
        if hp.stage == "instance":
            lab = one_thing_each(lab, boxes, batch)
        luma, ab = lab[:, :1], lab[:, 1:]
        points = self._points(ab, batch)
        if hp.stage == "fusion":
            predicted = self.network(luma, points, Boxes.of(boxes).to(luma.device)).ab
        else:
            predicted = self.network.color(hp.stage, luma, points)
        colored = color_range(ab) >= GRAY_BELOW
        weight = 1 + hp.colorfulness * torch.linalg.vector_norm(ab, dim=1, keepdim=True) / CHROMA_UNIT
        errors = smooth_l1_map(predicted, ab, delta=hp.delta) * weight / weight.mean()
        per_picture = errors.mean(dim=(1, 2, 3))
        loss: Tensor = LOSS_SCALE * (per_picture * colored).sum() / colored.sum().clamp(min=1)
        self.log("train/loss", loss, batch_size=len(lab))
        return loss

    def validation_settings(self) -> tuple[str, ...]:
        """Return the settings in which PSNR is taken: without and with boxes."""
        return ("automatic", "boxes")

    def validation_guidances(self, batch: Batch, lab: Tensor) -> list[tuple[str, Guidance]]:
        """Give nothing, then the boxes of the batch."""
        boxes = Boxes.of(self._boxes(batch)).to(lab.device)
        return [("automatic", Guidance()), ("boxes", Guidance(boxes=boxes))]

    def load_published_state_dict(self, state_dict: dict[str, Tensor]) -> None:
        """Load the authors' three checkpoints, their keys below ``netGComp.``, ``netG.`` and ``netGF.``."""
        missing = [name for name in NETWORKS if not any(key.startswith(f"{name}.") for key in state_dict)]
        if missing:
            raise KeyError(
                f"nothing of {', '.join(missing)}; all three files are needed, in a folder or a state dict"
            )
        apply_weights(self, convert_published(state_dict), name="the published checkpoint", published=False)

    def _boxes(self, batch: Batch) -> list[Tensor]:
        """Return the ``(K, 4)`` boxes of each picture in shares, K from 1 to ``most_boxes``."""
        hp: Any = self.hparams
        given = shares(batch)
        generators = picture_generators(batch["seed"], "boxes")
        pairs = zip(given, generators, strict=True)
        return [
            each[: hp.most_boxes] if len(each) else random_boxes(hp.random_boxes, generator)
            for each, generator in pairs
        ]

    def _points(self, ab: Tensor, batch: Batch) -> Points:
        simulation = PointSimulation(none=1 - self.hparams.hints)
        return simulate_points(ab, picture_generators(batch["seed"], "points"), simulation)


def start_from(name: str, network: InstanceNetworks) -> None:
    """Copy the weights of a Local Hints model into all three networks.

    Raises:
        ColorzooError: It is of another family, or of another shape.
    """
    # In a context of its own: Lightning's command line hands this model's arguments to modules built in it.
    on_meta = torch.get_default_device().type == "meta"  # shapes alone are wanted: there is nothing to load
    create = partial(create_model, name, weights=None if on_meta else "default")
    state = contextvars.Context().run(create).state_dict()
    source = {key.removeprefix(_UNET): value for key, value in state.items() if key.startswith(_UNET)}
    target = {key: value.shape for key, value in network.full.state_dict().items()}
    if {key: value.shape for key, value in source.items()} != target:
        raise ColorzooError(f"trunk={name!r} does not fit: it must be a Local Hints model of the same shape.")
    for unet in (network.full, network.instance, network.fusion):
        unet.load_state_dict(source)


def kept_keys(network: nn.Module) -> list[str]:
    """Return the keys that stay as the trunk has them: all but the instance decoder and what is fused."""
    kept = []
    for key in network.state_dict():
        part, _, name = key.partition(".")
        own = {
            "full": False,
            "instance": not name.startswith((*_ENCODER, _HEAD)),
            "fusion": name.startswith(_FUSED_END),
            "layers": True,
        }
        if not own[part]:
            kept.append(key)
    return kept


def is_trained(name: str, stage: Stage) -> bool:
    """Say whether a stage trains a parameter of the networks."""
    part, _, rest = name.partition(".")
    if stage == "fusion":
        return part == "layers" or (part == "fusion" and rest.startswith(_FUSED_END))
    return part == stage and not rest.startswith(_HEAD)


def one_thing_each(lab: Tensor, boxes: Sequence[Tensor], batch: Batch) -> Tensor:
    """Cut one random box out of each ``(B, 3, H, W)`` picture and bring it to the picture's size."""
    size = (lab.shape[-2], lab.shape[-1])
    crops = []
    for row, generator in enumerate(picture_generators(batch["seed"], "instance")):
        chosen = int(torch.randint(len(boxes[row]), (1,), generator=generator))
        place = place_boxes(boxes[row][chosen : chosen + 1], size)
        crops.append(cut(lab[row : row + 1], place, size))
    return torch.cat(crops)


def color_range(ab: Tensor) -> Tensor:
    """Return the range of a plus that of b for each picture: ``(B,)`` in CIE units."""
    low, high = ab.amin(dim=(2, 3)), ab.amax(dim=(2, 3))
    return (high - low).sum(dim=1)


def _given(luma: Tensor, guidance: Guidance | None) -> tuple[Points, Boxes | None]:
    points = guidance.points if guidance is not None else None
    boxes = guidance.boxes if guidance is not None else None
    return points if points is not None else Points.none(luma), boxes
