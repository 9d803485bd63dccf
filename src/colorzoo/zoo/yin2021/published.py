"""Patterns that rename the parameters in the authors' file ``latest_net_G.pth``."""

from __future__ import annotations

from colorzoo.networks.gated_transfer import GATED_NAMES
from colorzoo.networks.renaming import Pattern

_SOURCES = {"align": "matched", "hist": "histogram"}
NAMES: tuple[Pattern, ...] = (
    (r"model_head\.", "first."),
    (r"model7\.", "histogram.body."),
    (r"model_hist\.", "histogram.logits."),
    (r"model_tail_(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.0."),
    (r"model_out(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.2."),
    (r"global_network\.model\.", "histogram.vector."),
    (r"global_network\.model_1\.0\.", "histogram.vector.6."),
    (r"ref_network_(align|hist)\.model(\d)\.", lambda m: f"{_SOURCES[m[1]]}_colors.blocks.{int(m[2]) - 1}."),
    (r"conf_feature_(align|hist)\.fc1\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.0."),
    (r"conf_feature_(align|hist)\.fc2\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.3."),
    *GATED_NAMES,
)
