"""Model cards of Zhang et al. 2019."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

_TRIAL = {
    "features": "zhang2016_small",
    "donor": None,
    "width": 0.125,
    "color_width": 0.125,
    "discriminator_width": 0.125,
    "discriminator_layers": 3,
    "last_kernel": (3, 3),
    "tau": 1.0,  # at 1e-10, rounding errors change the matches of random features
    "training_tau": 1.0,
}
# the gradient is 0, because attention starts with the output factor 0
_WITHOUT_GRADIENT = ("discriminator.attention.*.weight_orig",)

FULL = ModelCard(
    name="zhang2019",
    title="Deep Exemplar-based Video Colorization",
    paper="https://arxiv.org/abs/1906.09909",
    year=2019,
    summary="Colorizes an image, or a video frame by frame, from a reference. The paper's networks.",
    task="colorzoo.zoo.zhang2019.task:Zhang2019",
    model="colorzoo.zoo.zhang2019.model:DeepExemplar",
    parameters=59_743_885,
    aliases=("deepexemplar",),
    guidance=("exemplar",),
    config="zhang2019/paper.yaml",
    uses={"exemplar": "Published networks; ranked below chen2023 in Chen et al. 2023."},
    contract_test=ContractTestConfig(
        _TRIAL, size=64, without_gradient=_WITHOUT_GRADIENT, scales={"model.network.ab.weight": 0.005}
    ),
    limits=("export",),
)

SMALL = replace(
    FULL,
    name="zhang2019_small",
    summary="Colorizes an image or video from a reference by matching. Small; weights included.",
    parameters=3_010_473,
    aliases=(),
    hparams={
        "features": "zhang2016_small",
        "donor": "chen2023_small",
        "width": 0.1875,
        "color_width": 0.14,
        "tau": 0.01,
        "unrelated": "automatic",
        "gated": True,
        "discriminator_width": 0.25,
        "discriminator_layers": 4,
        "last_kernel": (3, 3),
    },
    weights={
        "default": Weights(
            sha256="b83cdb3e9f646e0182f226e472e99a755516fde376cce3926241a1bab6aa06b0",
            size=37_278,
            license="Apache-2.0",
            file="zhang2019_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="15,562 images, 4,525 steps, with layers of chen2023_small; see the model page.",
        )
    },
    config="zhang2019/small.yaml",
    uses={"exemplar": "Strongest measured influence of the reference at equal PSNR."},
)

CARDS = (FULL, SMALL)
