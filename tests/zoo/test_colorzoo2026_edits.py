"""Edits with cached features, compared with plain calls."""

from itertools import combinations
from typing import Any

import torch

from colorzoo import Guidance
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model, sample_call


@torch.inference_mode()
def test_edit_equals_forward_for_every_combination_of_guidance() -> None:
    card, size = model_card("colorzoo2026"), (48, 64)
    model: Any = contract_test_model(card).model
    lightness, every = sample_call(card, size)
    memory: dict[str, Any] = {}
    answers: dict[frozenset[str], Any] = {}
    for count in range(len(card.guidance) + 1):
        for kinds in combinations(card.guidance, count):
            guidance = Guidance(**{kind: getattr(every, kind) for kind in kinds})
            answers[frozenset(kinds)] = model(lightness, guidance).ab
            found = model.edit(lightness, guidance, memory).ab
            assert (found - answers[frozenset(kinds)]).abs().max() < 1e-3, kinds
    full = answers[frozenset(card.guidance)]
    for kind in card.guidance:  # each kind has an effect besides all others
        assert (full - answers[frozenset(card.guidance) - {kind}]).abs().max() > 0.1, kind
