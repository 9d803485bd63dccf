"""The models that docs/deploy.md excludes from torch.export and torch.compile."""

import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch

from colorzoo.engines.export import compare_traced, graph_samples
from colorzoo.errors import ColorzooError
from colorzoo.registry import all_cards, model_card
from colorzoo.testing import contract_test_model
from colorzoo.testing.models import difference, predict, sample_call

PAGE = (Path(__file__).parents[2] / "docs" / "deploy.md").read_text(encoding="utf-8")
EXPORT, COMPILE = PAGE.split("## torch.export and ONNX")[1].split("## torch.compile")


def rows(section: str) -> list[list[str]]:
    """Return the models in the first column of each row of a table."""
    return [re.findall(r"`(\w+)`", row) for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)]


ONE_GRAPH, SEVERAL_GRAPHS, NOT_COMPILED = rows(COMPILE)


def test_page_excludes_the_models_whose_cards_do() -> None:
    assert {name for name, card in all_cards().items() if "export" in card.limits} == {*chain(*rows(EXPORT))}


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["gupta2012", "levin2004", "su2020"])
def test_excluded_models_cannot_be_exported(name: str) -> None:
    card = model_card(name)
    with pytest.raises(ColorzooError, match="export failed"):
        compare_traced(contract_test_model(card).model, *graph_samples(card, (64, 96), ((96, 64),)))


@pytest.mark.nightly
@pytest.mark.parametrize("name", [*ONE_GRAPH, *SEVERAL_GRAPHS])
def test_compiled_model_equals_the_model(name: str) -> None:
    card = model_card(name)
    model = contract_test_model(card).model
    lightness, guidance = sample_call(card, (64, 96), batch=2)
    expected = predict(model, lightness, guidance)
    found = compiled(name)(lightness, guidance).colors
    assert difference(found, expected) < 1e-5


@pytest.mark.nightly
@pytest.mark.parametrize("name", NOT_COMPILED)
def test_algorithms_in_numpy_cannot_be_compiled(name: str) -> None:
    with pytest.raises(torch._dynamo.exc.Unsupported):
        compiled(name)(*sample_call(model_card(name), (64, 96), batch=2))


def compiled(name: str) -> Callable[..., Any]:
    """Return the compiled small variant of a model, as one graph unless the page lists several."""
    torch._dynamo.reset()
    model = contract_test_model(model_card(name)).model
    run = torch.compile(model, backend="eager", fullgraph=name not in SEVERAL_GRAPHS)
    return torch.no_grad()(run)  # in inference mode, guards of Dynamo fail for NumPy arrays
