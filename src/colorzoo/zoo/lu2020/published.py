"""Parameter names of the authors' file ``latest_net_G.pth``."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

_LEVELS = {"8": 0, "9": 1, "10": 2}
NAMES: tuple[Pattern, ...] = (
    (r"model([1-6])\.", lambda m: f"body.{int(m[1]) - 1}."),
    (r"resblock(\d)_1\.", r"levels.\1.blocks.0."),
    (r"resblock(\d)_([23])\.conv_block\.", lambda m: f"levels.{m[1]}.blocks.{int(m[2]) - 1}.layers."),
    (r"model(8|9|10)up\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.up."),
    (r"model\dshort(8|9|10)\.0\.", lambda m: f"levels.{_LEVELS[m[1]]}.skip."),
    (r"model(8|9|10)\.", lambda m: f"levels.{_LEVELS[m[1]]}.fuse."),
    (r"model_out(\d)\.", lambda m: f"heads.{int(m[1]) - 1}."),
    (r"global_network\.model\.", "histogram.shared."),
    (r"global_network\.model_(\d)\.0\.", lambda m: f"histogram.of_level.{int(m[1]) - 1}."),
    (r"ref_network\.model(\d)\.", lambda m: f"colors.blocks.{int(m[1]) - 1}."),
    (r"conf_feature\.fc(\d)\.0\.", lambda m: f"gate.{2 * int(m[1]) - 2}."),
    (r"classify_network\.fc\.", "classifier."),
)
