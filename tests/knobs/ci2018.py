"""Ci et al. 2018."""

from knobs.knob import Knobs

KNOBS = {
    "ci2018": Knobs(
        base={"hints": 1.0},
        values={
            "width": 0.25,
            "blocks": (1, 1, 2, 1),
            "discriminator_width": 0.25,
            "hints": 0.0,
        },
        exempt={
            "discriminator_side": "fits images of one size; tests/steps/test_ci2018.py",
            "content_weight": "needs VGG-16; tests/steps/test_ci2018.py has a random one",
            "i2v_weights": "needs Illustration2Vec; tests/steps/test_ci2018.py makes a file",
            "local_features": "Illustration2Vec is not here; tests/steps/test_ci2018.py",
        },
        size=64,
        batch=2,
        steps=4,
    ),
    "ci2018_small": Knobs(
        values={"width": 0.25, "blocks": (1, 1, 2, 1), "hints": 0.0, "local_features": "illustration2vec"},
        base={"hints": 1.0},
        exempt={
            "discriminator_width": "the small form has no critic",
            "discriminator_side": "the small form has no critic",
        },
    ),
}
