"""Settings of weng2022."""

from knobs.knob import Knobs

KNOBS = {"weng2022": Knobs(values={"width": 128}, exempt=("encoder_weights", "temperature"))}
