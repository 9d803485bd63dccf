"""Patterns that rename the parameters of the authors' file ``latest_net_G.pth``."""

from __future__ import annotations

from colorzoo.networks.gated_transfer import GATED_NAMES
from colorzoo.networks.renaming import Pattern

NAMES: tuple[Pattern, ...] = (
    (r"model_out(\d)\.", lambda m: f"heads.{int(m[1]) - 1}."),
    (r"global_network\.model\.", "histogram.shared."),
    (r"global_network\.model_(\d)\.0\.", lambda m: f"histogram.of_level.{int(m[1]) - 1}."),
    (r"ref_network\.model(\d)\.", lambda m: f"colors.blocks.{int(m[1]) - 1}."),
    (r"conf_feature\.fc(\d)\.0\.", lambda m: f"gate.{2 * int(m[1]) - 2}."),
    *GATED_NAMES,
)
