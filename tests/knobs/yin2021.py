"""Yin et al. 2021."""

from knobs.knob import Knobs

_LABELS = "needs images with labels; tests/zoo/test_lu2020.py"

KNOBS = {
    "yin2021": Knobs(
        values={"width": 0.25, "reference_side": 32, "dropout": 0.5, "discriminator_width": 0.25},
        exempt={"class_weight": _LABELS},
    )
}
