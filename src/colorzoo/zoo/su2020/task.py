"""Training of the three networks of Su et al., CVPR 2020, in three stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Literal, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, relative_boxes
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.losses import smooth_l1_map
from colorzoo.networks.hint_unet import start_weights
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.precision import in_float32
from colorzoo.randomness import image_generators
from colorzoo.settings import Positive, PositiveInt
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage, Start
from colorzoo.weights import apply_weights
from colorzoo.zoo.su2020.extensions import (
    InstanceExtensions,
    chroma_weighted_errors,
    random_boxes,
    random_points,
)
from colorzoo.zoo.su2020.model import InstanceColorization
from colorzoo.zoo.su2020.network import InstanceArchitecture, cut, to_rectangle

LOSS_SCALE = 10 / AB_SCALE  # the paper's Huber loss applies to ab / 110 with weight 10
GRAY_BELOW = 10.0  # sum of the ranges of a and b in CIE units

# The classification head has no gradient, because no loss of the paper uses it.
STAGES: Mapping[str, Stage] = {
    "full": Stage(trains=("model.network.full.*",), leaves=("*.class_head.*",)),
    "instance": Stage(trains=("model.network.instance.*",), leaves=("*.class_head.*",)),
    "fusion": Stage(
        trains=("model.network.layers.*", "model.network.fusion.block10.*", "model.network.fusion.ab_head.*")
    ),
}

# As in the authors' training script, untrained networks are initialized from the full-image network between
# stages. Keys: the previous stage and the new stage.
COPIES: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("full", "instance"): ("instance",),
    ("full", "fusion"): ("instance", "fusion"),
    ("instance", "fusion"): ("fusion",),
}


class Su2020(SingleOptimizerModule):
    """Training task of `InstanceColorization`.

    Args:
        architecture: Settings of the networks.
        extensions: Settings of extensions that are not in the paper.
        stage: ``"full"`` trains the full-image network, ``"instance"`` trains the instance network on boxes,
            and ``"fusion"`` trains the fusion layers and the fusion network's last layers.
        start: Model with the initial weights: a Local Hints model of equal shape, which initializes all three
            networks, or an su2020 model, loaded as with ``--init_from``. None uses random weights.
        most_boxes: Maximum number of boxes per training image.
        delta: Error in CIE units at which the loss changes from quadratic to linear; 1 in the paper.
        detector: State dict file of the detector; see `InstanceColorization`.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = STAGES
    model: InstanceColorization

    def __init__(
        self,
        architecture: InstanceArchitecture = InstanceArchitecture(),
        extensions: InstanceExtensions = InstanceExtensions(),
        stage: Literal["full", "instance", "fusion"] = "full",
        start: Start | str | None = None,
        most_boxes: PositiveInt = 8,
        delta: Positive = 1.0,
        detector: str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = InstanceColorization(architecture, extensions, detector)
        super().__init__(model, stage=stage, start=start, **optimization)
        self.extensions = extensions
        self.most_boxes = most_boxes
        # as in the paper: no points, smooth L1 loss, and one box for images without objects
        self.training_points: Callable[[Tensor, Batch], Points] = no_points
        self.errors: Callable[[Tensor, Tensor], Tensor] = partial(smooth_l1_map, delta=delta)
        self.boxes_without_objects: Callable[[torch.Generator], Tensor] = whole_image
        # not in the paper
        if extensions.hints:
            self.training_points = partial(random_points, share=extensions.hints)
        if extensions.colorfulness:
            self.errors = partial(chroma_weighted_errors, delta=delta, colorfulness=extensions.colorfulness)
        if extensions.random_boxes:
            self.boxes_without_objects = partial(random_boxes, count=extensions.random_boxes)

    def initialize_from(self, source: ColorizationModule) -> None:
        """Copy the weights of a Local Hints model or another su2020 model.

        A Local Hints model initializes each of the three networks. From an su2020 model, all weights are
        copied; then `continue_from` prepares the current stage. The ``mask_center`` of the models must be
        equal: the value that a network subtracts from the mask of the color points.

        Args:
            source: Task of the other model.

        Raises:
            ColorzooError: The other model is of another kind, does not match this model, or is a Local Hints
                model although ``trunk`` is set.
        """
        if isinstance(source, Su2020):
            found = (source.extensions.trunk, source.model.network.mask_center)
            expected = (self.extensions.trunk, self.model.network.mask_center)
            if found != expected:
                raise ColorzooError(
                    f"--model.start must name a model with (trunk, mask_center) {expected}, got {found}"
                )
            apply_weights(self.model, source.model.state_dict(), name="--model.start", published=False)
            self.continue_from(source.provenance.stage)
            return
        if self.extensions.trunk is not None:
            raise ColorzooError(
                "--model.start cannot be combined with --model.extensions.trunk. Remove one option."
            )
        network = self.model.network
        weights = start_weights(source.model, network.mask_center)  # requires a Local Hints model
        for unet in (network.full, network.instance, network.fusion):
            apply_weights(unet, weights, name="--model.start", published=False)

    def continue_from(self, stage: str | None) -> None:
        """Copy full-image network weights to the networks that no earlier stage has trained.

        The authors' training script also copies these weights between stages.

        Args:
            stage: Stage that trained the loaded weights. None and unknown names copy nothing.
        """
        network = self.model.network
        for name in COPIES.get((stage or "", self.stage or ""), ()):
            getattr(network, name).load_state_dict(network.full.state_dict())

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of colorized images or, in stage ``instance``, of colorized objects."""
        lab = rgb_to_lab(batch["rgb"])
        boxes = self.boxes_of(batch)
        if self.stage == "instance":
            lab = one_object_each(lab, boxes, batch)
        lightness, ab = lab[:, :1], lab[:, 1:]
        predicted = self._colored(lightness, self.training_points(ab, batch), boxes)
        loss = color_loss(self.errors(predicted, ab), ab)
        self.log_losses({"loss": loss}, len(lab))
        return loss

    def _colored(self, lightness: Tensor, points: Points, boxes: Sequence[Tensor]) -> Tensor:
        """Return the ab predicted by the network of the current stage."""
        if self.stage == "instance":  # the forward pass of the model never returns the colors of this network
            return self.model.network.color("instance", lightness, points)
        guidance = Guidance(points=points)
        if self.stage == "fusion":
            guidance = Guidance(points=points, boxes=Boxes.of(boxes).to(lightness.device))
        return self.model(lightness, guidance).ab

    def boxes_of(self, batch: Batch) -> list[Tensor]:
        """Return the boxes ``(K, 4)`` of each image as fractions of the image size.

        At most ``most_boxes`` boxes of an image are used. The only box of an image without boxes is the whole
        image.

        Args:
            batch: Training batch, which contains a random seed for each image.
        """
        generators = image_generators(batch["seed"], "boxes")
        return [
            given[: self.most_boxes] if len(given) else self.boxes_without_objects(generator)
            for given, generator in zip(relative_boxes(batch), generators, strict=True)
        ]

    def validation_settings(self) -> tuple[str, ...]:
        """Return the names of the two validation settings: ``automatic`` and ``boxes``."""
        return ("automatic", "boxes")

    def validation_guidances(self, batch: Batch, lab: Tensor) -> list[tuple[str, Guidance]]:
        """Return the name and guidance of each validation setting: without boxes, with boxes."""
        boxes = Boxes.of(self.boxes_of(batch)).to(lab.device)
        return [("automatic", Guidance()), ("boxes", Guidance(boxes=boxes))]


def no_points(ab: Tensor, batch: Batch) -> Points:
    """Return no color points for images ``(B, 2, H, W)``; the paper trains without points."""
    del batch
    return Points.none(ab)


def whole_image(generator: torch.Generator) -> Tensor:
    """Return the whole image as the only box, ``(1, 4)`` as fractions of the image size."""
    del generator
    return torch.tensor([[0.0, 0.0, 1.0, 1.0]], device="cpu")


@in_float32
def color_loss(errors: Tensor, ab: Tensor) -> Tensor:
    """Return the paper's smooth L1 loss; nearly gray images have the weight 0.

    The mean includes images with the weight 0. In distributed training, the mean of the gradients of all
    processes therefore equals the gradient of the whole batch.

    Args:
        errors: Smooth L1 distances ``(B, 1, H, W)`` in CIE units.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
    """
    colored = color_range(ab) >= GRAY_BELOW
    return LOSS_SCALE * (errors.mean(dim=(1, 2, 3)) * colored).mean()


def one_object_each(lab: Tensor, boxes: Sequence[Tensor], batch: Batch) -> Tensor:
    """Crop a random box from each Lab image and resize the crop to the image size.

    Args:
        lab: Lab images ``(B, 3, H, W)``.
        boxes: Boxes ``(K, 4)`` of each image as fractions of the image size.
        batch: Training batch, which contains a random seed for each image.

    Returns:
        Crops ``(B, 3, H, W)``.
    """
    size = (lab.shape[-2], lab.shape[-1])
    crops = []
    for row, generator in enumerate(image_generators(batch["seed"], "instance")):
        chosen = int(torch.randint(len(boxes[row]), (1,), generator=generator))
        rectangle = to_rectangle(boxes[row][chosen], size)
        crops.append(cut(lab[row : row + 1], rectangle, size))
    return torch.cat(crops)


def color_range(ab: Tensor) -> Tensor:
    """Return the sum of the ranges of a and b for each image, ``(B,)`` in CIE units.

    A range is the maximum minus the minimum.
    """
    low, high = ab.amin(dim=(2, 3)), ab.amax(dim=(2, 3))
    return (high - low).sum(dim=1)
