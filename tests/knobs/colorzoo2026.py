"""colorzoo2026."""

from knobs.knob import Knobs

KNOBS = {
    "colorzoo2026": Knobs(
        values={
            "stem": (8, 8),
            "widths": (16, 32, 64),
            "blocks": (1, 2, 1),
            "heads": 3,
            "label_count": 5,
        },
        exempt={"labels": "needs a data set with classes; the label head is created by label_count"},
        size=32,
    )
}
