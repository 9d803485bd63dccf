"""Every registered model keeps the contract."""

import pytest

from colorzoo.registry import list_models, model_card
from colorzoo.testing import Check, contract_checks


@pytest.mark.parametrize("name", list_models())
@pytest.mark.parametrize("check", contract_checks(), ids=str)
def test_contract(check: Check, name: str) -> None:
    check(model_card(name))
