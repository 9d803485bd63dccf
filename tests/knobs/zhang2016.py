"""Zhang et al. 2016."""

from knobs.knob import Knobs

KNOBS = {
    "zhang2016": Knobs(
        base={"width": 0.125},
        values={"width": 0.25, "init_std": 0.05},
        exempt={
            "temperature": "of the annealed mean at inference; the loss reads logits",
            "prior": "a file of the user's; tests/data/test_prior.py shows that it changes the weights",
            "start": "needs a model of the same width; tests/training/test_starts.py",
        },
    )
}
