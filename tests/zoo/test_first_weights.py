"""Initial weights have the standard deviation stated by the paper."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import nn

from colorzoo.factory import build_model
from colorzoo.registry import load_task_class, model_card

# standard deviation from fan-in and fan-out
FORMULAS: dict[str, Callable[[int, int], float]] = {
    "he": lambda inputs, _: (2 / inputs) ** 0.5,
    "he of outputs": lambda _, outputs: (2 / outputs) ** 0.5,
    "glorot, uniform": lambda inputs, outputs: (2 / (inputs + outputs)) ** 0.5,
    "caffe, uniform": lambda inputs, _: inputs**-0.5,
    "torch's, uniform": lambda inputs, _: (3 * inputs) ** -0.5,
    "a tenth of torch's, uniform": lambda inputs, _: 0.1 * (3 * inputs) ** -0.5,
    "of eight heads": lambda inputs, _: (inputs / 8) ** -0.5,
    "codes, uniform": lambda _, outputs: 1 / outputs / 3**0.5,
}
LINEAR = r"model\.network\.trunk\.blocks\..*(qkv|proj|fc1|fc2)\.weight"
RULES: list[tuple[str, str, str | float]] = [
    ("xia2022", r"model\.network\..*(weight|weight_orig)", "glorot, uniform"),
    ("yun2023_tiny", LINEAR, "glorot, uniform"),
    ("yun2023_tiny", r".*relative_position_bias_table", 0.0108),  # 0.02, cut at 0.02
    ("xiao2020", r"model\.network\.(first|later)\.block.*weight", "he"),
    ("xiao2020", r".*class_head\.weight", 0.1),
    ("larsson2016", r"model\.network\.trunk\..*weight", "caffe, uniform"),
    ("larsson2016", r"model\.network\.hidden\.weight", 1e-4),
    ("huang2022", r".*embedding\.weight", "codes, uniform"),
    ("huang2022", r"model\.network\.transformer\..*(tok_emb|fc1|head|key|query)\.weight", 0.02),
    ("chen2023_small", r"model\.network\.ab\.weight", 1e-3),
    ("antic2019", r"model\.network\.encoder\..*weight", "he of outputs"),
    ("zhang2017_local_small", r"model\.network\.unet\.block.*weight", 0.02),
    ("zhang2016", r"model\.network\.block.*weight", "he"),
    ("blanch2021", r".*\.(rows|cols)\.in_proj_weight", "of eight heads"),
    ("he2018", r"model\.features\..*weight", "he"),
    ("cho2023", r"(model|discriminator)\..*weight", 0.02),
    ("ci2018_small", r"model\.network\..*weight", "he"),
    ("antic2019", r"model\.network\.up\..*original1", "he"),
    (
        "colorzoo2026",
        r".*(second|merge|mlp_out|network\.mean|classes)\.weight",
        "a tenth of torch's, uniform",
    ),
    ("colorzoo2026", r".*(first|qkv|mlp_in)\.weight", "torch's, uniform"),
    ("colorzoo2026", r".*known.*linear\.weight", 0.0),
]


OTHER_BIASES = {"xia2022", "chen2023_small", "colorzoo2026"}  # torch's; others are 0


def check_weights(name: str, model: nn.Module, pattern: str, rule: str | float) -> None:
    named = dict(model.named_parameters())
    biases = [key for key in named if key.endswith("bias") and re.fullmatch(pattern, f"{key[:-4]}weight")]
    assert name in OTHER_BIASES or not any(named[key].any() for key in biases), (name, pattern)
    drawn = [weight.detach() for key, weight in named.items() if re.fullmatch(pattern, key)]
    drawn = [weight for weight in drawn if weight.ndim > 1 and weight.numel() >= 16]
    assert drawn, (name, pattern)
    for weight in drawn:
        positions = weight[0, 0].numel()
        fans = weight.shape[1] * positions, weight.shape[0] * positions
        expected = FORMULAS[rule](*fans) if isinstance(rule, str) else rule
        noise = 5 / (2 * weight.numel()) ** 0.5
        assert float(weight.std()) == pytest.approx(expected, rel=noise), (name, pattern)
        if "uniform" in str(rule):
            assert float(weight.abs().max()) <= 3**0.5 * expected + 1e-6, (name, pattern)


def test_initial_weights_follow_the_papers() -> None:
    for name in sorted({name for name, _, _ in RULES}):
        card = model_card(name)
        torch.manual_seed(0)
        model = build_model(load_task_class(card), {**card.hparams, **card.contract_test.hparams})
        for _, pattern, rule in (each for each in RULES if each[0] == name):
            check_weights(name, model, pattern, rule)
