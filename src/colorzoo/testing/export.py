"""torch.export with dynamic height and width, in multiples of 32.

Whether a picture needs padding is decided in Python, so a graph traced without padding stays without it.
Whoever runs a graph pads outside.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from colorzoo.card import ModelCard
from colorzoo.guidance import Guidance
from colorzoo.tasks import ColorizationModule
from colorzoo.testing.models import (
    ContractError,
    difference,
    picture,
    predict,
    require,
    sample_call,
    smoke_model,
)

_TRACED = (64, 96)
_OTHERS = ((96, 64), (32, 128))


class TensorsOnly(nn.Module):
    """A model whose guidance is spread out into plain tensors, as exported graphs need.

    Args:
        card: The model's card.
        model: The model.
        template: Guidance that says which kinds and fields the tensors fill, in order.
    """

    def __init__(self, card: ModelCard, model: ColorizationModule, template: Guidance) -> None:
        super().__init__()
        self.card, self.model, self.template = card, model, template

    def forward(self, luma: Tensor, guidance: list[Tensor]) -> Tensor:
        """Color a batch; see `guidance_tensors` for the order."""
        return picture(self.card, self.model(luma, fill_guidance(self.template, guidance)))


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
            answer = graph(luma, guidance_tensors(guidance))
        moved = difference(card, answer, predict(card, model, luma, guidance))
        require(moved < 1e-4, f"{card.name}: the exported graph differs by {moved:.2e} at {size}")


@torch.no_grad()
def export(card: ModelCard, model: ColorizationModule) -> ExportedProgram:
    """Export a model with all the guidance it accepts, height and width dynamic."""
    luma, guidance = sample_call(card, _TRACED, batch=2)  # a batch of 1 would be burnt into the graph
    tensors = guidance_tensors(guidance)
    shapes = [_dynamic(luma), [_dynamic(tensor) for tensor in tensors]]
    return torch.export.export(TensorsOnly(card, model, guidance), (luma, tensors), dynamic_shapes=shapes)


def guidance_tensors(guidance: Guidance) -> list[Tensor]:
    """Return all tensors of a guidance in the order of its kinds and their fields."""
    kinds = [getattr(guidance, kind) for kind in guidance.kinds()]
    values = [getattr(kind, field.name) for kind in kinds for field in fields(kind)]
    return [value for value in values if value is not None]


def fill_guidance(template: Guidance, tensors: list[Tensor]) -> Guidance:
    """Return a guidance like ``template`` that holds other tensors; undoes `guidance_tensors`."""
    left = iter(tensors)
    filled = {}
    for name in template.kinds():
        kind = getattr(template, name)
        given = [field.name for field in fields(kind) if getattr(kind, field.name) is not None]
        filled[name] = replace(kind, **{field: next(left) for field in given})
    return Guidance(**filled)


def _dynamic(tensor: Tensor) -> dict[int, Any]:
    return {2: Dim.AUTO, 3: Dim.AUTO} if tensor.ndim == 4 else {}
