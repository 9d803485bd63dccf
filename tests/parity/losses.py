"""Losses of Zhang et al. 2016 and 2017 against the authors' code."""

from colorzoo import color
from colorzoo.losses import rebalanced_cross_entropy, smooth_l1_map
from parity.cases import Golden, case


@case("zhang_losses")
def zhang_losses(golden: Golden) -> None:
    pred, target = golden.tensor("in_pred"), golden.tensor("in_target")
    paper = smooth_l1_map(pred * 110, target * 110)
    golden.close("out_smooth_l1_paper", paper.sum(dim=(1, 2, 3)))
    golden.close("out_huber_code", paper / 110)
    golden.close("out_l1_code", smooth_l1_map(pred, target, delta=0.0))

    logits, ab = golden.tensor("in_logits"), golden.tensor("in_gt_ab")
    weights = color.rebalancing_weights(color.prior_probabilities())
    golden.close("out_weighted_ce", rebalanced_cross_entropy(logits, ab, weights))
