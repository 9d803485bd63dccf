"""Patterns that rename the parameters in the authors' three files, one file per network.

Fusion network keys have the prefix ``module.`` from multi-GPU training.
"""

from __future__ import annotations

from colorzoo.networks.hint_unet import HINT_UNET_NAMES
from colorzoo.networks.renaming import Pattern

NETWORKS = {"netGComp": "full", "netG": "instance", "netGF": "fusion"}
"""Map from key prefixes of the published files to network names."""

UNUSED = r"\.weight_layerout\."
_LAYERS = {
    "": "1_2",
    **{str(number): f"{number}_{2 if number == 2 else 3}" for number in range(2, 8)},
    "8_1": "8_up",
    "8_2": "8_3",
    "9_1": "9_up",
    "9_2": "9_3",
    "10_1": "10_up",
    "10_2": "10_2",
}
_SCORES = {"instance": "instance", "bg": "background"}

NAMES: tuple[Pattern, ...] = (
    (
        r"netGF\.(?:module\.)?weight_layer(\d*(?:_\d)?)\.simple_(instance|bg)_conv\.",
        lambda m: f"layers.{_LAYERS[m[1]]}.{_SCORES[m[2]]}.",
    ),
    *(
        (rf"{file}\.(?:module\.)?{theirs}", rf"{network}.{ours}")
        for file, network in NETWORKS.items()
        for theirs, ours in HINT_UNET_NAMES
    ),
)
