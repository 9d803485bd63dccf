"""Zhang et al. 2019."""

from knobs.knob import Knobs

KNOBS = {
    "zhang2019": Knobs(
        base={"truth_weight": 0.5, "warp_weight": 0.5},
        values={
            "width": 0.1875,
            "color_width": 0.25,
            "discriminator_width": 0.1875,
            "last_kernel": (3, 6),
            "training_tau": 0.1,
            "colored": 1.0,
        },
        exempt={
            "features": "no other is trained here; tests/zoo/test_exemplar_training.py asks for one",
            "donor": "needs its widths; tests/zoo/test_zhang2019.py holds the model that has one",
            "tau": "not of training; tests/zoo/test_zhang2019.py colors with both",
            "unrelated": "training always has a reference; tests/zoo/test_zhang2019.py colors without",
            "matching_lr": "moves weights after the step; tests/zoo/test_exemplar_training.py measures it",
        },
        size=48,
        batch=3,
        steps=2,
    )
}
