"""Look at every picture before the first epoch: broken and gray ones are listed, not met in the night."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.data.sources import Source

GRAY_RANGE = 5.0
"""A picture whose ranges of a and b together stay below this is gray (Zhang et al. 2017, training code)."""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        good: Pictures to use, in their old order.
        broken: Name and reason of each picture that does not decode.
        gray: Names of the pictures without color.
    """

    good: list[Source]
    broken: list[tuple[str, str]] = field(default_factory=list)
    gray: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Return one line per kind of fault, naming the first few pictures."""
        lines = []
        if self.broken:
            shown = "; ".join(f"{name} ({why})" for name, why in self.broken[:5])
            lines.append(f"skipped {len(self.broken)} broken picture(s): {shown}")
        if self.gray:
            lines.append(f"skipped {len(self.gray)} gray picture(s): {'; '.join(self.gray[:5])}")
        return "\n".join(lines)


def check_pictures(sources: Sequence[Source], *, drop_gray: bool, threads: int = 2) -> Checked:
    """Decode every picture small, and sort out the broken and (if asked) the gray ones.

    Args:
        sources: Pictures to look at.
        drop_gray: Leave out pictures without color.
        threads: Decoding releases the interpreter lock, so threads help.
    """
    with ThreadPoolExecutor(threads) as pool:
        verdicts = list(pool.map(_verdict, sources))
    checked = Checked([])
    for source, verdict in zip(sources, verdicts, strict=True):
        if isinstance(verdict, str):
            checked.broken.append((source.name, verdict))
        elif drop_gray and verdict:
            checked.gray.append(source.name)
        else:
            checked.good.append(source)
    return checked


def is_gray(rgb: Tensor) -> bool:
    """Say whether a ``(3, H, W)`` uint8 picture has no color worth learning."""
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1)
    return bool((ab.amax(1) - ab.amin(1)).sum() < GRAY_RANGE)


def _verdict(source: Source) -> bool | str:
    """Return whether the picture is gray, or the reason why it cannot be read."""
    try:
        with torch.inference_mode():
            return is_gray(decode_rgb(source.read(), short_side=32))
    except (OSError, ValueError, SyntaxError) as error:
        return f"{type(error).__name__}: {error}"
