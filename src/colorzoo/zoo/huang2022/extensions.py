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
    flat_codes = codes.view(-1)
    flat_codes[cells[0]] = draw(cache.refresh(codes, cells[0]), 0)
    age = 1  # steps since the last full pass
    error_rates: list[float] = []  # measured logit errors, divided by the age
    for step, (previous, cell) in enumerate(pairwise(cells), start=1):
        recomputed = [cell, previous, *_neighbors(cell, *codes.shape)]
        approximate_logits = cache.recall(codes, recomputed, step)
        max_error = _predict_error(error_rates, age)
        code = None if max_error is None else clear_winner(approximate_logits, draw, step, max_error)
        if code is None:  # the error could change the code, or is not known yet
            logits = cache.refresh(codes, cell)
            code = draw(logits, step)
            error_rates.append(_error(approximate_logits, logits, draw.top_k) / age)
            age = 0
        flat_codes[cell] = code
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
        self._keys_values: list[tuple[Tensor, Tensor]] = []  # of each block

    def refresh(self, codes: Tensor, cell: int) -> Tensor:
        """Compute all tokens, fill the cache and return the logits of a cell.

        Args:
            codes: Current codes ``(rows, columns)``, with the mask token for unknown codes.
            cell: Row-major index of the cell.

        Returns:
            Logits ``(codes,)``.
        """
        self.passes += 1
        self._keys_values.clear()
        x = self.transformer.embed(self.gray, codes[None], self.hints)  # (1, tokens, channels)
        token = self.gray.shape[1] + cell  # color tokens follow the gray tokens
        last_block = self.blocks[-1]
        for block in self.blocks:
            normalized = block.ln1(x)
            key, value = block.attn.keys_and_values(normalized)
            self._keys_values.append((key, value))
            if block is last_block:  # only the token of the cell is read
                x, normalized = x[:, token : token + 1], normalized[:, token : token + 1]
            x = block.attend(x, normalized, key, value)
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
        embeddings = self.transformer.embed(self.gray, codes[None], self.hints)  # (1, tokens, channels)
        token_count, gray_count = embeddings.shape[1], self.gray.shape[1]
        spacing = max(1, token_count // _WITNESSES)
        witnesses = range(step % spacing, token_count, spacing)
        cell_tokens = [gray_count + cell for cell in cells]  # color tokens follow the gray tokens
        recomputed = list(dict.fromkeys([*cell_tokens, *witnesses]))  # without duplicates, in this order
        is_witness = torch.tensor([token in witnesses for token in recomputed], device=embeddings.device)
        tokens = torch.tensor(recomputed, device=embeddings.device)

        # each recomputed token attends to the cached keys and values of all tokens
        x = embeddings[:, tokens]
        for block, (key, value) in zip(self.blocks, self._keys_values, strict=True):
            normalized = block.ln1(x)
            new_key, new_value = block.attn.keys_and_values(normalized)
            _replace_tokens(key, new_key, tokens, is_witness)
            _replace_tokens(value, new_value, tokens, is_witness)
            x = block.attend(x, normalized, key, value)
        return self.transformer.logits(x[0, 0])


def _replace_tokens(cached: Tensor, new: Tensor, tokens: Tensor, is_witness: Tensor) -> None:
    """Update cached keys or values of all tokens in place.

    Args:
        cached: Keys or values ``(1, heads, N, c)`` of all tokens; the mean change of the witnesses is added.
        new: Keys or values ``(1, heads, n, c)`` of the recomputed tokens.
        tokens: Indices ``(n,)`` of the recomputed tokens.
        is_witness: ``(n,)`` bool, whether each recomputed token is a witness.
    """
    change = new - cached[:, :, tokens]
    cached += change[:, :, is_witness].mean(dim=2, keepdim=True)
    cached[:, :, tokens] = new


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
