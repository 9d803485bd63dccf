"""Kang et al. 2023."""

from knobs.knob import Knobs

KNOBS = {
    "kang2023": Knobs(
        base={"chroma": 0.5},
        values={
            "size": "large",
            "width": 0.1875,
            "depth": 0.6,
            "discriminator_width": 0.1875,
            "trunk": "zhang2017_local_small",
        },
        exempt={
            "pretrained": "names weights that are not here; tests/zoo/test_kang2023.py fills an encoder",
            "perceptual_weight": "needs VGG-16, which is not here; tests/steps has a random one",
        },
        size=64,
        batch=2,
        steps=2,
    )
}
