"""Settings of iColoriT and its training, as the paper's code has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Head = Literal["convolution", "linear", "attention"]


@dataclass(frozen=True)
class Architecture:
    """The transformer; the defaults are those of the published base model.

    Attributes:
        width: Channels of a token: 768 (base), 384 (S), 192 (T).
        heads: Attention heads; 64 channels each in the paper.
        depth: Blocks.
        patch: Side in pixels of the square that is one token.
        side: Side in pixels of the square to which every picture is squashed; a multiple of `patch`.
        head: How tokens become pixels: the paper's local stabilizing layer, or what it is compared with.
        mask_center: Subtracted from the hint channel; 0 in all published files.
    """

    width: int = 768
    heads: int = 12
    depth: int = 12
    patch: int = 16
    side: int = 224
    head: Head = "convolution"
    mask_center: float = 0.0


@dataclass(frozen=True)
class Objective:
    """The loss.

    Attributes:
        delta: Where the Huber loss turns linear, in ab / 110.
    """

    delta: float = 0.01


@dataclass(frozen=True)
class Users:
    """The simulated users of training.

    Attributes:
        most_hints: A picture gets 0 to this many hints, each number as likely as the others.
    """

    most_hints: int = 128
