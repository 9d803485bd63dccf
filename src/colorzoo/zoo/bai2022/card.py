"""Model card of Bai et al. 2022."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

FULL = ModelCard(
    name="bai2022",
    title="Semantic-Sparse Colorization Network for Deep Exemplar-based Colorization",
    paper="https://arxiv.org/abs/2112.01335",
    year=2022,
    summary="Colorizes an image in the style of a reference, then refines the colors by sparse attention.",
    task="colorzoo.zoo.bai2022.task:Bai2022",
    model="colorzoo.zoo.bai2022.model:SparseColorization",
    parameters=53_673_027,
    aliases=("sscn",),
    guidance=("exemplar",),
    config="bai2022/paper.yaml",
    uses={"exemplar": "Ranked between zhang2019 and zhao2021 in Chen et al. 2023."},
    contract_test=ContractTestConfig(
        {"width": 0.125, "side": 128, "important": 32, "scattered": 32, "class_weight": 0.0},
        size=128,
        scales={
            "model.network.decoder.ab.weight": 0.05,
            "model.network.style_decoder.layers.3.6.weight": 0.1,
        },
    ),
)

CARDS = (FULL,)
