"""Model card of Yin et al. 2021."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

FULL = ModelCard(
    name="yin2021",
    title='Yes, "Attention Is All You Need", for Exemplar based Colorization',
    paper="https://doi.org/10.1145/3474085.3475385",
    year=2021,
    summary="Colorizes an image from a reference by matching and by attention to common colors.",
    task="colorzoo.zoo.yin2021.task:Yin2021",
    model="colorzoo.zoo.yin2021.model:AttentiveTransfer",
    parameters=72_829_686,
    guidance=("exemplar",),
    config="yin2021/paper.yaml",
    uses={"exemplar": "Ranked between blanch2021 and bai2022 in Chen et al. 2023."},
    contract_test=ContractTestConfig(
        # at 0.01, rounding errors change the matches of random features; at 1, all colors are equal
        {
            "width": 0.125,
            "reference_side": 64,
            "tau": 0.3,
            "dropout": 0.0,
            "discriminator_width": 0.125,
            "class_weight": 0.0,
        },
        size=64,
        scales={
            **{f"model.network.heads.{index}.2.weight": 0.001 for index in range(3)},
            "model.network.histogram.logits.6.weight": 0.003,
        },
    ),
)

CARDS = (FULL,)
