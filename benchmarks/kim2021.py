"""The edge-aware add-on of Kim et al. 2021: cost of a second stroke, parameters and cached memory.

A second stroke runs the backbone from its first tap on; the reference is a full run with the same strokes.
"""

from __future__ import annotations

from typing import Any

import torch

from benchmarks._common import Options, Row, share_of, time_in_turn, where
from colorzoo.factory import create_coloring_model
from colorzoo.guidance import Guidance, Points, Scribbles

SIZE = 192
GOAL_STROKE, GOAL_PARAMETERS, GOAL_MEMORY = 0.5, 1.05, 1.0
PUBLISHED_PARAMETERS = 1_300_000  # approximately, of E at full size


@torch.inference_mode()
def run(options: Options) -> list[Row]:
    """Measure the add-on at full size over `zhang2017_local`; weights do not matter."""
    del options
    model: Any = create_coloring_model("kim2021", None, backbone_weights=None)
    lightness = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 100
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., 90:95, 40:120] = 1
    guidance = Guidance(points=Points.none(lightness), scribbles=Scribbles(mask))
    opened = model.open(lightness, guidance)
    calls = {
        "stroke": lambda: model.redraw(opened, Scribbles(mask)),
        "full": lambda: model(lightness, guidance),
    }
    stroke, full = time_in_turn(calls).values()
    cached = sum(tensor.nbytes for tensor in opened.state.maps) / 1e6
    weights = sum(parameter.nbytes for parameter in model.parameters()) / 1e6
    parts = {"network": model.network, "backbone": model.backbone}
    sizes = {name: sum(each.numel() for each in part.parameters()) for name, part in parts.items()}
    place = f"over {model.hparams['backbone']}, {SIZE} x {SIZE}, {where()}"
    return [
        share_of("seconds of a second stroke, of a full run", stroke, full, GOAL_STROKE, place),
        share_of("MB cached between strokes, of all weights", cached, weights, GOAL_MEMORY, place),
        share_of(
            "parameters of E, against the 1.3 million of the paper",
            sizes["network"],
            PUBLISHED_PARAMETERS,
            GOAL_PARAMETERS,
            f"{sizes['backbone']:,} in the backbone",
        ),
    ]
