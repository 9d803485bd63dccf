"""The contract that every registered model keeps, as checks that anybody can run.

Five lines test a paper in a package of its own::

    @pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
    @pytest.mark.parametrize("check", contract_checks(configs="path/to/configs"), ids=str)
    def test_contract(check, card):
        check(card)

The checks know no model by name. What they need to know stands on the card: ``smoke`` makes the model small
enough for seconds on a CPU, and ``limits`` says what it cannot do; the check then asserts the failure. Run
them on one thread (``torch.set_num_threads(1)``): small tensors only lose by more. One check
starts processes, so a script that runs them by itself needs the usual ``if __name__ == "__main__":``.
"""

from colorzoo.testing.models import ContractError, smoke_model
from colorzoo.testing.samples import (
    sample_batch,
    sample_guidance,
    sample_image,
    sample_input,
    write_sample_pictures,
)
from colorzoo.testing.suite import Check, contract_checks

__all__ = [
    "Check",
    "ContractError",
    "contract_checks",
    "sample_batch",
    "sample_guidance",
    "sample_image",
    "sample_input",
    "smoke_model",
    "write_sample_pictures",
]
