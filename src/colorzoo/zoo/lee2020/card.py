"""Model cards of Lee et al. 2020."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import DRAWING_LICENSES, ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="lee2020",
    title="Reference-Based Sketch Image Colorization using Augmented-Self Reference and Dense Semantic "
    "Correspondence",
    paper="https://arxiv.org/abs/2005.05207",
    year=2020,
    summary="Colorizes a sketch from a reference by attention (SCFT). Requires training.",
    task="colorzoo.zoo.lee2020.task:Lee2020",
    model="colorzoo.zoo.lee2020.model:ReferencePainter",
    parameters=82_926_195,
    aliases=("scft",),
    guidance=("exemplar",),
    input="sketch",
    output="rgb",
    config="lee2020/paper.yaml",
    uses={"sketch": "Requires a reference; no published comparison with other models."},
    # the other losses require weights of VGG-19, which must be downloaded
    contract_test=ContractTestConfig(
        hparams={"width": 0.125, "discriminator_width": 0.125, "perceptual_weight": 0.0, "style_weight": 0.0}
    ),
)

SMALL = replace(
    FULL,
    name="lee2020_small",
    summary="Colorizes a sketch from a reference by attention (SCFT). Small; weights included.",
    parameters=1_721_595,
    aliases=("scft_small",),
    hparams={"width": 0.125},
    weights={
        "default": Weights(
            sha256="5c107d7893d3e677ab025d18324a7768184f6aadf681eb83cb48f920dae1cd8e",
            size=1_778_470,
            license="Apache-2.0",
            file="lee2020_small.safetensors",
            data_license=DRAWING_LICENSES,
            trained_on="9,061 openly licensed drawings, 8,000 steps; see the model page and NOTICE.",
        )
    },
    uses={"sketch": "Included weights; copies the main colors of a reference."},
    config="lee2020/small.yaml",
)

CARDS = (FULL, SMALL)
