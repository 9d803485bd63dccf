"""Model cards of Zhang et al. 2017."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import PHOTO_LICENSES, ContractTestConfig, ModelCard, Weights

LOCAL = ModelCard(
    name="zhang2017_local",
    title="Real-Time User-Guided Image Colorization with Learned Deep Priors",
    paper="https://arxiv.org/abs/1705.02999",
    year=2017,
    summary="Colorizes an image automatically or from color points. The paper's network.",
    task="colorzoo.zoo.zhang2017.task:Zhang2017Local",
    model="colorzoo.zoo.zhang2017.model:LocalHints",
    parameters=34_187_027,
    aliases=("siggraph17",),
    guidance=("points",),
    weights={
        "published": Weights(
            # the file name contains the first digits; the README of clibdev/colorization lists all digits
            sha256="df00044c0a4d7c3edcecf6f75437ce346a66e7a42612d9b968e1a7e17dbc6f66",
            size=136_787_426,
            license="BSD-2-Clause",
            code_license="BSD-2-Clause",
            urls=("https://colorizers.s3.us-east-2.amazonaws.com/siggraph17-df00044c.pth",),
            published=True,
            trained_on="ImageNet, by the authors; converted from their Caffe release.",
        )
    },
    config="zhang2017/local.yaml",
    uses={
        "automatic": "Published network; ranked above zhang2016 in Zhang et al. 2017.",
        "points": "Published network for color points.",
    },
    contract_test=ContractTestConfig(hparams={"width": 0.125}),
)

LOCAL_SMALL = replace(
    LOCAL,
    name="zhang2017_local_small",
    summary="Colorizes an image automatically or from color points. Quarter width; weights included.",
    parameters=4_439_269,
    aliases=(),
    hparams={"width": 0.25, "hint_attention": True, "scene_blocks": 4},
    weights={
        "default": Weights(
            sha256="59f71711113b01a5e7b8be0d5d7d61f529263ed2effafbf51c10c0ebd0084396",
            size=4_549_970,
            license="Apache-2.0",
            file="zhang2017_local_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="15,762 images, 6,950 steps and 234,896 crops; PSNR over gray at 0, 10 and 100 "
            "points: +1.11, +5.76 and +8.15 dB.",
        )
    },
    config="zhang2017/local_small.yaml",
    contract_test=ContractTestConfig(hparams={"width": 0.125, "scene_blocks": 1}),
    uses={
        "automatic": "Higher measured PSNR than zhang2016_small, confirmed by visual comparison.",
        "points": "Included weights; a quarter of the width of zhang2017_local.",
    },
)

# random masking can hide a statistic in all images of a batch; its layer then has no gradient
_ALL_STATISTICS = {"histogram_share": 1.0, "saturation_share": 1.0}

GLOBAL = replace(
    LOCAL,
    name="zhang2017_global",
    summary="Colorizes an image with a given color histogram or saturation. The paper's network.",
    task="colorzoo.zoo.zhang2017.task:Zhang2017Global",
    model="colorzoo.zoo.zhang2017.model:GlobalHints",
    parameters=35_004_226,
    aliases=(),
    guidance=("statistics",),
    weights={},
    config="zhang2017/global.yaml",
    uses={
        "statistics": "Published network; this paper introduced statistics. Convert the Caffe weights first."
    },
    contract_test=ContractTestConfig(hparams={"width": 0.125, **_ALL_STATISTICS}),
)

GLOBAL_SMALL = replace(
    GLOBAL,
    name="zhang2017_global_small",
    summary="Colorizes an image with a given color histogram or saturation. Small; weights included.",
    parameters=4_532_261,
    hparams={"trunk": "zhang2017_local_small"},
    weights={
        "default": Weights(
            sha256="e06d921c904442d338a1464167fd692ef4fcae91396f42f450beac91acc0f72e",
            size=191_576,
            license="Apache-2.0",
            file="zhang2017_global_small.safetensors",
            data_license=PHOTO_LICENSES,
            trained_on="400 crops, with the frozen layers of zhang2017_local_small; see the model page.",
        )
    },
    config="zhang2017/global_small.yaml",
    uses={"statistics": "Included weights; a quarter of the width of zhang2017_global."},
    contract_test=ContractTestConfig(hparams={"trunk": "zhang2017_local_small", **_ALL_STATISTICS}),
)

CARDS = (LOCAL, LOCAL_SMALL, GLOBAL, GLOBAL_SMALL)
