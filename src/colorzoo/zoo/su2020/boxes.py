"""Where boxes come from: the data, chance, or a detector."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from colorzoo.errors import WeightsError
from colorzoo.guidance import Boxes

if TYPE_CHECKING:
    from colorzoo.data.dataset import Batch

LEAST_SCORE, MOST = 0.7, 8
_LEAST_SIDE = 2.0  # pixels
_SIDES = (0.25, 0.7)  # of random boxes, shares of the picture's sides

Detector = Callable[[Tensor], tuple[Tensor, Tensor]]
"""Maps lightness, ``(3, H, W)`` equal channels in [0, 1], to ``(K, 4)`` boxes and ``(K,)`` scores."""


def shares(batch: Batch) -> list[Tensor]:
    """Return the ``(K, 4)`` boxes of each picture of a batch as shares of its sides, on the CPU."""
    height, width = batch["rgb"].shape[-2:]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    if "boxes" not in batch:
        return [torch.empty(0, 4)] * len(batch["rgb"])
    return [each.cpu().reshape(-1, 4) / scale for each in batch["boxes"]]


def random_boxes(count: int, generator: torch.Generator) -> Tensor:
    """Return ``(count, 4)`` boxes of random sides and places, in shares; with 0 one, the whole picture."""
    if count == 0:
        return torch.tensor([[0.0, 0.0, 1.0, 1.0]])
    draws = torch.rand(count, 4, generator=generator)
    side = _SIDES[0] + (_SIDES[1] - _SIDES[0]) * draws[:, :2]
    start = draws[:, 2:] * (1 - side)
    return torch.cat([start, start + side], dim=1)


@dataclass(frozen=True)
class TorchvisionDetector:
    """The default detector: torchvision's Faster R-CNN (the masks of the paper's Mask R-CNN are not used).

    Attributes:
        model: In evaluation mode.
    """

    model: Any

    @classmethod
    def load(cls, path: str) -> TorchvisionDetector:
        """Build it with the weights of a file.

        Args:
            path: State dict of ``torchvision.models.detection.fasterrcnn_resnet50_fpn_v2``.

        Raises:
            WeightsError: The file is missing or of another network.
        """
        from pathlib import Path

        from torchvision.models.detection import fasterrcnn_resnet50_fpn_v2

        from colorzoo.weights.load import load_state_dict_file

        model = fasterrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
        try:
            model.load_state_dict(load_state_dict_file(Path(path)))
        except RuntimeError as error:
            reason = " ".join(str(error).split())[:200]
            raise WeightsError(f"{path} is no state dict of fasterrcnn_resnet50_fpn_v2: {reason}") from error
        return cls(model.eval())

    def __call__(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes and scores; see `Detector`."""
        with torch.inference_mode():
            found = self.model([picture])[0]
        return found["boxes"], found["scores"]


def detect(luma: Tensor, detector: Detector) -> Boxes:
    """Find the things of each picture: the surest, at most `MOST`, with a score of at least `LEAST_SCORE`.

    Args:
        luma: ``(B, 1, H, W)`` in [0, 100].
        detector: Called for one picture after the other.
    """
    height, width = luma.shape[-2:]
    scale = torch.tensor([width, height, width, height], dtype=torch.float32)
    kept = []
    for gray in luma:
        boxes, scores = (each.detach().float().cpu() for each in detector((gray / 100).expand(3, -1, -1)))
        sides = boxes[:, 2:] - boxes[:, :2]
        sure = (scores >= LEAST_SCORE) & (sides >= _LEAST_SIDE).all(dim=1)
        order = scores[sure].argsort(descending=True)[:MOST]
        kept.append((boxes[sure][order] / scale).clamp(0, 1))
    return Boxes.of(kept).to(luma.device)
