"""Model cards of Ci et al. 2018."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import DRAWING_LICENSES, ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="ci2018",
    title="User-Guided Deep Anime Line Art Colorization with Conditional Adversarial Networks",
    paper="https://arxiv.org/abs/1808.03240",
    year=2018,
    summary="Colorizes a sketch with color points. AlacGAN, the paper's network; requires training.",
    task="colorzoo.zoo.ci2018.task:Ci2018",
    model="colorzoo.zoo.ci2018.model:StrokePainter",
    parameters=26_436_867,
    aliases=("alacgan",),
    guidance=("points",),
    input="sketch",
    output="rgb",
    config="ci2018/paper.yaml",
    uses={"sketch": "Published network; no published comparison with other models of this library."},
    # without Illustration2Vec and VGG-16, whose weights must be downloaded
    contract_test=ContractTestConfig(
        hparams={
            **dict.fromkeys(("width", "discriminator_width"), 0.125),
            "blocks": (1, 1, 1, 1),
            "local_features": "trained",
            "discriminator_side": 64,
            "hints": 1.0,  # so that a batch of four contains hints
            "content_weight": 0.0,
            "adversarial_weight": 1.0,
        },
        size=64,
    ),
)

SMALL = replace(
    FULL,
    name="ci2018_small",
    summary="Colorizes a sketch with color points. AlacGAN's generator, small; weights included.",
    task="colorzoo.zoo.ci2018.task:Ci2018Pixels",
    parameters=712_407,
    aliases=("alacgan_small",),
    hparams={"width": 0.1875, "blocks": (4, 2, 2, 1), "local_features": "trained"},
    weights={
        "default": Weights(
            sha256="b744e890005fcdda76476987e5c14a237102598309f4c209519aab673e5cfee7",
            size=734_798,
            license="Apache-2.0",
            file="ci2018_small.safetensors",
            data_license=DRAWING_LICENSES,
            trained_on="9,061 openly licensed drawings, 8,000 steps; see the model page and NOTICE.",
        )
    },
    config="ci2018/small.yaml",
    uses={"sketch": "Included weights; gray results without points."},
    contract_test=ContractTestConfig(hparams={"width": 0.125, "blocks": (1, 1, 1, 1)}),
)

CARDS = (FULL, SMALL)
