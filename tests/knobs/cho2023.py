"""Cho et al. 2023 and its control."""

from knobs.knob import Knobs

_NARROW = {"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}

KNOBS = {
    "cho2023": Knobs(
        base={**_NARROW, "initial_temperature": 2.0},
        values={
            "width": 0.25,
            "segmenter_width": 0.25,
            "discriminator_width": 0.25,
            "smoothness_form": "four_l1",
            "segmenter_side": 16,
            "stage": "painter",
            "stop_probability": 0.9,
        },
        exempt={
            "pieces": "what is asked at inference; training of both networks asks for whole segments",
            "recolored": "of stage painter alone; tests/zoo/test_cho2023_recolor.py",
            "needs": "orders pieces when the model asks; tests/zoo/test_cho2023.py",
        },
        steps=4,
    ),
    "cho2023_points": Knobs(base={"width": 0.125}, values={"width": 0.25, "stop_probability": 0.9}, batch=4),
}
