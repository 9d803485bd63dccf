"""Model card of Lu et al. 2020."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

FULL = ModelCard(
    name="lu2020",
    title="Gray2ColorNet: Transfer More Colors from Reference Image",
    paper="https://doi.org/10.1145/3394171.3413594",
    year=2020,
    summary="Colorizes an image from a reference by gated matching, with the histogram as fallback.",
    task="colorzoo.zoo.lu2020.task:Lu2020",
    model="colorzoo.zoo.lu2020.model:GatedTransfer",
    parameters=53_057_711,
    aliases=("gray2colornet",),
    guidance=("exemplar",),
    config="lu2020/paper.yaml",
    uses={"exemplar": "Ranked slightly below blanch2021 in Chen et al. 2023."},
    contract_test=ContractTestConfig(
        # at 0.01, rounding errors change the matches of random features
        {"width": 0.125, "reference_side": 32, "tau": 1.0, "discriminator_width": 0.125, "class_weight": 0.0},
        scales={f"model.network.heads.{index}.0.weight": 0.01 for index in range(3)},
    ),
)

CARDS = (FULL,)
