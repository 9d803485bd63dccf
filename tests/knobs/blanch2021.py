"""Gorriz Blanch et al. 2021."""

from knobs.knob import Knobs

KNOBS = {
    "blanch2021": Knobs(
        values={
            "width": 0.25,
            "side": 48,
            "attention": "full",
            "positions": False,
            "discriminator_width": 0.25,
        }
    )
}
