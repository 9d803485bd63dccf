"""Cards of Cho et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Smoke

_MEASURED = {0: 0.0135, 1: 0.0765, 22: 0.0539, 30: 0.042}  # docs/measure_needs.py, training pictures
_NEEDS = tuple(_MEASURED.get(segment, 0.04) for segment in range(31))  # what f uses now and then: the mean

FULL = ModelCard(
    name="cho2023",
    title="Guiding Users to Where to Give Color Hints for Efficient Interactive Sketch Colorization via "
    "Unsupervised Region Prioritization",
    paper="https://arxiv.org/abs/2210.14270",
    year=2023,
    summary="Colors a sketch; asks for colors of its regions, the most useful first. The paper's network.",
    task="colorzoo.zoo.cho2023.task:Cho2023",
    parameters=37_320_738,
    aliases=("guidingpainter",),
    guidance=("regions",),
    input="sketch",
    output="rgb",
    config="cho2023/paper.yaml",
    smoke=Smoke(hparams={"width": 0.125, "segmenter_width": 0.125, "discriminator_width": 0.125}, size=32),
)

SMALL = replace(
    FULL,
    name="cho2023_small",
    summary="The same networks at a fifth of the width; ships inside the package.",
    parameters=1_212_090,
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
    config="cho2023/small.yaml",
    default_for=("regions",),
)

POINTS = replace(
    FULL,
    name="cho2023_points",
    summary="The control: the same painter and training, guided by color points instead of regions.",
    task="colorzoo.zoo.cho2023.points:Cho2023Points",
    parameters=17_268_675,
    aliases=(),
    guidance=("points",),
    config="cho2023/points.yaml",
    smoke=Smoke(hparams={"width": 0.125}, size=32),
)

POINTS_SMALL = replace(
    POINTS,
    name="cho2023_points_small",
    summary="The control at the width of cho2023_small; to be trained, no weights ship.",
    parameters=609_591,
    hparams={"width": 0.1875, "hint_residual": True},
    config="cho2023/points_small.yaml",
)

CARDS = (FULL, SMALL, POINTS, POINTS_SMALL)
