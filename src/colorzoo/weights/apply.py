"""Put weights into a model, strictly."""

from __future__ import annotations


def load_strict(module, sd):
    module.load_state_dict(sd, strict=True)
