"""Zhang et al. 2017."""

from knobs.knob import Knobs

_EXEMPT = {
    "start": "needs a model of the same width; tests/training/test_starts.py",
}
_LOCAL = {"width": 0.125, "init_std": None, "reveal_all": 0.3}
_VALUES = {
    "width": 0.25,
    "init_std": 0.1,
    "stop_probability": 0.9,
    "hints": 0.0,
    "many": 1.0,
    "everywhere": 1.0,
    "reveal_all": 1.0,
}

KNOBS = {
    "zhang2017_local": Knobs(
        base={**_LOCAL, "stage": "joint"},
        values={**_VALUES, "stage": "regression"},
        exempt=_EXEMPT,
    ),
    "zhang2017_global": Knobs(
        base={"width": 0.125, "init_std": None, "histogram_share": 1.0, "saturation_share": 1.0},
        values={
            "width": 0.25,
            "init_std": 0.1,
            "histogram_share": 0.0,
            "saturation_share": 0.0,
            "trunk": "zhang2017_local_small",
        },
        exempt=_EXEMPT,
    ),
}
