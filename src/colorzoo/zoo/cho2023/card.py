"""Model cards of Cho et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ContractTestConfig, ModelCard, Quality, Weights

# mean error of g in each segment without a hint, measured on training images
_MEASURED = {0: 0.0243, 1: 0.0663, 22: 0.0544, 30: 0.0392}
_NEEDS = tuple(_MEASURED.get(segment, 0.0421) for segment in range(31))  # rare segments have the mean error

FULL = ModelCard(
    name="cho2023",
    title="Guiding Users to Where to Give Color Hints for Efficient Interactive Sketch Colorization via "
    "Unsupervised Region Prioritization",
    paper="https://arxiv.org/abs/2210.14270",
    year=2023,
    summary="Colorizes a sketch and proposes regions to color, most useful first. The paper's network.",
    task="colorzoo.zoo.cho2023.task:Cho2023",
    model="colorzoo.zoo.cho2023.model:GuidingPainter",
    parameters=34_554_081,
    aliases=("guidingpainter",),
    guidance=("regions",),
    input="sketch",
    output="rgb",
    config="cho2023/paper.yaml",
    quality=(
        Quality("regions", 50, "Published networks; this paper introduced region guidance."),
        Quality(
            "sketch", 50, "Published networks; no published comparison with other models of this library."
        ),
    ),
    contract_test=ContractTestConfig(
        hparams={"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}
    ),
)

SMALL = replace(
    FULL,
    name="cho2023_small",
    summary="Colorizes a sketch and proposes regions to color. A fifth of the width; weights included.",
    parameters=1_036_521,
    aliases=(),
    hparams={
        "width": 0.1875,
        "segmenter_width": 0.15625,
        "discriminator_width": 0.25,
        "segmenter_side": 128,
        "pieces": True,
        "hint_residual": True,
        "needs": _NEEDS,
    },
    weights={
        "default": Weights(
            sha256="bfabbdf2be77f20264528cb3680e71114f0c22f0921fd48a73a112ab9dbdf2d7",
            size=1_106_642,
            license="Apache-2.0",
            file="cho2023_small.safetensors",
            trained_on="1,585 illustrations of unclear license, 12,200 steps; see the model page.",
        )
    },
    config="cho2023/small.yaml",
    quality=(
        Quality("regions", 20, "The only model with region guidance and included weights."),
        Quality("sketch", 20, "Included weights; brown results without region colors."),
    ),
)

POINTS = replace(
    FULL,
    name="cho2023_points",
    summary="Colorizes a sketch with color points. Baseline for cho2023 with equal generator and training.",
    task="colorzoo.zoo.cho2023.task:Cho2023Points",
    model="colorzoo.zoo.cho2023.model:PointPainter",
    parameters=17_268_675,
    aliases=(),
    guidance=("points",),
    quality=(),
    config="cho2023/points.yaml",
    contract_test=ContractTestConfig(hparams={"width": 0.125}),
)

POINTS_SMALL = replace(
    POINTS,
    name="cho2023_points_small",
    summary="Colorizes a sketch with color points. Baseline for cho2023_small; requires training.",
    parameters=609_591,
    hparams={"width": 0.1875, "hint_residual": True},
    config="cho2023/points_small.yaml",
)

CARDS = (FULL, SMALL, POINTS, POINTS_SMALL)
