"""The three networks of Su et al. 2020: full-image, instance and fusion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from colorzoo.guidance import Boxes, Points
from colorzoo.networks.hint_input import AB_SCALE, hint_input
from colorzoo.networks.hint_unet import STRIDE, HintEncoding, HintUNet, scaled_width
from colorzoo.networks.padding import cells, pad_to_multiple, pad_with_zeros
from colorzoo.networks.taps import TapState, Visit, unchanged
from colorzoo.zoo.su2020.fusion import FusionLayer
from colorzoo.zoo.su2020.places import Place, cut, cut_points, place_boxes

# Every map that is fused: name, channels at full width, pixels per cell.
FUSED: tuple[tuple[str, int, int], ...] = (
    ("1_2", 64, 1),
    ("2_2", 128, 2),
    ("3_3", 256, 4),
    ("4_3", 512, 8),
    ("5_3", 512, 8),
    ("6_3", 512, 8),
    ("7_3", 512, 8),
    ("8_up", 256, 4),
    ("8_3", 256, 4),
    ("9_up", 128, 2),
    ("9_3", 128, 2),
    ("10_up", 128, 1),
    ("10_2", 128, 1),
)
_STRIDES = {name: stride for name, _, stride in FUSED}


class InstanceOutput(NamedTuple):
    """Answer of the networks.

    Attributes:
        ab: ``(B, 2, H, W)`` in CIE units.
        logits: ``(B, 529, ceil(H/4), ceil(W/4))`` of the whole picture over the ab grid.
    """

    ab: Tensor
    logits: Tensor


@dataclass(frozen=True)
class Part:
    """The pictures of a batch that one network colors.

    Attributes:
        rows: Their indices in the batch.
        unet: The network.
        encoded: What its decoder reads.
        fuse: Puts fused maps in place of its own.
    """

    rows: Tensor
    unet: HintUNet
    encoded: HintEncoding
    fuse: Visit


@dataclass(frozen=True)
class PartsState(TapState):
    """A `TapState` of up to two networks: with boxes and without."""

    parts: tuple[Part, ...] = ()


class InstanceNetworks(nn.Module):
    """Full-image, instance and fusion network; pictures of any size, any number of boxes in each.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
        mask_center: Subtracted from the hint mask; 0.5 in the published weights.
        hint_attention: See `HintUNet`.
        scene_blocks: See `HintUNet`.
    """

    def __init__(
        self,
        width: float = 1.0,
        *,
        mask_center: float = 0.5,
        hint_attention: bool = False,
        scene_blocks: int = 0,
    ) -> None:
        super().__init__()
        self.mask_center = mask_center
        unet = partial(HintUNet, 4, width, hint_attention=hint_attention, scene_blocks=scene_blocks)
        self.full, self.instance, self.fusion = unet(), unet(), unet()
        self.layers = nn.ModuleDict(
            {name: FusionLayer(scaled_width(channels, width)) for name, channels, _ in FUSED}
        )

    def forward(self, luma: Tensor, points: Points, boxes: Boxes | None) -> InstanceOutput:
        """Color pictures: those with boxes by the fusion network, others by the full-image network.

        Args:
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Hints of the same size.
            boxes: Of the things in each picture.
        """
        state = self.before_taps(luma, points, boxes)
        rows, columns = cells(luma.shape[-2], 4), cells(luma.shape[-1], 4)
        logits = _gathered([(part.rows, part.unet.distribution(part.encoded.trunk)) for part in state.parts])
        ab = self.after_taps(state, unchanged)
        return InstanceOutput(ab, logits[:, :, :rows, :columns].float())

    def before_taps(self, luma: Tensor, points: Points, boxes: Boxes | None) -> PartsState:
        """Run all that comes before the map 8_3 of the network that colors the whole picture."""
        size = (luma.shape[-2], luma.shape[-1])
        corners = _corners(boxes, len(luma))
        alone = [row for row, each in enumerate(corners) if not len(each)]
        boxed = [row for row, each in enumerate(corners) if len(each)]
        parts = []
        for rows, unet in ((alone, self.full), (boxed, self.fusion)):
            if not rows:
                continue
            index = torch.tensor(rows, device=luma.device)
            some = luma.index_select(0, index)
            hints = Points(points.ab.index_select(0, index), points.mask.index_select(0, index))
            fuse = (
                self._fusing(some, hints, [corners[row] for row in rows])
                if unet is self.fusion
                else unchanged
            )
            encoded = unet.encode(*hint_input(some, hints, self.mask_center), visit=fuse)
            parts.append(Part(index, unet, encoded, fuse))
        return PartsState((), size, tuple(parts))

    def after_taps(self, state: PartsState, visit: Visit) -> Tensor:
        """Return ``(B, 2, H, W)`` ab in CIE units."""
        batch = sum(len(part.rows) for part in state.parts)
        height, width = state.size
        answers = []
        for part in state.parts:
            visits = _in_turn(part.fuse, _for_rows(visit, part.rows, batch))
            answers.append((part.rows, part.unet.decode(part.encoded, visits)))
        return _gathered(answers)[:, :, :height, :width].float() * AB_SCALE

    def color(self, name: str, luma: Tensor, points: Points) -> Tensor:
        """Color pictures, or crops, by one of the networks alone: ``(B, 2, H, W)`` ab in CIE units.

        Args:
            name: ``"full"`` or ``"instance"``.
            luma: ``(B, 1, H, W)`` in [0, 100].
            points: Hints of the same size.
        """
        unet: HintUNet = getattr(self, name)
        height, width = luma.shape[-2:]
        ab = unet.decode(unet.encode(*hint_input(luma, points, self.mask_center)))
        return ab[:, :, :height, :width].float() * AB_SCALE

    def instance_features(self, luma: Tensor, points: Points) -> dict[str, Tensor]:
        """Return the maps of the instance network that are fused, by name.

        Sums "up" are kept behind their ReLU, while the fusion network fuses its own before it: the authors'
        activation works in place, and their weights are trained so.

        Args:
            luma: ``(N, 1, h, w)`` of the crops, in [0, 100].
            points: Hints in the crops.
        """
        found: dict[str, Tensor] = {}

        def keep(name: str, activation: Tensor) -> Tensor:
            found[name] = torch.relu(activation) if name.endswith("_up") else activation
            return activation

        self.instance(*hint_input(luma, points, self.mask_center), visit=keep)
        return found

    def _fusing(self, luma: Tensor, points: Points, corners: Sequence[Tensor]) -> Visit:
        """Run the instance network on all crops of all pictures, and return what fuses its maps."""
        size = (luma.shape[-2], luma.shape[-1])
        gray, hints = pad_to_multiple(luma, STRIDE), _padded(points)
        crop = (gray.shape[-2], gray.shape[-1])
        crops, given = [], []
        for row, each in enumerate(corners):
            found, one = place_boxes(each, size), slice(row, row + 1)
            crops.append(cut(gray[one], found, crop))
            given.append(cut_points(hints[one], found, crop))
        ab, mask = torch.cat([each.ab for each in given]), torch.cat([each.mask for each in given])
        features = self.instance_features(torch.cat(crops), Points(ab, mask))
        places = {stride: [place_boxes(each, size, stride) for each in corners] for stride in (1, 2, 4, 8)}

        def fuse(name: str, activation: Tensor) -> Tensor:
            return self.fuse(name, activation, features[name], places[_STRIDES[name]])

        return fuse

    def fuse(self, name: str, whole: Tensor, instances: Tensor, places: Sequence[list[Place]]) -> Tensor:
        """Fuse one map of several pictures.

        Args:
            name: Of the map.
            whole: ``(B, C, h, w)``.
            instances: ``(N, C, h', w')``, those of all pictures in turn.
            places: For each picture where its instances lie.
        """
        layer = self.layers[name]
        own = torch.split(instances, [len(each) for each in places])
        fused = [layer(whole[i : i + 1], own[i], each) for i, each in enumerate(places)]
        return torch.cat(fused)


def _corners(boxes: Boxes | None, batch: int) -> list[Tensor]:
    """Return the ``(K, 4)`` corners of the boxes that each picture has."""
    if boxes is None:
        return [torch.empty(0, 4)] * batch
    return [corners[given > 0] for corners, given in zip(boxes.corners, boxes.given, strict=True)]


def _padded(points: Points) -> Points:
    return Points(pad_with_zeros(points.ab, STRIDE), pad_with_zeros(points.mask, STRIDE))


def _gathered(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Put the rows of several parts of a batch in their order."""
    if len(parts) == 1:
        return parts[0][1]
    order = torch.cat([rows for rows, _ in parts]).argsort()
    return torch.cat([values for _, values in parts]).index_select(0, order)


def _for_rows(visit: Visit, rows: Tensor, batch: int) -> Visit:
    """Let a visit that knows a whole batch see some rows of it; the others are zeros."""
    if visit is unchanged or len(rows) == batch:
        return visit

    def some(name: str, activation: Tensor) -> Tensor:
        whole = activation.new_zeros(batch, *activation.shape[1:])
        return visit(name, whole.index_copy(0, rows, activation)).index_select(0, rows)

    return some


def _in_turn(first: Visit, second: Visit) -> Visit:
    return lambda name, activation: second(name, first(name, activation))
