"""Extensions of UniColor that are not in the paper: faster sampling, and hints from small points.

A logit error changes a sampled code only if the error exceeds half the difference between the two largest
sums of logit and Gumbel noise. `sample_cached` therefore approximates most logits from cached keys and
values.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from colorzoo.zoo.huang2022.sampling import GumbelDraw
from colorzoo.zoo.huang2022.transformer import Block, Hints, HybridTransformer

_CAUTION = 1.25  # safety factor on recent errors
_MEASURED = 4  # number of recent errors from which the next error is predicted
_REACH = 1  # distance in cells from the sampled cell within which tokens are recomputed
_WITNESSES = 8  # evenly spaced tokens, different at every step, that estimate the change of all tokens


def small_points(covered: Tensor) -> Tensor:
    """Return the cells that receive a hint although points cover few pixels.

    The authors' demo ignores small points, such as a click. Here, the cell that a small point covers most
    gets a hint.

    Args:
        covered: Number of covered pixels in each cell, ``(B, 1, rows, columns)``.

    Returns:
        Boolean mask ``(B, 1, rows, columns)``, True for covered cells of which no adjacent cell has more
        covered pixels.
    """
    return (covered > 0) & (covered == F.max_pool2d(covered, 3, stride=1, padding=1))


def sample_cached(
    transformer: HybridTransformer,
    gray: Tensor,
    codes: Tensor,
    cells: Sequence[int],
    hints: Hints,
    draw: GumbelDraw,
) -> Tensor:
    """Sample codes like `sample`, but reuse cached keys and values.

    Each step recomputes the tokens at and around the sampled cell and a few evenly spaced tokens (witnesses).
    The mean change of the witnesses is added to all other tokens.

    If the approximation error could change the sampled code, a full pass computes all tokens and measures the
    error. The error is assumed to grow linearly after a full pass. The sampled codes therefore very likely
    equal the codes from `sample`, but equality is not guaranteed.

    Args:
        transformer: Transformer.
        gray: Gray features ``(1, rows * columns, G)``, row-major.
        codes: Initial codes ``(rows, columns)``, with the mask token for unknown codes.
        cells: Row-major indices of the cells to sample, in sampling order. Hinted cells are sampled too.
        hints: Cell hints with image index 0.
        draw: Gumbel noise and number of codes to sample from.

    Returns:
        Codes ``(rows, columns)``.
    """
    codes = codes.clone()
    if not cells:
        return codes
    cache = KeyValueCache(transformer, gray, hints)
    codes.view(-1)[cells[0]] = draw(cache.refresh(codes, cells[0]), 0)
    age = 1  # steps since the last full pass
    error_rates: list[float] = []  # measured logit errors, divided by the age
    for step, (previous, cell) in enumerate(pairwise(cells), start=1):
        recomputed = [cell, previous, *_neighbors(cell, *codes.shape)]
        approximate = cache.recall(codes, recomputed, step)
        max_error = _predict_error(error_rates, age)
        code = None if max_error is None else clear_winner(approximate, draw, step, max_error)
        if code is None:
            exact = cache.refresh(codes, cell)
            code = draw(exact, step)
            error_rates.append(_error(approximate, exact, draw.top_k) / age)
            age = 0
        codes.view(-1)[cell] = code
        age += 1
    return codes


def _predict_error(rates: Sequence[float], age: int) -> float | None:
    """Return an upper limit of the logit error; None before enough errors have been measured.

    Args:
        rates: Measured errors per step since the last full pass.
        age: Steps since the last full pass.
    """
    return _CAUTION * max(rates[-_MEASURED:]) * age if len(rates) >= _MEASURED else None


class KeyValueCache:
    """Cache of the keys and values that the transformer computes from an image's tokens.

    Attributes:
        passes: Number of full passes so far, each of which computes all tokens.

    Args:
        transformer: Transformer.
        gray: Gray features ``(1, rows * columns, G)``.
        hints: Cell hints with image index 0.
    """

    def __init__(self, transformer: HybridTransformer, gray: Tensor, hints: Hints) -> None:
        self.transformer = transformer
        self.blocks = cast(list[Block], list(transformer.blocks))
        self.gray, self.hints = gray, hints
        self.passes = 0
        self._kept: list[tuple[Tensor, Tensor]] = []

    def refresh(self, codes: Tensor, cell: int) -> Tensor:
        """Compute all tokens, fill the cache and return the logits of a cell.

        Args:
            codes: Current codes ``(rows, columns)``, with the mask token for unknown codes.
            cell: Row-major index of the cell.

        Returns:
            Logits ``(codes,)``.
        """
        self.passes += 1
        self._kept.clear()
        x = self.transformer.embed(self.gray, codes[None], self.hints)
        row = self.gray.shape[1] + cell
        for block in self.blocks:
            normalized = block.ln1(x)
            key_value = block.attn.keys_and_values(normalized)
            self._kept.append(key_value)
            if len(self._kept) == len(self.blocks):  # only one token of the last block is read
                x, normalized = x[:, row : row + 1], normalized[:, row : row + 1]
            x = block.attend(x, normalized, *key_value)
        return self.transformer.logits(x[0, 0])

    def recall(self, codes: Tensor, cells: Sequence[int], step: int) -> Tensor:
        """Recompute the tokens of some cells and the witnesses, and update the cache.

        Witnesses are evenly spaced tokens; see `sample_cached`.

        Args:
            codes: Current codes ``(rows, columns)``, with the mask token for unknown codes.
            cells: Row-major indices of the cells to recompute.
            step: Step number, which selects the witness tokens.

        Returns:
            Logits ``(codes,)`` of the first cell.
        """
        tokens = self.transformer.embed(self.gray, codes[None], self.hints)
        count, offset = tokens.shape[1], self.gray.shape[1]
        every = max(1, count // _WITNESSES)
        witnesses = range(step % every, count, every)
        indices = [*dict.fromkeys([*(offset + cell for cell in cells), *witnesses])]
        is_witness = torch.tensor([index in witnesses for index in indices], device=tokens.device)
        rows = torch.tensor(indices, device=tokens.device)
        x = tokens[:, rows]
        for block, key_value in zip(self.blocks, self._kept, strict=True):
            normalized = block.ln1(x)
            for old, new in zip(key_value, block.attn.keys_and_values(normalized), strict=True):
                _replace_tokens(old, new, rows, is_witness)
            x = block.attend(x, normalized, *key_value)
        return self.transformer.logits(x[0, 0])


def _replace_tokens(cached: Tensor, new: Tensor, rows: Tensor, is_witness: Tensor) -> None:
    """Update cached keys or values of all tokens in place.

    Args:
        cached: Keys or values ``(1, heads, N, c)`` of all tokens; the mean change of the witnesses is added.
        new: Keys or values ``(1, heads, n, c)`` of the recomputed tokens.
        rows: Indices ``(n,)`` of the recomputed tokens.
        is_witness: ``(n,)`` bool, whether each recomputed token is a witness.
    """
    cached += (new - cached[:, :, rows])[:, :, is_witness].mean(dim=2, keepdim=True)
    cached[:, :, rows] = new


def clear_winner(logits: Tensor, draw: GumbelDraw, step: int, error: float) -> int | None:
    """Return the sampled code, or None if logit errors could change the code.

    Args:
        logits: Approximate logits ``(codes,)``.
        draw: Gumbel noise and number of codes to sample from.
        step: Step number.
        error: Maximum absolute error of each logit.
    """
    best, top_k = draw(logits, step), draw.top_k
    ranked = logits.topk(min(top_k + 1, len(logits))).values
    if len(ranked) > top_k and logits[best] - error <= ranked[top_k] + error:
        return None  # the code might not be among the most probable codes
    possible = logits + error >= ranked[:top_k][-1] - error
    sums = (logits + draw.noise[step].to(logits)).masked_fill(~possible, -torch.inf)
    first = sums[best].clone()
    sums[best] = -torch.inf
    return best if first - sums.max() > 2 * error else None


def _error(approximate: Tensor, exact: Tensor, top_k: int) -> float:
    """Return half the error range of the largest logits ``(codes,)``.

    A constant error of all logits does not change the sample.
    """
    largest = exact.topk(min(2 * top_k, len(exact))).indices
    errors = (approximate - exact)[largest]
    return float(errors.max() - errors.min()) / 2


def _neighbors(cell: int, rows: int, columns: int) -> list[int]:
    """Return the indices of the adjacent cells."""
    row, column = divmod(cell, columns)
    return [
        r * columns + c
        for r in range(max(0, row - _REACH), min(rows, row + _REACH + 1))
        for c in range(max(0, column - _REACH), min(columns, column + _REACH + 1))
        if (r, c) != (row, column)
    ]
