"""Ci et al. 2018."""

from knobs.knob import Knobs

KNOBS = {
    "ci2018_small": Knobs(values={"width": 0.25, "blocks": (1, 1, 2, 1), "hints": 0.0}, base={"hints": 1.0})
}
