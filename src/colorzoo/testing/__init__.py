"""Model contract tests: checks that every registered model must pass.

Test the models of your own package with these lines::

    @pytest.mark.parametrize("card", CARDS, ids=lambda card: card.name)
    @pytest.mark.parametrize("check", contract_checks(configs="path/to/configs"), ids=str)
    def test_contract(check, card):
        check(card)

Set the argument ``images`` if a configuration requires class folders. The attribute ``starts_processes`` of
a check is True for the check that takes half of the time; ``colorzoo new-paper`` writes a marker for it.

The field ``contract_test`` of a model card describes a small model variant that runs in seconds on a CPU. The
field ``limits`` lists unsupported features. The checks of these features are skipped, or they verify that the
feature is not supported.

Run the checks on one thread (``torch.set_num_threads(1)``), which is faster for small tensors. One check
starts processes, so a script requires the guard ``if __name__ == "__main__":``.
"""

from colorzoo.engines.samples import sample_guidance, sample_input
from colorzoo.randomness import sample_image
from colorzoo.testing.models import ContractError, contract_test_model
from colorzoo.testing.samples import sample_batch, write_sample_images
from colorzoo.testing.suite import Check, contract_checks

__all__ = [
    "Check",
    "ContractError",
    "contract_checks",
    "contract_test_model",
    "sample_batch",
    "sample_guidance",
    "sample_image",
    "sample_input",
    "write_sample_images",
]
