"""Patterns that rename the parameters of the authors' checkpoints."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

NAMES: tuple[Pattern, ...] = (
    (r"(?:chroma|hybrid)_vqgan\.model\.", "vqgan."),
    (r"(?:hybrid_tran|coltran)\.", "transformer."),
)
UNUSED = r"^(chroma|hybrid)_vqgan\.(?!model\.)"  # a second copy of Chroma-VQGAN
