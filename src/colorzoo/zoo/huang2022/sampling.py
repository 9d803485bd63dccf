"""Sampling of color codes cell by cell.

Codes are sampled with Gumbel noise: the sample is the code with the largest sum of logit and noise.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from colorzoo.zoo.huang2022.transformer import Hints, HybridTransformer

Draw = Callable[[Tensor, int], int]
"""Function that samples a code from logits ``(codes,)`` and the step number."""


def sample(
    transformer: HybridTransformer,
    gray: Tensor,
    codes: Tensor,
    cells: Sequence[int],
    hints: Hints,
    draw: Draw,
) -> Tensor:
    """Sample codes cell by cell with a full transformer pass per cell, as in the published code.

    Args:
        transformer: Transformer.
        gray: Gray features ``(1, rows * columns, G)``, row-major.
        codes: Initial codes ``(rows, columns)``, with the mask token for unknown codes.
        cells: Row-major indices of the cells to sample, in sampling order. Hinted cells are sampled too.
        hints: Cell hints with image index 0.
        draw: Function that samples a code from the logits of a cell and the step number.

    Returns:
        Codes ``(rows, columns)``.
    """
    codes = codes.clone()
    for step, cell in enumerate(cells):
        logits = transformer(gray, codes[None], hints)[0, cell]
        codes.view(-1)[cell] = draw(logits, step)
    return codes


def gumbel_noise(generator: torch.Generator, steps: int, codes: int) -> Tensor:
    """Draw Gumbel noise ``(steps, codes)``, one row per sampled cell."""
    exponential = torch.empty(steps, codes, device=generator.device).exponential_(generator=generator)
    return -exponential.log()


def draw_code(logits: Tensor, step: int, *, noise: Tensor, top_k: int) -> int:
    """Return the code with the largest logit plus noise among the most probable codes.

    Args:
        logits: Logits ``(codes,)`` of a cell.
        step: Step number.
        noise: Gumbel noise ``(steps, codes)``, one row per sampled cell.
        top_k: Number of most probable codes to sample from. With 1, the most probable code is returned.
    """
    return int((most_probable(logits, top_k) + noise[step].to(logits)).argmax())


def most_probable(logits: Tensor, top_k: int) -> Tensor:
    """Replace all but the ``top_k`` largest logits ``(codes,)`` with -inf, but keep ties."""
    least = logits.topk(min(top_k, len(logits))).values[-1]
    return logits.masked_fill(logits < least, -torch.inf)
