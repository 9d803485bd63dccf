"""Model cards of Cho et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import DRAWING_LICENSES, ContractTestConfig, ModelCard, Weights

# mean error of g in each segment without a hint, measured on training images
_MEASURED = {0: 0.0317, 1: 0.0825, 2: 0.0846, 11: 0.0691, 24: 0.0672, 27: 0.0807}
_NEEDS = tuple(_MEASURED.get(segment, 0.0588) for segment in range(30))  # rare segments have the mean error

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
    uses={
        "regions": "Published networks; this paper introduced region guidance.",
        "sketch": "Published networks; no published comparison with other models of this library.",
    },
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
            sha256="58a0e47058a44de9e909796e4335d4b2d4a57a619c6fc5b93466dc13c5da7171",
            size=1_106_186,
            license="Apache-2.0",
            file="cho2023_small.safetensors",
            data_license=DRAWING_LICENSES,
            trained_on="9,061 openly licensed drawings, 9,000 steps; see the model page and NOTICE.",
        )
    },
    config="cho2023/small.yaml",
    uses={
        "regions": "The only model with region guidance and included weights.",
        "sketch": "Included weights; brown results without region colors.",
    },
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
    uses={},
    config="cho2023/points.yaml",
    contract_test=ContractTestConfig(hparams={"width": 0.125}),
)

POINTS_SMALL = replace(
    POINTS,
    name="cho2023_points_small",
    summary="Colorizes a sketch with color points. Baseline for cho2023_small; weights included.",
    parameters=609_591,
    hparams={"width": 0.1875, "hint_residual": True},
    weights={
        "default": Weights(
            sha256="bab3026288f46c9a9d23dc91bff88686b648dabc87f34108e55294649d8e99ae",
            size=632_422,
            license="Apache-2.0",
            file="cho2023_points_small.safetensors",
            data_license=DRAWING_LICENSES,
            trained_on="9,061 openly licensed drawings, 4,000 steps; see the model page and NOTICE.",
        )
    },
    uses={"sketch": "Baseline with included weights; gray results without points."},
    config="cho2023/points_small.yaml",
)

CARDS = (FULL, SMALL, POINTS, POINTS_SMALL)
