"""torch.export with dynamic height and width, in multiples of 32 from 64 on.

Whether a picture needs padding is decided in Python, so a graph traced without padding stays without it.
Whoever runs a graph pads outside.
"""

from __future__ import annotations

import torch
from torch.export import ExportedProgram

from colorzoo.card import ModelCard
from colorzoo.inference.export import guidance_tensors, trace
from colorzoo.tasks import ColorizationModule
from colorzoo.testing.models import (
    ContractError,
    difference,
    predict,
    require,
    sample_call,
    smoke_model,
)

_TRACED = (64, 96)
_OTHERS = ((96, 64), (64, 160))  # none of 32: torch takes a map of one row for another layout


def check_export(card: ModelCard) -> None:
    """The exported graph colors other sizes than the one it was traced at; a declared limit is real."""
    model = smoke_model(card)
    try:
        program = export(card, model)
    except Exception as error:
        if "export" in card.limits:
            return
        raise ContractError(f"{card.name}: torch.export fails: {error}") from error
    require("export" not in card.limits, f"{card.name} declares that it cannot be exported, but it can")
    graph = program.module()
    for size in _OTHERS:
        luma, guidance = sample_call(card, size, batch=2, seed=1)
        with torch.inference_mode():
            answer = graph(luma, guidance_tensors(guidance))[card.output]
        moved = difference(card, answer, predict(card, model, luma, guidance))
        require(moved < 1e-4, f"{card.name}: the exported graph differs by {moved:.2e} at {size}")


def export(card: ModelCard, model: ColorizationModule) -> ExportedProgram:
    """Export a model with all the guidance it accepts; batch, height and width are dynamic."""
    luma, guidance = sample_call(card, _TRACED, batch=2)
    return trace(model, luma, guidance)
