"""Iizuka et al. 2016."""

from knobs.knob import Knobs

KNOBS = {
    "iizuka2016": Knobs(
        values={"width": 0.25, "scene_side": 64},
        exempt={
            "class_weight": "needs images with labels; tests/steps/test_iizuka2016.py",
            "classes": "needs images with labels; tests/steps/test_iizuka2016.py",
        },
    )
}
