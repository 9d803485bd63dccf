"""Model card of He et al. 2018."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

FULL = ModelCard(
    name="he2018",
    title="Deep Exemplar-based Colorization",
    paper="https://arxiv.org/abs/1807.06587",
    year=2018,
    summary="Colorizes an image from a reference by dense feature matching, without Deep Image Analogy.",
    task="colorzoo.zoo.he2018.task:He2018",
    model="colorzoo.zoo.he2018.model:ExemplarColorization",
    parameters=47_010_632,
    guidance=("exemplar",),
    config="he2018/paper.yaml",
    uses={"exemplar": "Published networks; no published color metric, slower than xu2020."},
    contract_test=ContractTestConfig(
        {"width": 0.125, "color_width": 0.125, "perceptual_weight": 0.0},
        # small weights, because with random features rounding error can change the matches
        scales={"model.network.block1.0.weight": 0.025, "model.network.ab.weight": 0.02},
    ),
    limits=("export",),
)

CARDS = (FULL,)
