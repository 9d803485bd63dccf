"""Xiao et al. 2020."""

from knobs.knob import Knobs

KNOBS = {
    "xiao2020": Knobs(
        values={"width": 0.125, "stage": "later"},
        exempt={"level": "training sees one level; tests/zoo/test_xiao2020.py colors at several"},
    )
}
