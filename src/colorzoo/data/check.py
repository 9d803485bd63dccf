"""Look at every picture before the first epoch: broken and gray ones are listed, not met in the night."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

import torch
from torch import Tensor

from colorzoo.color import rgb_to_lab
from colorzoo.data.decode import decode_rgb
from colorzoo.data.parallel import bounded_map
from colorzoo.data.progress_bar import progress_bar
from colorzoo.data.sources import Source
from colorzoo.data.verdicts import COLORED, GRAY, UNKNOWN, Verdicts, picture_keys

log = logging.getLogger(__name__)

GRAY_RANGE = 5.0
"""A picture whose ranges of a and b together stay below this is gray (Zhang et al. 2017, training code)."""
_SIDE = 32  # of what is decoded, in pixels
METHOD = f"range {GRAY_RANGE} at {_SIDE}"
"""How pictures are judged; what was remembered of another way does not count."""
_AT_ONCE = 16384  # pictures between two writings of what was found
_NOTICEABLE = 1000  # pictures that take longer than a user waits without being told


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


def check_pictures(sources: Sequence[Source], *, drop_gray: bool, known: Verdicts | None = None) -> Checked:
    """Decode every picture small, and sort out the broken and (if asked) the gray ones.

    Args:
        sources: Pictures to look at.
        drop_gray: Leave out pictures without color.
        known: What earlier checks found: only other pictures are decoded, and it learns of them on the way.
            Broken pictures are not remembered, because it may be the disk that failed.
    """
    keys = torch.zeros(len(sources), dtype=torch.int64)
    verdicts = torch.full((len(sources),), UNKNOWN, dtype=torch.int8)
    if known is not None:
        keys = picture_keys(sources, METHOD)
        verdicts = known.of(keys)
    broken: list[tuple[str, str]] = []
    unknown = (verdicts == UNKNOWN).nonzero()[:, 0]
    with _progress(len(unknown)) as advance:
        for rows in torch.split(unknown, _AT_ONCE):
            try:
                broken += _judge(sources, rows, verdicts, advance)
            finally:  # a run that is broken off goes on from here
                judged = rows[verdicts[rows] != UNKNOWN]
                if known is not None and len(judged):
                    _remember(known, keys[judged], verdicts[judged] == GRAY)
    good = verdicts == COLORED if drop_gray else verdicts != UNKNOWN
    gray = (verdicts == GRAY).nonzero()[:, 0].tolist() if drop_gray else []
    return Checked(good.nonzero()[:, 0], broken, [sources[row].name for row in gray])


def is_gray(rgb: Tensor) -> bool:
    """Say whether a ``(3, H, W)`` uint8 picture has no color worth learning."""
    ab = rgb_to_lab(rgb.float() / 255)[1:].flatten(1)
    return bool((ab.amax(1) - ab.amin(1)).sum() < GRAY_RANGE)


def _judge(
    sources: Sequence[Source], rows: Tensor, verdicts: Tensor, advance: Callable[[int], None]
) -> list[tuple[str, str]]:
    """Write the verdicts on the pictures at ``rows``; return name and reason of those that do not decode."""
    broken = []
    places = rows.tolist()
    looked = bounded_map(_verdict, (sources[row] for row in places), os.cpu_count() or 1)
    for row, verdict in zip(places, looked, strict=True):
        advance(1)
        if isinstance(verdict, str):
            broken.append((sources[row].name, verdict))
        else:
            verdicts[row] = GRAY if verdict else COLORED
    return broken


def _verdict(source: Source) -> bool | str:
    """Return whether the picture is gray, or the reason why it cannot be read."""
    try:
        with torch.inference_mode():
            return is_gray(decode_rgb(source.read(), short_side=_SIDE))
    except (OSError, ValueError, SyntaxError) as error:
        return f"{type(error).__name__}: {error}"


def _remember(known: Verdicts, keys: Tensor, gray: Tensor) -> None:
    try:
        known.add(keys, gray)
    except OSError as error:
        log.warning(
            "the check of the pictures cannot be remembered in %s (%s)", known.path, error.strerror or error
        )


def _progress(count: int) -> AbstractContextManager[Callable[[int], None]]:
    if count < _NOTICEABLE:
        return nullcontext(lambda _: None)
    return progress_bar("looking at each picture once", count)
