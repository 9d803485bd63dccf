"""Look at every picture before the first epoch: broken and gray ones are listed, not met in the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.data.parallel import bounded_map
from colorzoo.data.sources import Source

GRAY_RANGE = 5.0
"""A picture whose ranges of a and b together stay below this is gray (Zhang et al. 2017, training code)."""


@dataclass(frozen=True)
class Checked:
    """What a check found.

    Attributes:
        rows: Places of the pictures to use, int64.
        broken: Name and reason of each picture that does not decode.
        gray: Names of the pictures without color.
    """

    rows: Tensor
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
    good = torch.ones(len(sources), dtype=torch.bool)
    broken: list[tuple[str, str]] = []
    gray: list[str] = []
    for row, verdict in enumerate(bounded_map(_verdict, sources, threads)):
        if isinstance(verdict, str):
            broken.append((sources[row].name, verdict))
        elif drop_gray and verdict:
            gray.append(sources[row].name)
        else:
            continue
        good[row] = False
    return Checked(good.nonzero()[:, 0], broken, gray)


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
