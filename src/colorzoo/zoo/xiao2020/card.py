"""Model card of Xiao et al. 2020."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

FULL = ModelCard(
    name="xiao2020",
    title="Example-Based Colourization via Dense Encoding Pyramids",
    paper="https://doi.org/10.1111/cgf.13659",
    year=2020,
    summary="Colorizes an image with the color histogram of a reference, from coarse to fine.",
    task="colorzoo.zoo.xiao2020.task:Xiao2020",
    model="colorzoo.zoo.xiao2020.model:PyramidColorization",
    parameters=167_197_170,
    aliases=("depn",),
    guidance=("exemplar", "statistics"),
    config="xiao2020/first.yaml",
    uses={"exemplar": "Published networks, which match color histograms, not positions."},
    contract_test=ContractTestConfig(hparams={"width": 0.0625, "level": 128}),
)

CARDS = (FULL,)
