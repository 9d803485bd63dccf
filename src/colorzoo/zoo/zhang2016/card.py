"""Model cards of Zhang et al. 2016."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

FULL = ModelCard(
    name="zhang2016",
    title="Colorful Image Colorization",
    paper="https://arxiv.org/abs/1603.08511",
    year=2016,
    summary="Colorizes an image automatically by classification over 313 colors. The paper's network.",
    task="colorzoo.zoo.zhang2016.task:Zhang2016",
    model="colorzoo.zoo.zhang2016.model:ColorfulColorization",
    parameters=32_236_011,
    aliases=("cic", "eccv16"),
    weights={
        "published": Weights(
            # the file name contains the first digits; the README of clibdev/colorization lists all digits
            sha256="9b330a0bae53f4ded77b1e23defbf78beaa09c10ebc4c4999e8e4f4a160b93f9",
            size=128_976_165,
            license="BSD-2-Clause",
            code_license="BSD-2-Clause",
            urls=("https://colorizers.s3.us-east-2.amazonaws.com/colorization_release_v2-9b330a0b.pth",),
            published=True,
            trained_on="ImageNet, by the authors; converted from their Caffe release.",
        )
    },
    config="zhang2016/paper.yaml",
    uses={"automatic": "Published network; ranked below zhang2017_local in Zhang et al. 2017."},
    contract_test=ContractTestConfig(hparams={"width": 0.125}),
)

SMALL = replace(
    FULL,
    name="zhang2016_small",
    summary="Colorizes an image automatically with vivid colors. Quarter width; weights included.",
    parameters=2_033_211,
    aliases=(),
    hparams={"width": 0.25, "temperature": 0.7},
    weights={
        "default": Weights(
            sha256="a3e813b013f552e4efbab130ba258797d047b5db4595e727afe74ea7a621d42b",
            size=2_080_950,
            license="Apache-2.0",
            file="zhang2016_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="7,700 images; see the model page.",
        )
    },
    config="zhang2016/small.yaml",
    uses={"automatic": "Lower measured PSNR than zhang2017_local_small, but more colorful."},
)

CARDS = (FULL, SMALL)
