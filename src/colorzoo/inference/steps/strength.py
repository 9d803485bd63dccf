"""The strength of all colors."""

from __future__ import annotations

from dataclasses import dataclass, replace

from colorzoo.inference.steps.colors import Colors


@dataclass(frozen=True)
class ScaleChroma:
    """The step that multiplies the chroma.

    Attributes:
        factor: The factor, 0 to 1.5.
    """

    factor: float

    def __call__(self, colors: Colors) -> Colors:
        """Return the colors with their chroma multiplied."""
        return replace(colors, ab=colors.ab * self.factor)

    def __str__(self) -> str:
        return f"times {self.factor:g}"
