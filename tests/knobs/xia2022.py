"""Xia et al. 2022."""

from knobs.knob import Knobs

_AFTER = "chooses among colors that training does not choose; tests/zoo/test_xia2022.py"

KNOBS = {
    "xia2022": Knobs(
        base={"anchors": 2, "dropout": 0.2},
        values={"width": 0.25, "stage": "superpixels"},
        size=48,
        exempt={
            "alternative": _AFTER,
            "seed": "starts k-means of images to color; tests/zoo/test_xia2022.py",
            "perceptual_weight": "needs a VGG-19; tests/steps/test_xia2022.py trains with one",
        },
    )
}
