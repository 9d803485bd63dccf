"""Yun et al. 2023."""

from knobs.knob import Knobs

KNOBS = {
    "yun2023": Knobs(
        values={
            "width": 96,  # a multiple of the heads
            "heads": 4,
            "patch": 8,
            "side": 64,
            "head": "linear",
            "most_hints": 3,
            "few": 1.0,
        }
    )
}
