"""Training of the three networks of Su et al., CVPR 2020, in three stages.

The arguments ``trunk``, ``random_boxes``, ``colorfulness`` and ``hints`` are not in the paper.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Unpack

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.dataset import Batch, relative_boxes
from colorzoo.errors import ColorzooError
from colorzoo.guidance import Boxes, Guidance, Points
from colorzoo.losses import smooth_l1_map, weighted_by_chroma
from colorzoo.networks.hint_unet import start_weights
from colorzoo.networks.scaling import AB_SCALE
from colorzoo.precision import in_float32
from colorzoo.randomness import image_generators
from colorzoo.settings import Fraction, NonNegativeFloat, NonNegativeInt, Positive, PositiveInt, Width
from colorzoo.simulation.points import simulate_points
from colorzoo.training.module import ColorizationModule, SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.training.stages import Stage
from colorzoo.zoo.su2020.model import InstanceColorization, cut, to_rectangle

LOSS_SCALE = 10 / AB_SCALE  # the paper's Huber loss applies to ab / 110 with weight 10
GRAY_BELOW = 10.0  # sum of the ranges of a and b in CIE units
_SIDES = (0.25, 0.7)  # range of random box sides, as fractions of the image sides

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
        width: See `InstanceColorization`.
        mask_center: See `InstanceColorization`.
        trunk: See `InstanceColorization`.
        random_boxes: Number of random boxes for training images without boxes; 0 uses the whole image as the
            only box.
        colorfulness: Factor c in the loss weight 1 + c * chroma / 20, with chroma in CIE units. Larger
            factors counteract desaturated predictions.
        hints: Fraction of the training images with simulated color points; 0 in the paper.
        stage: ``"full"`` trains the full-image network, ``"instance"`` trains the instance network on boxes,
            and ``"fusion"`` trains the fusion layers and the fusion network's last layers.
        most_boxes: Maximum number of boxes per training image.
        delta: Error in CIE units at which the loss changes from quadratic to linear; 1 in the paper.
        detector: See `InstanceColorization`.
        **optimization: Optimizer and learning rate schedule; see `Optimization`.
    """

    stages = STAGES
    validation_names = ("automatic", "boxes")
    model: InstanceColorization

    def __init__(
        self,
        width: Width = 1.0,
        mask_center: float = 0.5,
        trunk: str | None = None,
        random_boxes: NonNegativeInt = 0,
        colorfulness: NonNegativeFloat = 0.0,
        hints: Fraction = 0.0,
        stage: Literal["full", "instance", "fusion"] = "full",
        most_boxes: PositiveInt = 8,
        delta: Positive = 1.0,
        detector: str | None = None,
        **optimization: Unpack[Optimization],
    ) -> None:
        model = InstanceColorization(width, mask_center, trunk, detector)
        super().__init__(model, stage=stage, **optimization)
        self.random_boxes, self.most_boxes = random_boxes, most_boxes
        self.delta, self.colorfulness = delta, colorfulness
        self.hints = hints

    def filter_weights(self, source: ColorizationModule) -> dict[str, Tensor]:
        """Return the weights of a Local Hints model for each of the three networks.

        Args:
            source: Task of the Local Hints model.

        Raises:
            ColorzooError: The other model is of another kind, its ``mask_center`` differs (the value that a
                network subtracts from the mask of the color points), or this model has a ``trunk``.
        """
        if isinstance(source, Su2020):
            return {}
        if self.model.trunk is not None:
            raise ColorzooError("--init_from cannot replace --model.trunk. Remove one option.")
        weights = start_weights(source.model, self.model.network.mask_center)
        names = ("full", "instance", "fusion")
        return {f"model.network.{name}.{key}": value for name in names for key, value in weights.items()}

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

        # the paper trains without points
        points = Points.none(ab)
        if self.hints:
            points = simulate_points(ab, image_generators(batch["seed"], "points"), none=1 - self.hints)

        # ab predicted by the network of the current stage
        if self.stage == "instance":  # the forward pass of the model never returns the colors of this network
            predicted = self.model.network.color("instance", lightness, points)
        elif self.stage == "fusion":
            guidance = Guidance(points=points, boxes=Boxes.of(boxes).to(lightness.device))
            predicted = self.model(lightness, guidance).ab
        else:
            predicted = self.model(lightness, Guidance(points=points)).ab

        errors = smooth_l1_map(predicted, ab, delta=self.delta)
        if self.colorfulness:  # not in the paper
            errors = weighted_by_chroma(errors, ab, self.colorfulness)
        loss = color_loss(errors, ab)
        self.log_losses({"loss": loss}, len(lab))
        return loss

    def boxes_of(self, batch: Batch) -> list[Tensor]:
        """Return the boxes ``(K, 4)`` of each image as fractions of the image size.

        At most ``most_boxes`` boxes of an image are used. The only box of an image without boxes is the whole
        image, or there are ``random_boxes`` random boxes.

        Args:
            batch: Training batch, which contains a random seed for each image.
        """
        boxes = []
        generators = image_generators(batch["seed"], "boxes")
        for given, generator in zip(relative_boxes(batch), generators, strict=True):
            if len(given):
                boxes.append(given[: self.most_boxes])
            elif self.random_boxes:  # not in the paper
                boxes.append(random_boxes(generator, self.random_boxes))
            else:
                boxes.append(torch.tensor([[0.0, 0.0, 1.0, 1.0]], device="cpu"))
        return boxes

    def validation_guidances(self, batch: Batch, lab: Tensor) -> list[tuple[str, Guidance]]:
        """Return the name and guidance of each validation setting: without boxes, with boxes."""
        boxes = Boxes.of(self.boxes_of(batch)).to(lab.device)
        return [("automatic", Guidance()), ("boxes", Guidance(boxes=boxes))]


def random_boxes(generator: torch.Generator, count: int) -> Tensor:
    """Return random boxes ``(count, 4)`` as fractions of the image size.

    The box sides are 0.25 to 0.7 of the image sides.
    """
    draws = torch.rand(count, 4, generator=generator)
    side = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * draws[:, :2]
    start = draws[:, 2:] * (1 - side)
    return torch.cat([start, start + side], dim=1)


@in_float32
def color_loss(errors: Tensor, ab: Tensor) -> Tensor:
    """Return the paper's smooth L1 loss; nearly gray images have the weight 0.

    The mean includes images with the weight 0. In distributed training, the mean of the gradients of all
    processes therefore equals the gradient of the whole batch.

    Args:
        errors: Smooth L1 distances ``(B, 1, H, W)`` in CIE units.
        ab: Ground truth ab ``(B, 2, H, W)`` in CIE units.
    """
    ranges = ab.amax(dim=(2, 3)) - ab.amin(dim=(2, 3))  # (B, 2), range of a and of b
    colored = ranges.sum(dim=1) >= GRAY_BELOW
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
