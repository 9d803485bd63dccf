"""Model card of Li et al. 2018."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

_TRIAL = {"width": 0.125, "smoothing": "closed_form"}

FULL = ModelCard(
    name="li2018",
    title="A Closed-form Solution to Photorealistic Image Stylization",
    paper="https://arxiv.org/abs/1802.06474",
    year=2018,
    summary="Transfers the colors of one image to another, photorealistically; for `colorzoo stylize`.",
    task="colorzoo.zoo.li2018.task:Li2018",
    model="colorzoo.zoo.li2018.model:ClosedFormStylization",
    parameters=8_349_948,
    aliases=("photowct",),
    guidance=("exemplar", "classes"),
    config="li2018/decoders.yaml",
    contract_test=ContractTestConfig(_TRIAL),
    limits=("export", "gradient"),
)

CARDS = (FULL,)
