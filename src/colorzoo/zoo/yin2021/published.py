"""Parameter names of the authors' file ``latest_net_G.pth``."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

_LEVELS = {"8": 0, "9": 1, "10": 2}
_SOURCES = {"align": "matched", "hist": "histogram"}
NAMES: tuple[Pattern, ...] = (
    (r"model_head\.", "first."),
    (r"model([1-6])\.", lambda m: f"body.{int(m[1]) - 1}."),
    (r"model7\.", "histogram.body."),
    (r"model_hist\.", "histogram.logits."),
    (r"resblock(\d)_1\.", r"levels.\1.blocks.0."),
    (r"resblock(\d)_([23])\.conv_block\.", lambda m: f"levels.{m[1]}.blocks.{int(m[2]) - 1}.layers."),
    (r"model(8|9|10)up\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.up."),
    (r"model\dshort(8|9|10)\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.skip."),
    (r"model(8|9|10)\.", lambda m: f"levels.{_LEVELS[m[1]]}.fuse."),
    (r"model_tail_(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.0."),
    (r"model_out(\d)\.0\.", lambda m: f"heads.{int(m[1]) - 1}.2."),
    (r"global_network\.model\.", "histogram.vector."),
    (r"global_network\.model_1\.0\.", "histogram.vector.6."),
    (r"ref_network_(align|hist)\.model(\d)\.", lambda m: f"{_SOURCES[m[1]]}_colors.blocks.{int(m[2]) - 1}."),
    (r"conf_feature_(align|hist)\.fc1\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.0."),
    (r"conf_feature_(align|hist)\.fc2\.0\.", lambda m: f"{_SOURCES[m[1]]}_trust.3."),
    (r"classify_network\.fc\.", "classifier."),
)
