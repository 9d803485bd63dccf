"""What is known of a picture at the size at which the network sees it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from colorzoo.inference.areas import LumaShift
from colorzoo.inference.sketches import painted_luma


@dataclass(frozen=True)
class Solved:
    """What is known of a picture at the network's size.

    Attributes:
        ab: ``(2, h, w)`` in CIE units, strength, points and areas applied.
        extras: The model's further maps, such as ``"logits"``.
        notes: What the user should know, such as ignored guidance.
        painted: ``(1, 1, h, w)``, the lightness of a painted sketch; None for models that keep the picture's.
        shift: How areas move the picture's lightness.
        held: ``(h, w)`` in [0, 1], where areas keep the colors; None if none does.
    """

    ab: Tensor
    extras: Mapping[str, Tensor]
    notes: tuple[str, ...] = ()
    painted: Tensor | None = None
    shift: LumaShift = field(default_factory=LumaShift)
    held: Tensor | None = None

    def luma(self, luma: Tensor, seen: Tensor) -> Tensor:
        """Return the lightness ``(1, 1, H, W)`` of the result: the picture's own, or a painting's.

        Args:
            luma: The picture's, at the size of the result.
            seen: The picture's at the network's size.
        """
        return self.shift.on(luma) if self.painted is None else painted_luma(luma, seen, self.painted)
