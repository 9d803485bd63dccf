"""Seeded random model inputs: lightness, sketches and every kind of guidance."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from colorzoo.card import InputKind
from colorzoo.color import rgb_to_lab
from colorzoo.guidance import Guidance
from colorzoo.guidance.kinds import guidance_kind
from colorzoo.randomness import sample_image

Size = tuple[int, int]


def sample_input(kind: InputKind, size: Size, *, batch: int = 1, seed: int = 0) -> Tensor:
    """Return random model input ``(batch, 1, *size)`` for the input kind of a model.

    The input is lightness in [0, 100] for the kind ``"gray"``, or a sketch in [0, 1] for ``"sketch"``.

    Examples:
        >>> sample_input("gray", (32, 48)).shape
        torch.Size([1, 1, 32, 48])
    """
    rgb = sample_image(size, batch=batch, seed=seed)
    if kind == "gray":
        return rgb_to_lab(rgb)[:, :1]
    return (rgb.mean(dim=1, keepdim=True) > 0.4).float()


def sample_guidance(kinds: Iterable[str], size: Size, *, batch: int = 1, seed: int = 0) -> Guidance:
    """Return random guidance of the specified kinds for ``batch`` images of equal size.

    Examples:
        >>> sample_guidance(["points"], (32, 48)).kinds()
        ('points',)
    """
    samples = {kind: guidance_kind(kind).sample(size, batch, seed) for kind in kinds}
    return Guidance().with_hints(**samples)
