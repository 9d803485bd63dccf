"""The transfer sub-net of Xu et al. 2020: a VGG-19 encoder, a decoder with skips, and ten places between.

At each place a function may change the map. One that only looks gives the statistics of a reference; one that
matches moments gives the transfer. Both run through the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from colorzoo.networks.hint_unet import scaled_width
from colorzoo.zoo.xu2020.transforms import Moments, match_moments, moments

STRIDE, SMALLEST = 8, 16
"""Sides are multiples of 8; below 16 the deepest map would be too small for reflection."""

PLACES = (
    *("encoder1", "encoder2", "encoder3", "encoder4"),
    *("skip1", "skip2", "skip3"),
    *("decoder3", "decoder2", "decoder1"),
)
"""The ten places in the published order; each belongs to the set that its name begins with."""

PLACE_SETS = ("encoder", "skip", "decoder")
BOTTOM = "bottom"
"""The decoder's entry: an eleventh place, used only when the encoder's own places are off."""

_IMAGENET_MEAN, _IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_BASES = (64, 128, 256, 512)
Adapt = Callable[[str, Tensor], Tensor]
"""Name of a place and the map there in, the map to go on with out."""


class EncoderMaps(NamedTuple):
    """What the encoder hands to the decoder.

    Attributes:
        bottom: relu4_1, ``(B, 512w, H/8, W/8)``.
        pools: pool1 to pool3, as adapted for the decoder.
        maps: conv1_2, conv2_2 and conv3_4, the full maps beside them.
    """

    bottom: Tensor
    pools: tuple[Tensor, Tensor, Tensor]
    maps: tuple[Tensor, Tensor, Tensor]


class ReflectConv(nn.Module):
    """A 3 x 3 convolution of stride 1 over a picture continued by reflection.

    Args:
        in_channels: Channels that come in.
        out_channels: Channels that go out.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``(B, C, H, W)``; height and width stay, and must be at least 2."""
        with torch.autocast(x.device.type, enabled=False):  # which would pad in float32
            padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
        answer: Tensor = self.conv(padded)
        return answer


class Encoder(nn.Module):
    """VGG-19 to relu4_1 with average pooling and reflection, on RGB in [0, 1].

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.conv0: nn.Conv2d = nn.Conv2d(3, 3, 1)
        self.conv1_1, self.conv1_2 = ReflectConv(3, c1), ReflectConv(c1, c1)
        self.conv2_1, self.conv2_2 = ReflectConv(c1, c2), ReflectConv(c2, c2)
        self.conv3_1, self.conv3_2 = ReflectConv(c2, c3), ReflectConv(c3, c3)
        self.conv3_3, self.conv3_4 = ReflectConv(c3, c3), ReflectConv(c3, c3)
        self.conv4_1 = ReflectConv(c3, c4)

    @torch.no_grad()
    def normalize_imagenet(self) -> None:
        """Let the first layer subtract the mean color of ImageNet and divide by its deviation."""
        deviation = torch.tensor(_IMAGENET_STD)
        self.conv0.weight.copy_(torch.diag(1 / deviation)[:, :, None, None])
        assert self.conv0.bias is not None
        self.conv0.bias.copy_(-torch.tensor(_IMAGENET_MEAN) / deviation)

    def forward(self, rgb: Tensor, adapt: Adapt) -> EncoderMaps:
        """Encode ``(B, 3, H, W)``; the next level goes on from what ``adapt`` makes of the last."""
        x = adapt("encoder1", F.relu(self.conv1_1(self.conv0(rgb))))
        map1 = F.relu(self.conv1_2(x))
        pool1 = F.avg_pool2d(map1, 2)
        x = adapt("encoder2", F.relu(self.conv2_1(pool1)))
        map2 = F.relu(self.conv2_2(x))
        pool2 = F.avg_pool2d(map2, 2)
        x = adapt("encoder3", F.relu(self.conv3_1(pool2)))
        map3 = F.relu(self.conv3_4(F.relu(self.conv3_3(F.relu(self.conv3_2(x))))))
        pool3 = F.avg_pool2d(map3, 2)
        bottom = adapt("encoder4", F.relu(self.conv4_1(pool3)))
        pools = adapt("skip1", pool1), adapt("skip2", pool2), adapt("skip3", pool3)
        return EncoderMaps(bottom, pools, (map1, map2, map3))


