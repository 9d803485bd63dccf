"""Patterns that rename the 280 keys of the authors' checkpoint for `GuidingPainter`."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

_UNETS = {"segmentator": "segmenter", "colorizer": "colorizer"}
_UNET = r"generator\.(segmentator|colorizer)\."

NAMES: tuple[Pattern, ...] = (
    (r"discriminator\.model\.", "discriminator.layers."),
    (rf"{_UNET}inc\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.start."),
    (rf"{_UNET}down(\d)\.maxpool_conv\.1\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.down.{int(m[2]) - 1}."),
    (rf"{_UNET}up(\d)\.conv\.double_conv\.", lambda m: f"{_UNETS[m[1]]}.up.{int(m[2]) - 1}."),
    (rf"{_UNET}outc\.conv\.", lambda m: f"{_UNETS[m[1]]}.head."),
)
