"""What the edge-aware add-on of Kim et al. 2021 costs: a second stroke, its parameters and its memory.

A second stroke needs the backbone only from its first tap on; the reference is a full run with the same
strokes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks._harness import Options, Row, share_of, time_in_turn, where
from colorzoo.factory import build_model
from colorzoo.guidance import Guidance, Points, Scribbles
from colorzoo.registry import load_class, model_card
from colorzoo.zoo.kim2021.task import Kim2021

SIZE = 192
STROKE_GOAL, PARAMETER_GOAL, MEMORY_GOAL = 0.5, 1.05, 1.0
PUBLISHED_PARAMETERS = 1_300_000  # about, of E at full size by the fact sheet


def run(options: Options) -> list[Row]:
    """Time the full-size add-on and the embedded one over the same backbone; weights do not matter."""
    del options
    full, small = _model("kim2021"), _model("kim2021_small")
    rows = [*_strokes(full), *_strokes(small)]
    rows.append(
        share_of(
            "parameters of E at full size, against the 1.3 million stated",
            _count(full.network),
            PUBLISHED_PARAMETERS,
            PARAMETER_GOAL,
            f"beside {_count(full.backbone):,} of the backbone",
        )
    )
    return rows


def _model(name: str) -> Kim2021:
    card = model_card(name)
    model = build_model(load_class(card), {**card.hparams, "backbone_weights": None})
    return cast(Kim2021, model.eval())


@torch.inference_mode()
def _strokes(model: Kim2021) -> Iterator[Row]:
    luma = torch.rand(1, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 100
    mask = torch.zeros(1, 1, SIZE, SIZE)
    mask[..., 90:95, 40:120] = 1
    guidance = Guidance(points=Points.none(luma), scribbles=Scribbles(mask))
    opened = model.open(luma, guidance)
    seconds = time_in_turn(
        {
            "stroke": lambda: model.redraw(opened, Scribbles(mask)),
            "full": lambda: model(luma, guidance),
        },
        runs=5,
    )
    name = model.hparams.backbone
    yield share_of(
        f"seconds of a second stroke over {name}, of a full run",
        seconds["stroke"],
        seconds["full"],
        STROKE_GOAL,
        f"{SIZE} x {SIZE}, {where()}",
    )
    kept = sum(_bytes(tensor) for tensor in opened.state.maps)
    yield share_of(
        f"MB kept between strokes over {name}, of its weights and E's",
        kept / 1e6,
        sum(_bytes(tensor) for tensor in model.parameters()) / 1e6,
        MEMORY_GOAL,
        f"{SIZE} x {SIZE}; E alone has {sum(_bytes(p) for p in model.network.parameters()) / 1e6:.1f} MB",
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _bytes(tensor: Tensor) -> int:
    return tensor.numel() * tensor.element_size()
