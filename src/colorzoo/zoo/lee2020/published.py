"""Patterns that rename the parameters of the re-implementation kunkun0w0/SGA."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

NAMES: tuple[Pattern, ...] = (
    (r"decoder\.layer(\d+)\.main\.", lambda m: f"decoder.layers.{10 - int(m[1])}."),  # SGA counts down
    (r"(encoder_\w+)\.layer(\d+)\.main\.", lambda m: f"{m[1]}.layers.{int(m[2]) - 1}."),
    (r"scft\.", "transfer."),
    (r"res_model\.main\.(\d)\.main\.", r"refine.\1.layers."),
    (r"decoder\.last_conv\.", "decoder.last."),
    (r"main\.(\d)\.main\.0\.module\.weight_bar", r"discriminator.layers.\1.0.weight_orig"),
    (r"main\.(\d)\.main\.0\.module\.", r"discriminator.layers.\1.0."),
    (r"main\.(\d)\.main\.", r"discriminator.layers.\1."),
    (r"main\.", "discriminator.layers."),
)
