"""Yin et al. 2021: color histogram and histogram attention."""

import torch

from colorzoo.registry import model_card
from colorzoo.testing.models import contract_test_model
from colorzoo.zoo.yin2021.model import color_histogram, kept_bins


def test_yin2021_color_histogram_counts_only_kept_bins() -> None:
    colors = torch.tensor([[0.0, 0.0], [0.04, -0.04], [0.3, 0.4], [-0.9, 0.9]])  # the last color has no bin
    histogram = color_histogram(colors.T.view(1, 2, 2, 2))
    found = {int(kept_bins()[place]): float(histogram[0, place]) for place in histogram[0].nonzero()}
    assert found == {21 * 10 + 10: float(torch.tensor(2 / 3)), 21 * 13 + 14: float(torch.tensor(1 / 3))}


def test_histogram_attention_returns_the_color_of_the_selected_bin() -> None:
    attention = contract_test_model(model_card("yin2021")).model.network.histogram
    with torch.inference_mode():
        attention.logits[-1].weight.zero_()
        attention.logits[-1].bias.fill_(-1.0)
        attention.logits[-1].bias[100] = 1.0  # with a sharpness of 100 only this bin is selected
        ab = attention(torch.rand(1, 64, 3, 5), torch.rand(1, 198))
    number = int(kept_bins()[100])
    wanted = torch.tensor([number // 21 - 10, number % 21 - 10]) / 10
    torch.testing.assert_close(ab, wanted.view(1, 2, 1, 1).expand(1, 2, 6, 10))
