"""Patterns that rename the parameters of the author's generators for `DeOldifyNetwork`."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

NAMES: tuple[Pattern, ...] = (
    (r"layers\.0\.0\.", "encoder.conv1."),
    (r"layers\.0\.1\.", "encoder.bn1."),
    (r"layers\.0\.([4-7])\.", lambda m: f"encoder.layer{int(m[1]) - 3}."),
    (r"layers\.1\.", "norm."),
    (r"layers\.3\.", "middle."),
    (r"layers\.([4-7])\.", lambda m: f"blocks.{int(m[1]) - 4}."),
    (r"layers\.8\.(.*)\.weight_g$", r"up.\1.parametrizations.weight.original0"),
    (r"layers\.8\.(.*)\.weight_v$", r"up.\1.parametrizations.weight.original1"),
    (r"layers\.8\.", "up."),
    (r"layers\.10\.layers\.0\.0\.", "refine.first."),
    (r"layers\.10\.layers\.1\.0\.", "refine.second."),
    (r"layers\.11\.0\.", "head."),
)
