"""Model cards of Chen et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

_TRIAL = {
    "features": "zhang2016_small",
    "segmenter": "clusters",
    "segmenter_weights": None,
    **dict.fromkeys(("width", "color_width", "discriminator_width"), 0.125),
    "discriminator_layers": 3,
    "tau": 1.0,  # with random features, rounding error can change the best match at tau 0.01
}
_WITHOUT_GRADIENT = ("discriminator.attention.*.weight_orig",)  # the attention output is scaled by 0 at first

FULL = ModelCard(
    name="chen2023",
    title="SPColor: Semantic Prior Guided Exemplar-based Image Colorization",
    paper="https://arxiv.org/abs/2304.06255",
    year=2023,
    summary="Colorizes an image with the colors of a reference, matched per class. The paper's network.",
    task="colorzoo.zoo.chen2023.task:Chen2023",
    model="colorzoo.zoo.chen2023.model:SPColor",
    parameters=146_282_362,
    aliases=("spcolor",),
    guidance=("exemplar", "classes"),
    config="chen2023/paper.yaml",
    uses={
        "exemplar": "Best result in the table of the paper.",
        "classes": "Published networks; this paper introduced class guidance.",
    },
    contract_test=ContractTestConfig(
        _TRIAL, size=64, without_gradient=_WITHOUT_GRADIENT, scales={"model.network.ab.weight": 0.005}
    ),
    limits=("export",),
)

SMALL = replace(
    FULL,
    name="chen2023_small",
    summary="Colorizes an image with the colors of a reference, matched per class. Small; weights included.",
    parameters=3_010_041,
    aliases=(),
    hparams={
        "features": "zhang2016_small",
        "segmenter": "clusters",
        "width": 0.1875,
        "color_width": 0.14,
        "unrelated": "automatic",
        "gated": True,
        "discriminator_width": 0.25,
        "discriminator_layers": 4,
    },
    weights={
        "default": Weights(
            sha256="4e839b528c92f3bc8215273af7b8fd44202499c245726b2a70557ca5b98ac50d",
            size=1_047_804,
            license="Apache-2.0",
            file="chen2023_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="7,700 photos, about 1,100 steps on a CPU; see the model page.",
        )
    },
    config="chen2023/small.yaml",
    uses={
        "exemplar": "PSNR similar to zhang2019_small; more colorful, but less similar to the reference.",
        "classes": "Included weights, trained for class guidance.",
    },
)

CARDS = (FULL, SMALL)
