"""Model cards of Xu et al. 2020."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

XU = ModelCard(
    name="xu2020",
    title="Stylization-Based Architecture for Fast Deep Exemplar Colorization",
    paper="https://openaccess.thecvf.com/content_CVPR_2020/html/"
    "Xu_Stylization-Based_Architecture_for_Fast_Deep_Exemplar_Colorization_CVPR_2020_paper.html",
    year=2020,
    summary="Colorizes an image with the colors of a reference. The paper's networks.",
    task="colorzoo.zoo.xu2020.task:Xu2020",
    model="colorzoo.zoo.xu2020.model:StylizationColorization",
    parameters=42_746_274,
    aliases=("stylization",),
    guidance=("exemplar", "points"),
    config="xu2020/color.yaml",
    uses={"exemplar": "Networks of the paper; no published comparison available."},
    contract_test=ContractTestConfig(hparams={"width": 0.125}),
)

XU_SMALL = replace(
    XU,
    name="xu2020_small",
    summary="Colorizes an image with the palette of a reference. Quarter width; weights included.",
    parameters=4_975_508,
    aliases=(),
    hparams={"width": 0.25, "backbone": "zhang2017_local_small", "transfer_error": 15.0},
    contract_test=ContractTestConfig(hparams={"width": 0.125, "stage": "encoder"}),
    weights={
        "default": Weights(
            sha256="1c0bd19649e904da2214ee3bf601d7cd1e5acb35ca0b5eb2071a51d6b522189e",
            size=547_414,
            license="Apache-2.0",
            file="xu2020_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="Transfer sub-net: 800 steps of 8 images. The colorization sub-net is "
            "zhang2017_local_small. See the model page.",
        )
    },
    config="xu2020/small_encoder.yaml",
    uses={
        "exemplar": "Low measured error, but little influence of the reference.",
        "stylize": "The only model with included weights that transfers the colors of color images.",
    },
)

CARDS = (XU, XU_SMALL)
