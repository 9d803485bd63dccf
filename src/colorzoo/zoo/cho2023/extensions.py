"""What `cho2023_small` adds to the paper; all off in the paper's model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Extensions:
    """Extensions of GuidingPainter.

    Attributes:
        segmenter_side: Sketches with a longer shorter side are shrunk to it for f, and its logits enlarged: a
            narrow f that was trained on small pictures sees whole shapes so.
        pieces: Ask for what lines enclose instead of whole segments (`cut_segments`).
        needs: Of pieces, see `cut_segments`; measured on training pictures.
        hint_residual: The painting starts from the hints (`as_residual`).
        recolored: Share of the pictures of stage ``painter`` whose answered regions take any color
            (`recolor_answered`).
    """

    segmenter_side: int | None = None
    pieces: bool = False
    needs: tuple[float, ...] = ()
    hint_residual: bool = False
    recolored: float = 0.0
