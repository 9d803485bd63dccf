"""Patterns that rename the parameters in the authors' checkpoint."""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

# VGG-19 layers after relu5_2, and a second copy of VGG-19
UNUSED = r"^colorEncoder\.vgg\.(vgg_model\.(classifier\.|features\.3[24]\.)|vgg_feature\.)"
NAMES: tuple[Pattern, ...] = (
    (r"colorEncoder\.vgg\.vgg_model\.features\.", "encoder.features.layers."),
    (r"colorEncoder\.feature2vector\.", "encoder.to_vector."),
    (r"colorUNet\.inc\.double_conv\.", "unet.inc."),
    (r"colorUNet\.(down\d)\.main\.0\.", r"unet.\1.halve.0."),
    (r"colorUNet\.(down\d)\.main\.2\.bottle_conv\.", r"unet.\1.widen."),
    (r"colorUNet\.(down\d)\.main\.2\.double_conv\.", r"unet.\1.refine."),
    (r"colorUNet\.(up\d)\.conv_cat\.", r"unet.\1.join."),
    (r"colorUNet\.(up\d)\.conv_s\.", r"unet.\1.shortcut."),
    (r"colorUNet\.(up\d)\.SDFT\.", r"unet.\1.modulated."),
    (r"colorUNet\.", "unet."),
)
