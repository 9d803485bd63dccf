"""Lee et al. 2020."""

from knobs.knob import Knobs

_VGG = "needs VGG-19; tests/steps/test_lee2020.py has a random one"

KNOBS = {
    "lee2020": Knobs(
        values={"width": 0.25, "discriminator_width": 0.25},
        exempt={"perceptual_weight": _VGG, "style_weight": _VGG},
        steps=4,
    )
}
