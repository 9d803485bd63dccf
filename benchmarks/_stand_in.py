"""What stands in for LPIPS where its weights are not to be had: distances of features of embedded networks.

As in LPIPS, maps are normalized along their channels, subtracted and squared; its learned weights of channels
are missing, and the features are those of a colorizer, not of a classifier. So numbers compare only with
others of the same features, and a model must not be judged by features of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo import create_model

SIDE = 64


@dataclass(frozen=True)
class View:
    """How a network of gray or color pictures looks at color.

    Attributes:
        title: In words, for a page.
        blocks: Names of the parts of the network whose maps count.
        look: Runs the model on a picture ``(1, 3, 64, 64)`` in [0, 1].
    """

    title: str
    blocks: tuple[str, ...]
    look: Callable[[Any, Tensor], object]


VIEWS = {
    "zhang2016_small": View(
        "trunk of the embedded zhang2016_small on R, G and B as lightness",
        ("block2", "block4", "block7"),
        lambda model, rgb: model(100 * rgb.transpose(0, 1)),
    ),
    "xu2020_small": View(
        "encoder of the embedded xu2020_small on RGB",
        tuple(f"transfer.encoder.{name}" for name in ("conv2_2", "conv3_4", "conv4_1")),
        lambda model, rgb: model.features(rgb),
    ),
    "cho2023_small": View(
        "segmenter of the embedded cho2023_small on R, G and B as sketches",
        ("segmenter.down.0", "segmenter.down.1", "segmenter.down.2"),
        lambda model, rgb: model.network.divide(rgb.transpose(0, 1)),
    ),
}


class Looker:
    """Features of an embedded network.

    Args:
        name: One of `VIEWS`.
    """

    def __init__(self, name: str = "zhang2016_small") -> None:
        self._view = VIEWS[name]
        self._model = create_model(name, offline=True).eval()
        self._maps: list[Tensor] = []
        for block in self._view.blocks:
            part = self._model.network.get_submodule(block)
            part.register_forward_hook(lambda _m, _i, out: self._maps.append(out))

    def __call__(self, rgb: Tensor) -> list[Tensor]:
        """Return maps ``(3, C, h, w)`` or ``(1, C, h, w)`` of a picture ``(1, 3, H, W)``."""
        self._maps.clear()
        with torch.inference_mode():
            self._view.look(self._model, F.interpolate(rgb, size=(SIDE, SIDE), mode="area"))
        return list(self._maps)

    def distance(self, rgb: Tensor, truth: Tensor) -> float:
        """Return how far a picture looks from another one; 0 for the same."""
        return distance(self(rgb), self(truth))


def in_words(name: str = "zhang2016_small") -> str:
    """Return what the features of a `Looker` are, for a page."""
    return f"{VIEWS[name].title}, {SIDE} x {SIDE} pixels"


def distance(maps: Sequence[Tensor], truth: Sequence[Tensor]) -> float:
    """Return the mean squared distance of channel-normalized maps: LPIPS without its learned weights."""
    steps = [F.normalize(a.float()) - F.normalize(b.float()) for a, b in zip(maps, truth, strict=True)]
    return float(sum(step.square().sum(1).mean() for step in steps))
