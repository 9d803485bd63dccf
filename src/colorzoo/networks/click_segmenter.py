"""Network that segments the clicked object and classifies parts of the image such as sky.

The input consists of features that a frozen ImageNet encoder computes from a grayscale image. For each click,
the network predicts several masks, because a click on a lip may mean the lip, the face or the person. It also
predicts the IoU of each mask. Segment Anything predicts the same kinds of output (Kirillov et al. 2023,
https://arxiv.org/abs/2304.02643).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.imagenet_encoder import ImageNetFeatures

PARTS = ("other", "skin", "hair", "lips", "teeth", "eyes", "clothes", "sky", "water", "plants")
"""Part names in the channel order of `SegmenterFeatures.parts`."""
SCALES = 3
"""Number of masks per click."""
_WIDTHS = (96, 64, 32)  # channels at 1/16, 1/8 and 1/4 of the size
_CLICK_WIDTHS = (40, 24)  # channels of the click head at 1/8 and 1/4
_SPREADS = (0.02, 0.05, 0.12, 0.3)  # Gaussian deviations around a click, relative to the shorter side
_PLACE = 4 + len(_SPREADS)


class SegmenterFeatures(NamedTuple):
    """Feature maps of an image, which do not depend on clicks.

    Attributes:
        coarse: ``(B, 64, h, w)`` at 1/8 of the image size.
        fine: ``(B, 32, 2 h, 2 w)`` at 1/4 of the image size.
        parts: ``(B, 10, 2 h, 2 w)`` logits of the classes in `PARTS`, such as sky.
    """

    coarse: Tensor
    fine: Tensor
    parts: Tensor


class ClickMasks(NamedTuple):
    """Object masks for one click per image, and the predicted IoU of each mask.

    Attributes:
        logits: ``(N, 3, h, w)`` mask logits at 1/4 of the image size, in no particular order.
        scores: ``(N, 3)`` predicted IoU of each mask with the best-matching true object; approximately
            in [0, 1].
    """

    logits: Tensor
    scores: Tensor


class ClickSegmenter(nn.Module):
    """Decoder for ImageNet features, with a part segmentation head and a click head."""

    def __init__(self) -> None:
        super().__init__()
        wide, middle, narrow = _WIDTHS
        self.from32 = nn.Conv2d(352, wide, 1)
        self.from16 = nn.Conv2d(120, wide, 1)
        self.from_vector = nn.Linear(1280, wide)
        self.at16 = nn.Sequential(ResidualBlock(wide), ResidualBlock(wide, dilation=2))
        self.from8 = nn.Conv2d(48, middle, 1)
        self.enlarge16 = nn.Conv2d(wide, middle, 1)
        self.at8 = ResidualBlock(middle)
        self.from4 = nn.Conv2d(24, narrow, 1)
        self.enlarge8 = nn.Conv2d(middle, narrow, 1)
        self.at4 = ResidualBlock(narrow)
        self.fine_parts = nn.Conv2d(narrow, len(PARTS), 1)
        self.coarse_parts = nn.Conv2d(middle, len(PARTS), 1)
        self.click = ClickHead()

    def forward(self, features: ImageNetFeatures) -> SegmenterFeatures:
        """Fuse the feature maps of the ImageNet encoder from coarse to fine and classify parts."""
        wide = self.from16(features.maps16) + _enlarged(self.from32(features.maps32), features.maps16)
        wide = self.at16(wide + self.from_vector(features.vector)[:, :, None, None])
        coarse = self.at8(self.from8(features.maps8) + _enlarged(self.enlarge16(wide), features.maps8))
        fine = self.at4(self.from4(features.maps4) + _enlarged(self.enlarge8(coarse), features.maps4))
        parts = self.fine_parts(F.relu(fine)) + _enlarged(self.coarse_parts(F.relu(coarse)), fine)
        return SegmenterFeatures(coarse, fine, parts)


class ClickHead(nn.Module):
    """Head that predicts object masks by comparing all positions with the clicked position."""

    def __init__(self) -> None:
        super().__init__()
        (_, middle, narrow), (coarse, fine) = _WIDTHS, _CLICK_WIDTHS
        self.coarse = Comparison(middle, coarse)
        self.fine = Comparison(narrow, fine)
        self.blocks = nn.ModuleList(
            nn.Conv2d(coarse, coarse, 3, padding=step, dilation=step) for step in (1, 2, 4)
        )
        self.enlarge = nn.Conv2d(coarse, fine, 1)
        self.last = nn.Conv2d(fine, fine, 3, padding=1)
        self.masks = nn.Conv2d(fine, SCALES, 1)
        self.score = nn.Sequential(nn.Linear(coarse * (SCALES + 1), 32), nn.ReLU(), nn.Linear(32, SCALES))

    def forward(self, features: SegmenterFeatures, clicks: Tensor) -> ClickMasks:
        """Return object masks for one click per image.

        Args:
            features: Output of `ClickSegmenter`.
            clicks: ``(B, 2)``, x and y of the clicks as fractions of width and height.
        """
        coarse = self.coarse(features.coarse, clicks)
        for block in self.blocks:
            coarse = coarse + block(F.relu(coarse))
        fine = self.fine(features.fine, clicks) + _enlarged(self.enlarge(coarse), features.fine)
        logits = self.masks(F.relu(fine + self.last(F.relu(fine))))
        shares = F.interpolate(logits, coarse.shape[2:], mode="area").sigmoid()[:, :, None]
        active = F.relu(coarse)
        inside = (active[:, None] * shares).sum((3, 4)) / (shares.sum((3, 4)) + 1)
        pooled = torch.cat([active.mean((2, 3)), inside.flatten(1)], dim=1)
        return ClickMasks(logits, self.score(pooled))


class Comparison(nn.Module):
    """Layer that compares each position with the clicked position by features and offset.

    Args:
        width: Number of input channels.
        wider: Number of output channels.
    """

    def __init__(self, width: int, wider: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(width, width, 1)
        self.product = nn.Conv2d(width, wider, 1)
        self.itself = nn.Conv2d(width, wider, 1)
        self.place = nn.Conv2d(_PLACE, wider, 1)
        self.clicked = nn.Linear(width, wider)

    def forward(self, maps: Tensor, clicks: Tensor) -> Tensor:
        """Compare the features at each position with the features at the click.

        Args:
            maps: ``(B, width, h, w)`` feature maps.
            clicks: ``(B, 2)``, x and y of one click per image as fractions of width and height.

        Returns:
            Comparison features of each position, ``(B, wider, h, w)``.
        """
        embedded = self.embed(maps)
        at = F.grid_sample(
            embedded, (2 * clicks - 1)[:, None, None], align_corners=False, padding_mode="border"
        )
        found: Tensor = (
            self.product(embedded * at / 4) + self.itself(maps) + self.place(_around(maps, clicks))
        )
        clicked: Tensor = self.clicked(at.flatten(1))
        return found + clicked[:, :, None, None]


class ResidualBlock(nn.Module):
    """Residual block with two pre-activation convolutions.

    Args:
        width: Number of input and output channels.
        dilation: Dilation of the first convolution.
    """

    def __init__(self, width: int, dilation: int = 1) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the block to maps ``(B, width, h, w)``; the shape does not change."""
        found: Tensor = self.second(F.relu(self.first(F.relu(maps))))
        return maps + found


def _around(maps: Tensor, clicks: Tensor) -> Tensor:
    """Return offsets, distance and Gaussians around a click, ``(B, 8, h, w)``.

    The unit of length is the shorter side of ``maps``.
    """
    height, width = maps.shape[2:]
    side = min(height, width)
    across = (torch.arange(width, device=maps.device) + 0.5) / side - clicks[:, :1] * width / side
    down = (torch.arange(height, device=maps.device) + 0.5) / side - clicks[:, 1:] * height / side
    x = across[:, None, :].expand(-1, height, -1)
    y = down[:, :, None].expand(-1, -1, width)
    squared = x.square() + y.square()
    near = [(-squared / (2 * spread**2)).exp() for spread in _SPREADS]
    return torch.stack([2 * x, 2 * y, 2 * x.abs(), squared.sqrt(), *near], dim=1)


def _enlarged(maps: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(maps, like.shape[2:], mode="bilinear")
