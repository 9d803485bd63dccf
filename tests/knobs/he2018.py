"""He et al. 2018."""

from knobs.knob import Knobs

KNOBS = {
    "he2018": Knobs(
        values={"width": 0.25, "color_width": 0.25, "perceptual_share": 1.0},
        exempt={"perceptual_weight": "needs a VGG-19; tests/steps/test_he2018.py trains with one"},
    )
}
