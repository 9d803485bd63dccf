"""Training of Let there be Color! (Iizuka et al. 2016): colors and scene classes.

The authors have not published training code, so this module follows the paper.
https://doi.org/10.1145/2897824.2925974
"""

from __future__ import annotations

from typing import Annotated, Unpack

from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.color import lightness_to_rgb, rgb_to_lab
from colorzoo.data.dataset import Batch
from colorzoo.settings import NonNegativeFloat, NonNegativeInt, Range, Width
from colorzoo.training.module import SingleOptimizerModule
from colorzoo.training.optimization import Optimization
from colorzoo.zoo.iizuka2016.model import LetThereBeColor, linear, scale, torch7_lab


class Iizuka2016(SingleOptimizerModule):
    """Training task of `LetThereBeColor`, with optional classification of scenes.

    Attributes:
        classifier: Scene classifier on the global branch; None if ``classes`` is 0.

    Args:
        width: See `LetThereBeColor`.
        scene_side: See `LetThereBeColor`.
        normalization: See `LetThereBeColor`.
        classes: Number of scene classes: 205 for Places, 1,000 for ImageNet; 0 disables the classifier.
        class_weight: Weight of the classification cross-entropy (alpha in the paper).
        **optimization: See `Optimization`.
    """

    model: LetThereBeColor
    label_setting = "--model.classes"

    def __init__(
        self,
        width: Width = 1.0,
        scene_side: Annotated[int, Range(32, unit="pixels", step=32)] = 224,
        normalization: bool = False,
        classes: NonNegativeInt = 205,
        class_weight: NonNegativeFloat = 1 / 300,
        **optimization: Unpack[Optimization],
    ) -> None:
        super().__init__(LetThereBeColor(width, scene_side, normalization), **optimization)
        self.label_count = classes
        self.class_weight = class_weight
        self.classifier: nn.Sequential | None = None
        if classes:
            network = self.model.network
            layers = linear("fc1", network.scene_channels, network.style_channels, network.normalization)
            layers["fc2"] = nn.Linear(network.style_channels, classes)
            self.classifier = nn.Sequential(layers)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the color loss plus the weighted classification loss of a batch."""
        rgb = batch["rgb"]
        gray = lightness_to_rgb(rgb_to_lab(rgb)[:, :1])[:, :1]
        maps, scene = self.model.network.maps_and_scene(gray)
        target = target_of(rgb, (maps.shape[-2], maps.shape[-1]))
        if self.classifier is None:
            losses = self.losses(maps, target)
        else:
            losses = self.losses(maps, target, self.classifier(scene), batch["label"])
        self.log_losses(losses, len(rgb))
        return losses["loss"]

    def losses(
        self, maps: Tensor, target: Tensor, logits: Tensor | None = None, label: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return a dict with the losses ``color`` and ``class`` and their weighted sum ``loss``.

        Args:
            maps: Predicted ab ``(B, 2, h, w)``, scaled to (0, 1).
            target: Ground truth ab ``(B, 2, h, w)``, scaled to [0, 1].
            logits: Scene class logits ``(B, classes)``. None omits ``class``.
            label: True scene classes ``(B,)``, int64. None omits ``class``.
        """
        color = F.mse_loss(maps, target)
        if logits is None or label is None:
            return {"loss": color, "color": color}
        wrong = F.cross_entropy(logits.float(), label)
        return {"loss": color + self.class_weight * wrong, "color": color, "class": wrong}


def target_of(rgb: Tensor, size: tuple[int, int]) -> Tensor:
    """Convert RGB ``(B, 3, H, W)`` to ab scaled to [0, 1] and resized to ``size`` (h, w)."""
    return scale((torch7_lab(rgb)[:, 1:] / 100 + 1) / 2, size)
