"""Functions and classes reject an unknown value of a string argument instead of using a default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo.errors import ColorzooError
from colorzoo.guidance.edits import PaintStroke
from colorzoo.losses.exemplar import contextual_loss
from colorzoo.metrics import Colorfulness, DeltaColorfulness, colorfulness
from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.weights import save_weights
from colorzoo.zoo.cho2023.task import smoothness
from colorzoo.zoo.larsson2016.model import chroma_of, hue_of

RGB, MAPS = torch.rand(1, 3, 16, 16), torch.rand(1, 32, 4, 4)
CALLS: dict[str, Callable[[Any], object]] = {
    "colorfulness": lambda typo: colorfulness(RGB, form=typo),
    "Colorfulness": lambda typo: Colorfulness(typo),
    "DeltaColorfulness": lambda typo: DeltaColorfulness(typo),
    "contextual_loss": lambda typo: contextual_loss(MAPS, MAPS, every=typo),
    "save_weights": lambda typo: save_weights(Path("a.safetensors"), {"a": torch.ones(3)}, {}, dtype=typo),
    "smoothness": lambda typo: smoothness(MAPS, typo),
    "chroma_of": lambda typo: chroma_of(MAPS, typo),
    "hue_of": lambda typo: hue_of(MAPS, typo),
    "LocalHints": lambda typo: contract_test_model(model_card("zhang2017_local")).model(
        50 * RGB[:, :1], None, typo
    ),
    "stylize": lambda typo: contract_test_model(model_card("xu2020")).model.stylize(RGB, RGB, transform=typo),
    "PaintStroke": lambda typo: PaintStroke(((0, 0), (9, 9)), "#ff0000", blend=typo),
}


@pytest.mark.parametrize("name", CALLS)
def test_unknown_choice_is_rejected(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ColorzooError, match=r"must be one of .*, got 'typo'"):
        CALLS[name]("typo")
    assert not list(tmp_path.iterdir())
