"""The first weights of a model are drawn by the rule of its paper."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from colorzoo.factory import build_model
from colorzoo.registry import load_task_class, model_card


def fans(weight: Tensor) -> tuple[int, int]:
    place = weight[0, 0].numel()
    return weight.shape[1] * place, weight.shape[0] * place


def he(weight: Tensor) -> float:
    return (2 / fans(weight)[0]) ** 0.5


def he_of_outputs(weight: Tensor) -> float:
    return (2 / fans(weight)[1]) ** 0.5


def he_of_slope(weight: Tensor) -> float:
    return he(weight) / 1.04**0.5


def glorot(weight: Tensor) -> float:
    return (2 / sum(fans(weight))) ** 0.5


def caffe(weight: Tensor) -> float:
    return fans(weight)[0] ** -0.5


def deviation(value: float) -> Callable[[Tensor], float]:
    return lambda _: value


def one_over_codes(weight: Tensor) -> float:
    return 1 / len(weight) / 3**0.5


UNIFORM = {glorot, caffe, one_over_codes}
LINEAR = r"model\.network\.trunk\.blocks\..*(qkv|proj|fc1|fc2)\.weight"
RULES: list[tuple[str, str, Callable[[Tensor], float]]] = [
    ("xia2022", r"model\.network\..*(weight|weight_orig)", glorot),
    ("yun2023_tiny", LINEAR, glorot),
    ("yun2023_tiny", r".*relative_position_bias_table", deviation(0.0108)),  # 0.02, cut at 0.02
    ("xiao2020", r"model\.network\.(first|later)\.block.*weight", he),
    ("xiao2020", r".*class_head\.weight", deviation(0.1)),
    ("larsson2016", r"model\.network\.trunk\..*weight", caffe),
    ("larsson2016", r"model\.network\.hidden\.weight", deviation(1e-4)),
    ("huang2022", r".*embedding\.weight", one_over_codes),
    ("huang2022", r"model\.network\.transformer\..*(tok_emb|fc1|head|key|query)\.weight", deviation(0.02)),
    ("chen2023_small", r"model\.network\.ab\.weight", deviation(1e-3)),
    ("antic2019", r"model\.network\.encoder\..*weight", he_of_outputs),
    ("zhao2021_small", r".*to_vector\..*weight", he_of_slope),
    ("zhang2017_local_small", r"model\.network\.unet\.block.*weight", deviation(0.02)),
    ("zhang2016", r"model\.network\.block.*weight", he),
    ("he2018", r"model\.features\..*weight", he),
    ("cho2023", r"(model|discriminator)\..*weight", deviation(0.02)),
]


@pytest.mark.parametrize(
    ("name", "pattern", "rule"), RULES, ids=lambda value: getattr(value, "__name__", value)
)
def test_weights_are_drawn_as_the_paper_says(
    name: str, pattern: str, rule: Callable[[Tensor], float]
) -> None:
    card = model_card(name)
    torch.manual_seed(0)
    made = build_model(load_task_class(card), {**card.hparams, **card.smoke.hparams})
    drawn = [weight.detach() for key, weight in made.named_parameters() if re.fullmatch(pattern, key)]
    drawn = [weight for weight in drawn if weight.ndim > 1 and weight.numel() >= 16]
    assert drawn
    for weight in drawn:
        noise = 5 / (2 * weight.numel()) ** 0.5
        assert float(weight.std()) == pytest.approx(rule(weight), rel=noise)
        if rule in UNIFORM:
            assert float(weight.abs().max()) <= 3**0.5 * rule(weight) + 1e-6
