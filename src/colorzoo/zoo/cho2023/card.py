"""Cards of Cho et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Quality, Score, Smoke, Weights

# mean error of each segment without an answer, on training pictures
_MEASURED = {0: 0.0243, 1: 0.0663, 22: 0.0544, 30: 0.0392}
_NEEDS = tuple(_MEASURED.get(segment, 0.0421) for segment in range(31))  # what f uses now and then: the mean

_AT_30 = (
    Score(
        "PSNR after 30 regions [dB]",
        20.90,
        "higher",
        "cho2023-regions of `colorzoo evaluate`, 24 illustrations, 256 x 256",
        "docs/evaluation.md",
    ),
)

FULL = ModelCard(
    name="cho2023",
    title="Guiding Users to Where to Give Color Hints for Efficient Interactive Sketch Colorization via "
    "Unsupervised Region Prioritization",
    paper="https://arxiv.org/abs/2210.14270",
    year=2023,
    summary="Colors a sketch; asks for colors of its regions, the most useful first. The paper's network.",
    task="colorzoo.zoo.cho2023.task:Cho2023",
    model="colorzoo.zoo.cho2023.model:GuidingPainter",
    parameters=34_554_081,
    aliases=("guidingpainter",),
    guidance=("regions",),
    input="sketch",
    output="rgb",
    config="cho2023/paper.yaml",
    quality=(
        Quality("regions", 50, "Full networks of the paper that brought regions."),
        Quality("sketch", 50, "Full networks; no number in a table with others at hand."),
    ),
    smoke=Smoke(hparams={"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}),
)

SMALL = replace(
    FULL,
    name="cho2023_small",
    summary="Colors a sketch; asks for colors of its regions. A fifth as wide; ships inside the package.",
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
            sha256="9712d614f86c68d1fdb47ffb262ab9fb2686ce5fd878acc683d1c02c5110d807",
            size=2_106_146,
            license="Apache-2.0",
            file="cho2023_small.safetensors",
            trained_on="1,585 illustrations, 12,200 steps on a CPU core; see the model's page.",
        )
    },
    config="cho2023/small.yaml",
    quality=(
        Quality("regions", 20, "The only one with regions whose weights ship.", measured=_AT_30),
        Quality("sketch", 20, "The only one for sketches whose weights ship.", measured=_AT_30),
    ),
)

POINTS = replace(
    FULL,
    name="cho2023_points",
    summary="Colors a sketch; follows color points. The control of cho2023, with its painter and training.",
    task="colorzoo.zoo.cho2023.task:Cho2023Points",
    model="colorzoo.zoo.cho2023.model:PointPainter",
    parameters=17_268_675,
    aliases=(),
    guidance=("points",),
    quality=(),
    config="cho2023/points.yaml",
    smoke=Smoke(hparams={"width": 0.125}),
)

POINTS_SMALL = replace(
    POINTS,
    name="cho2023_points_small",
    summary="Colors a sketch; follows color points. The control of cho2023_small; to be trained.",
    parameters=609_591,
    hparams={"width": 0.1875, "hint_residual": True},
    config="cho2023/points_small.yaml",
)

CARDS = (FULL, SMALL, POINTS, POINTS_SMALL)
