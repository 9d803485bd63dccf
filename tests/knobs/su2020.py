"""Su et al. 2020."""

from knobs.knob import Knobs

KNOBS = {
    "su2020": Knobs(
        base={"stage": "fusion", "colorfulness": 0.3, "hints": 0.5},
        values={
            "stage": "instance",
            "width": 0.25,
            "init_std": 0.05,
            "most_boxes": 1,
            "hints": 1.0,
        },
        exempt={
            "start": "needs a trained model; tests/zoo/test_su2020.py",
            "trunk": "goes with keep_trunk and is wider than this trial; tests/zoo/test_su2020.py",
            "keep_trunk": "goes with trunk; tests/zoo/test_su2020.py",
            "random_boxes": "for images without boxes; tests/zoo/test_su2020.py",
            "detector": "finds boxes in inference alone; tests/zoo/test_su2020.py",
        },
    ),
}
