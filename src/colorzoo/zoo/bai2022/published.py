"""Patterns that rename the parameters of the authors' six networks.

The authors published code, but no weights.
"""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

FILES = {f"latest_net_{name}.pth": name for name in ("E", "VE", "VD", "CLS", "A", "D")}
"""Map from file names in the authors' code to key prefixes."""

NAMES: tuple[Pattern, ...] = (
    (r"E\.enc_0\.", "encoder.first."),
    (r"E\.enc_(\d)\.", lambda m: f"encoder.blocks.{int(m[1]) - 1}."),
    (r"E\.shared\.1\.", "encoder.shared."),
    (r"E\.", "encoder."),
    (r"VE\.enc_(\d)\.", lambda m: f"content.{int(m[1]) - 1}."),
    (r"VD\.norm(\d)\.", lambda m: f"style_decoder.norms.{int(m[1]) - 1}."),
    (r"VD\.dec_(\d)\.", lambda m: f"style_decoder.layers.{int(m[1]) - 1}."),
    (r"CLS\.fc\.", "classifier."),
    (r"A\.w_v\.", "aligner.values."),
    (r"A\.model(\d)\.", r"aligner.blocks.\1."),
    (r"D\.block(\d)_1\.", r"decoder.levels.\1.blocks.0."),
    (r"D\.resblock(\d)_([23])\.", lambda m: f"decoder.levels.{m[1]}.blocks.{int(m[2]) - 1}."),
    (r"D\.model(\d)up\.0\.", r"decoder.levels.\1.up."),
    (r"D\.modelshort(\d)\.0\.", r"decoder.levels.\1.skip."),
    (r"D\.model(\d)\.", r"decoder.levels.\1.fuse."),
    (r"D\.model_out\.0\.", "decoder.ab."),
    (r"D\.model_class\.0\.", "decoder.logits."),
)
