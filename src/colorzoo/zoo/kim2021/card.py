"""Cards of Kim et al. 2021."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Smoke

_TINY = {"backbone": "zhang2017_local_small", "hidden": (8,)}

FULL = ModelCard(
    name="kim2021",
    title="Deep Edge-Aware Interactive Colorization against Color-Bleeding Effects",
    paper="https://arxiv.org/abs/2107.01619",
    year=2021,
    summary="Sharpens the color edges over which a user scribbles, in the result of another model.",
    task="colorzoo.zoo.kim2021.task:Kim2021",
    parameters=35_511_827,
    aliases=("edge_aware",),
    guidance=("points", "scribbles"),
    config="kim2021/paper.yaml",
    smoke=Smoke(hparams=_TINY, size=48),
)

SMALL = replace(
    FULL,
    name="kim2021_small",
    summary="The same add-on, smaller, over zhang2017_local_small; ships inside the package.",
    parameters=2_446_821,
    aliases=(),
    hparams={"backbone": "zhang2017_local_small", "hidden": (48, 32, 16)},
    config="kim2021/small.yaml",
)

ON_ZHANG2016 = replace(
    FULL,
    name="kim2021_zhang2016_small",
    summary="The same add-on, smaller, over zhang2016_small; ships inside the package.",
    parameters=2_228_989,
    aliases=(),
    guidance=("scribbles",),
    hparams={"backbone": "zhang2016_small", "hidden": (48, 16), "read_luma": True},
    config="kim2021/zhang2016_small.yaml",
    smoke=Smoke(hparams={"hidden": (8,)}, size=48),
)

ON_SU2020 = replace(
    FULL,
    name="kim2021_su2020_small",
    summary="The same add-on, smaller, over su2020_small; ships inside the package.",
    parameters=7_102_121,
    aliases=(),
    guidance=("points", "boxes", "scribbles"),
    hparams={"backbone": "su2020_small", "hidden": (48, 32, 16)},
    config="kim2021/su2020_small.yaml",
    smoke=Smoke(hparams={"hidden": (8,)}, size=48),
    limits=("export",),
)

CARDS = (FULL, SMALL, ON_ZHANG2016, ON_SU2020)
