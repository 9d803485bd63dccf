"""STEGO, the segmenter of SPColor: DINO's ViT-B/8, a small head, clusters (Hamilton et al. 2022)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.clusters import Classified

CLUSTERS = 27
_CODE = 90
_PATCH = 8
_SIDE = 256
"""Side of the squares that it sees."""
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_NUDGE = 0.1  # DINO's guard against rounding; the published maps carry its shift


class DinoBackbone(nn.Module):
    """timm's ``vit_base_patch8_224.dino`` on squares of any size, its positions enlarged as DINO does."""

    def __init__(self) -> None:
        super().__init__()
        import timm

        self.vit: Any = timm.create_model("vit_base_patch8_224.dino", pretrained=False, num_classes=0)

    def positions(self, grid: tuple[int, int]) -> Tensor:
        """Return the position table ``(1, 1 + h * w, 768)``, the class token's first."""
        table: Tensor = self.vit.pos_embed
        side = round((table.shape[1] - 1) ** 0.5)
        if grid == (side, side):
            return table
        square = table[:, 1:].transpose(1, 2).reshape(1, -1, side, side)
        factors = [(wanted + _NUDGE) / side for wanted in grid]
        larger = F.interpolate(square, scale_factor=factors, mode="bicubic", recompute_scale_factor=False)
        return torch.cat([table[:, :1], larger.flatten(2).transpose(1, 2)], dim=1)

    def forward(self, image: Tensor) -> Tensor:
        """Return ``(B, 768, H/8, W/8)`` features of normalized RGB ``(B, 3, H, W)``."""
        patches = self.vit.patch_embed.proj(image)
        grid = patches.shape[-2:]
        first = self.vit.cls_token.expand(len(image), -1, -1)
        tokens = torch.cat([first, patches.flatten(2).transpose(1, 2)], dim=1) + self.positions(tuple(grid))
        tokens = self.vit.norm(self.vit.blocks(tokens))
        maps: Tensor = tokens[:, 1:].transpose(1, 2)
        return maps.reshape(len(image), -1, *grid)


class StegoHead(nn.Module):
    """From DINO's features to a code, the centers of 27 clusters, and the supervised probe."""

    clusters: Tensor

    def __init__(self) -> None:
        super().__init__()
        width = 768
        self.linear_code = nn.Conv2d(width, _CODE, 1)
        self.bent_code = nn.Sequential(nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, _CODE, 1))
        self.register_buffer("clusters", torch.randn(CLUSTERS, _CODE))
        self.linear = nn.Conv2d(_CODE, CLUSTERS, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Return the code ``(B, 90, h, w)``."""
        code: Tensor = self.linear_code(features) + self.bent_code(features)
        return code


class StegoEncoder(nn.Module):
    """From RGB to STEGO's code; frozen."""

    reads_trunk = False
    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.head = DinoBackbone(), StegoHead()
        self.register_buffer("mean", torch.tensor(_MEAN).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(_STD).view(3, 1, 1), persistent=False)

    def forward(self, rgb: Tensor, deep: Tensor) -> Tensor:
        """Return the code of a picture, ``(B, 90, 32, 32)`` for a square of 256, else at its size.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1]; gray where the picture is.
            deep: Not needed; STEGO has its own backbone.
        """
        del deep
        size = tuple(rgb.shape[-2:])
        if size != (_SIDE, _SIDE):
            rgb = F.interpolate(rgb, size=(_SIDE, _SIDE), mode="bilinear", align_corners=False)
        code: Tensor = self.head(self.backbone((rgb - self.mean) / self.std))
        if size != (_SIDE, _SIDE):
            code = F.interpolate(code, size=size, mode="bilinear", align_corners=False)
        return code

    @property
    def centers(self) -> Tensor:
        """The centers ``(27, 90)`` of its clusters."""
        return self.head.clusters


class SupervisedStego(nn.Module):
    """STEGO with the supervised linear probe instead of the clusters (SPColor, Table IV).

    The published code takes log-probabilities for confidences, which turns similarities negative; here they
    are probabilities.
    """

    def __init__(self) -> None:
        super().__init__()
        self.encode = StegoEncoder()

    def forward(self, rgb: Tensor, deep: Tensor) -> Classified:
        """Return class and probability of each place; see `StegoEncoder`."""
        logits = self.encode.head.linear(self.encode(rgb, deep))
        confidence, labels = torch.softmax(logits, dim=1).max(dim=1, keepdim=True)
        return Classified(labels, confidence)
