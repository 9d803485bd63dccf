"""Li et al. 2018."""

from knobs.knob import Knobs

_AFTER = "follows the network, which trains alone; tests/zoo/test_li2018.py"

KNOBS = {
    "li2018": Knobs(
        values={"width": 0.25},
        exempt={"smoothing": _AFTER, "last_filter": _AFTER},
    )
}
