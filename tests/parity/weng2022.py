"""Losses and possible bins of Weng et al. 2022 against `tests/golden/weng2022.py`."""

import torch

from colorzoo.zoo.weng2022.model import EXCLUDED_LOGIT, possible_bins
from colorzoo.zoo.weng2022.task import classification_loss, regression_loss
from parity.cases import Golden, case


@case("weng2022_mask")
def mask(golden: Golden) -> None:
    for ranges in (1, 4, 10):
        assert torch.equal(possible_bins(ranges), golden.tensor(f"out_possible_{ranges}"))


@case("weng2022_losses")
def losses(golden: Golden) -> None:
    logits = golden.tensor("in_logits").masked_fill(~golden.tensor("in_possible"), EXCLUDED_LOGIT)
    logits.requires_grad_()
    loss = classification_loss(
        logits, golden.tensor("in_ab"), golden.tensor("in_weights"), neighbors=5
    ).mean()
    loss.backward()
    golden.close("out_classification", loss)
    golden.close("out_gradient", logits.grad)
    golden.close("out_regression", regression_loss(golden.tensor("in_regression"), golden.tensor("in_ab")))
