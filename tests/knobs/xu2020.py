"""Xu et al. 2020."""

from knobs.knob import Knobs

_EXEMPT = {
    "start": "needs a trained model; tests/zoo/test_xu2020.py",
    "transfer_error": "weighs transferred colors in inference alone; tests/zoo/test_xu2020.py",
}
_DECODER = ("image_weight", "perceptual_weight")

KNOBS = {
    "xu2020": Knobs(
        base={
            "width": 0.125,
            "color_width": 0.125,
            "grid_share": 0.2,
            "transferred_share": 0.5,
            "none_share": 0.1,
        },
        values={
            "color_width": 0.25,
            "places": ("encoder",),
            "stage": "exposure",
            "none_share": 1.0,
            "grid_share": 0.5,
            "transferred_share": 0.0,
        },
        exempt={
            **_EXEMPT,
            **dict.fromkeys(_DECODER, "of stage decoder; tests/steps/test_xu2020.py tries them there"),
            "backbone": "has another width than this trial; tests/zoo/test_xu2020.py",
        },
        batch=6,
    ),
}
