"""UniColor, the transformer; tests/steps/test_huang2022.py tries the settings of Chroma-VQGAN's training."""

from knobs.knob import Knobs

_COLORING = "not of training; tests/zoo/test_huang2022.py colors with two"

KNOBS = {
    "huang2022": Knobs(
        base={"rows": 4, "columns": 4, "channels": 32, "heads": 4, "everything": 0.5},
        values={
            "channels": 64,
            "multipliers": (1, 1, 1, 1, 2),
            "attention": (3,),
            "embedding": 64,
            "heads": 2,
            "fewest": 14,
            "strokes": 1,
            "hinted": 0.0,
            "everything": 0.0,
        },
        exempt={
            "top_k": _COLORING,
            "seed": _COLORING,
            "passes": "both draw the same; tests/zoo/test_huang2022.py compares them",
            "matcher": _COLORING,
            "matcher_weights": "names a file; tests/zoo/test_huang2022.py gives a missing one",
            "matched_size": _COLORING,
            "codes_of": "the other value wants trained weights; tests/zoo/test_huang2022.py is refused",
        },
        size=64,
        batch=4,
    )
}
