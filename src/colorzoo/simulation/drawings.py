"""Simulated user that colors the regions between the lines of a drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

import cv2
import numpy as np
import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.drawing.lines import INK, LineArt
from colorzoo.drawing.regions import find_regions
from colorzoo.errors import GuidanceError
from colorzoo.guidance import Guidance, Points
from colorzoo.randomness import draw_uniform, image_generators
from colorzoo.simulation.session import InputFunction, SessionResult, TargetImage

Order = Literal["random", "proposed", "largest"]

_MAX_POINTS = 1000
_LINE_WEIGHT = 0.02  # weight of line pixels in the mean color of a region, for regions without paper


@runtime_checkable
class RanksRegions(Protocol):
    """Object that orders the regions of a drawing, the most useful region first."""

    def ranked_regions(self, sketch: Tensor) -> list[int]:
        """Return the numbers of the regions of a sketch ``(1, 1, H, W)`` in [0, 1]; see `find_regions`."""


@dataclass(frozen=True)
class DrawingRegions:
    """Regions between the lines of a drawing.

    Examples:
        >>> sketch = torch.ones(1, 1, 32, 48)
        >>> sketch[..., 20:24] = 0
        >>> len(DrawingRegions.of(sketch).areas)
        2

    Attributes:
        labels: ``(H, W)`` int64, number of the region of each pixel.
        weight: ``(H, W)``, weight of each pixel in the color of its region: 1 for paper, near 0 for ink.
    """

    labels: Tensor
    weight: Tensor

    @classmethod
    def of(cls, sketch: Tensor) -> DrawingRegions:
        """Find the regions of a sketch ``(1, 1, H, W)`` in [0, 1], where 1 is paper."""
        darkness = LineArt.read(sketch[0, 0].float().cpu().numpy()).darkness
        labels = torch.from_numpy(find_regions(darkness).astype(np.int64))
        weight = torch.from_numpy((darkness < INK) + _LINE_WEIGHT).float()
        return cls(labels.to(sketch.device), weight.to(sketch.device))

    @property
    def areas(self) -> Tensor:
        """Number of pixels of each region, ``(n,)``."""
        return self.labels.flatten().bincount()

    def colors(self, image: Tensor) -> Tensor:
        """Return the mean color ``(n, 3)`` of each region of an image ``(1, 3, H, W)``."""
        flat = self.labels.flatten()
        sums = image.new_zeros(len(self.areas), 3)
        sums.index_add_(0, flat, (image[0] * self.weight).flatten(1).T.contiguous())
        return sums / flat.bincount(self.weight.flatten())[:, None].to(sums)

    def patch(self, region: int, side: int) -> tuple[Tensor, Tensor]:
        """Return rows and columns of the pixels of a region in a square around its innermost pixel."""
        inside = (self.labels == region).cpu().numpy().astype(np.uint8)
        inside = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_CONSTANT)
        row, column = divmod(int(cv2.distanceTransform(inside, cv2.DIST_L2, 3).argmax()), inside.shape[1])
        first, left = max(0, row - 1 - side // 2), max(0, column - 1 - side // 2)
        square = self.labels[first : row - 1 + (side + 1) // 2, left : column - 1 + (side + 1) // 2]
        rows, columns = (square == region).nonzero(as_tuple=True)
        return rows + first, columns + left


@dataclass(frozen=True)
class DrawingPoints:
    """Simulated user that sets points inside the regions of a drawing, in their mean true colors.

    Examples:
        >>> rgb, sketch = torch.rand(1, 3, 32, 48), torch.ones(1, 1, 32, 48)
        >>> sketch[..., 20:24] = 0
        >>> target = TargetImage(sketch, rgb, colorzoo.rgb_to_lab(rgb)[:, 1:], seed=0)
        >>> white = SessionResult(torch.ones(1, 3, 32, 48), torch.zeros(1, 2, 32, 48))
        >>> guidance, interactions = DrawingPoints().begin(target, white, None)(3, white)
        >>> interactions
        3

    With the order ``"random"``, a point colors the region at a uniformly random position of the drawing, so
    large regions are colored first on average. With the order ``"proposed"``, the model ranks the regions.
    With the order ``"largest"``, the area ranks the regions. The point lies at the pixel of the region that
    is farthest from its boundary.

    Attributes:
        order: Order of the regions.
        side: Side of a point in pixels. Pixels outside the region are excluded.
    """

    order: Order = "random"
    side: int = 6
    kind: ClassVar[str] = "points"
    adaptive: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.order not in get_args(Order):
            raise GuidanceError(f"'order' must be one of {', '.join(get_args(Order))}, got {self.order!r}")

    def begin(self, target: TargetImage, first: SessionResult, model: object) -> InputFunction:
        """Start a session and return its `InputFunction`; see `SimulatedUser.begin`."""
        drawing = DrawingRegions.of(target.lightness)
        # find the region of each point
        if self.order == "random":
            generators = image_generators(torch.tensor([target.seed]), "points")
            draws = draw_uniform(generators, 1, 2 * _MAX_POINTS, torch.device("cpu")).view(_MAX_POINTS, 2)
            rows, columns = (draws * torch.tensor(drawing.labels.shape)).long().T
            order: list[int] = drawing.labels.cpu()[rows, columns].tolist()
        elif self.order == "largest":
            order = drawing.areas.argsort(descending=True, stable=True).tolist()
        elif isinstance(model, RanksRegions):
            order = model.ranked_regions(target.lightness)
        else:
            raise GuidanceError(
                f"this simulated user requires a model that ranks regions, got {type(model).__name__}. "
                "Use the order 'random'."
            )
        lab = rgb_to_lab(drawing.colors(target.rgb).T[None, :, :, None])[0, :, :, 0]

        def give_input(count: int, _: SessionResult) -> tuple[Guidance, int]:
            colors, mask = torch.zeros_like(target.rgb), torch.zeros_like(target.rgb[:, :1])
            for region in dict.fromkeys(order[:count]):
                rows, columns = drawing.patch(region, self.side)
                colors[0, :, rows, columns] = lab[:, region, None]
                mask[0, 0, rows, columns] = 1
            points = Points(colors[:, 1:], mask, colors[:, :1], exact=torch.zeros_like(mask))
            return Guidance(points=points), min(count, len(order))

        return give_input
