"""Larsson et al. 2016."""

from knobs.knob import Knobs

_READING = "decides how colors are read from histograms; tests/parity/larsson2016.py"

KNOBS = {
    "larsson2016": Knobs(
        values={"width": 0.125},
        size=64,
        exempt={"chroma": _READING, "hue": _READING, "boost": _READING},
    )
}
