"""Bai et al. 2022."""

from knobs.knob import Knobs

_LABELS = "needs images with labels; tests/zoo/test_bai2022.py"

KNOBS = {
    "bai2022": Knobs(
        values={"width": 0.25, "side": 192},
        exempt={"class_weight": _LABELS},
        size=32,
    )
}
