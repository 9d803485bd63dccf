"""Zhao et al. 2021."""

from knobs.knob import Knobs

_SIDE = "references keep their size in training; tests/zoo/test_zhao2021.py squashes some"

KNOBS = {
    "zhao2021": Knobs(
        base={"gray_share": 0.3},
        values={"width": 0.25, "features": "zhang2016_small", "gray_share": 1.0},
        exempt={
            "reference_side": _SIDE,
            "perceptual_weight": "needs a trained network; zhao2021_small has one",
        },
    ),
    "zhao2021_small": Knobs(
        base={"gray_share": 0.3},
        values={"width": 0.25, "gray_share": 1.0},
        exempt={
            "reference_side": _SIDE,
            "features": "zhao2021 tries both kinds of layers",
        },
    ),
}
