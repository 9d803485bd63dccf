"""Patterns that rename the parameters of the authors' file ``autocolorize.caffemodel.h5``.

In this Caffe file, ``data/LAYER/0`` is the weight of a layer, and ``data/LAYER/1`` is its bias. Some layers
have other names in files of the authors' training network. Bilinear deconvolution kernels
(``..._full_reshaped``) are not loaded.
"""

from __future__ import annotations

from colorzoo.networks.renaming import Pattern

UNUSED = "_full_reshaped/0$"
_PARTS = {"0": "weight", "1": "bias"}

NAMES: tuple[Pattern, ...] = (
    (r"data/(conv\d_\d|fc[67])/([01])$", lambda m: f"trunk.{m[1]}.conv.{_PARTS[m[2]]}"),
    (r"data/(?:h|colorize)_fc1/([01])$", lambda m: f"hidden.{_PARTS[m[1]]}"),
    (r"data/prediction_h4?/([01])$", lambda m: f"hue.{_PARTS[m[1]]}"),
    (r"data/prediction_c4?/([01])$", lambda m: f"chroma.{_PARTS[m[1]]}"),
)
