"""Lu et al. 2020."""

from knobs.knob import Knobs

_LABELS = "needs images with labels; tests/zoo/test_lu2020.py"

KNOBS = {
    "lu2020": Knobs(
        values={"width": 0.25, "reference_side": 64, "discriminator_width": 0.25, "stage": "body"},
        exempt={"class_weight": _LABELS},
    )
}