class Decoder(nn.Module):
    """Three times: convolve, double, join with both skips of that level, convolve.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.conv4_1, self.conv3_4_2 = ReflectConv(c4, c3), ReflectConv(3 * c3, c3)
        self.conv3_3, self.conv3_2 = ReflectConv(c3, c3), ReflectConv(c3, c3)
        self.conv3_1, self.conv2_2_2 = ReflectConv(c3, c2), ReflectConv(3 * c2, c2)
        self.conv2_1, self.conv1_2_2 = ReflectConv(c2, c1), ReflectConv(3 * c1, c1)
        self.conv1_1 = ReflectConv(c1, 3)

    def forward(self, encoded: EncoderMaps, adapt: Adapt) -> Tensor:
        """Return RGB ``(B, 3, H, W)``, not clamped."""
        rgb: Tensor = self.conv1_1(self.body(encoded, adapt))
        return rgb

    def body(self, encoded: EncoderMaps, adapt: Adapt) -> Tensor:
        """Return the features ``(B, 64w, H, W)`` before the last convolution."""
        x = F.relu(self.conv4_1(adapt(BOTTOM, encoded.bottom)))
        x = F.relu(self.conv3_4_2(_join(x, encoded, 2)))
        x = F.relu(self.conv3_2(F.relu(self.conv3_3(x))))
        x = F.relu(self.conv3_1(adapt("decoder3", x)))
        x = F.relu(self.conv2_2_2(_join(x, encoded, 1)))
        x = F.relu(self.conv2_1(adapt("decoder2", x)))
        x = F.relu(self.conv1_2_2(_join(x, encoded, 0)))
        return adapt("decoder1", x)


def _join(x: Tensor, encoded: EncoderMaps, level: int) -> Tensor:
    """Double a map and put it beside the pooled (doubled too) and the full map of a level of the encoder."""
    low = torch.cat([x, encoded.pools[level].to(x.dtype)], dim=1)
    high = F.interpolate(low, scale_factor=2, mode="nearest")
    return torch.cat([high, encoded.maps[level].to(x.dtype)], dim=1)


class TransferNetwork(nn.Module):
    """Gives a picture the colors of a reference by matching moments at ten places.

    Args:
        width: Multiplier of every channel count; 1.0 is the published network.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.encoder, self.decoder = Encoder(width), Decoder(width)
        c1, c2, c3, c4 = (scaled_width(base, width) for base in _BASES)
        self.channels = dict(zip(PLACES, (c1, c2, c3, c4, c1, c2, c3, c3, c2, c1), strict=True))

    def forward(self, rgb: Tensor, adapt: Adapt | None = None) -> Tensor:
        """Return ``(B, 3, H, W)``, not clamped: the transfer, or a plain reconstruction without ``adapt``.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], any size.
            adapt: What to do at the places.
        """
        height, width = rgb.shape[-2:]
        adapt = adapt or keep
        answer: Tensor = self.decoder(self.encoder(pad_picture(rgb), adapt), adapt)
        return answer[:, :, :height, :width].float()

    def look(self, rgb: Tensor) -> Tensor:
        """Return the moments of a reference at the ten places, ``(B, 2, 1856w)`` float32: all it takes.

        Args:
            rgb: ``(B, 3, H, W)`` in [0, 1], any size.
        """
        seen: dict[str, Moments] = {}

        def record(place: str, maps: Tensor) -> Tensor:
            if place != BOTTOM:
                seen[place] = moments(maps)
            return maps

        self.decoder.body(self.encoder(pad_picture(rgb), record), record)
        return self.join_look(seen)

    def style_maps(self, rgb: Tensor) -> dict[str, Tensor]:
        """Return the feature maps of a reference at the ten places, for transforms that need more."""
        seen: dict[str, Tensor] = {}

        def record(place: str, maps: Tensor) -> Tensor:
            seen[place] = maps
            return maps

        self.decoder.body(self.encoder(pad_picture(rgb), record), record)
        return seen

    def join_look(self, seen: Mapping[str, Moments]) -> Tensor:
        """Return the look ``(B, 2, 1856w)`` of the moments by place."""
        parts = [torch.cat([seen[place].mean, seen[place].std], dim=3).squeeze(2) for place in PLACES]
        return torch.cat(parts, dim=1).transpose(1, 2)

    def split_look(self, look: Tensor) -> dict[str, Moments]:
        """Return the moments by place of a look ``(B, 2, 1856w)``."""
        parts = torch.split(look, [self.channels[place] for place in PLACES], dim=2)
        return {
            place: Moments(part[:, 0, :, None, None], part[:, 1, :, None, None])
            for place, part in zip(PLACES, parts, strict=True)
        }


def keep(place: str, maps: Tensor) -> Tensor:
    """Change nothing at any place."""
    del place
    return maps


def match_look(
    targets: Mapping[str, Moments], sets: tuple[str, ...] = PLACE_SETS, alpha: Tensor | float = 1.0
) -> Adapt:
    """Return what matches moments at the places of the given sets.

    Args:
        targets: Moments by place, see `TransferNetwork.split_look`.
        sets: Of `PLACE_SETS` (the paper's figure 5 compares them).
        alpha: See `match_moments`.
    """

    def adapt(place: str, maps: Tensor) -> Tensor:
        known = place_of(place, sets)
        return maps if known is None else match_moments(maps, targets[known], alpha)

    return adapt


def place_of(place: str, sets: tuple[str, ...]) -> str | None:
    """Return the place whose statistics are due here, or None where the map stays as it is."""
    if place == BOTTOM:
        return None if "encoder" in sets or "decoder" not in sets else "encoder4"
    return place if place.rstrip("1234") in sets else None


def pad_picture(rgb: Tensor) -> Tensor:
    """Repeat the last row and column until both sides suit the encoder."""
    height, width = rgb.shape[-2:]
    rows, columns = -height % STRIDE, -width % STRIDE
    rows += SMALLEST - STRIDE if height + rows < SMALLEST else 0
    columns += SMALLEST - STRIDE if width + columns < SMALLEST else 0
    return F.pad(rgb, (0, columns, 0, rows), mode="replicate")
