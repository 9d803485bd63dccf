"""Cards of Xu et al. 2020."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Smoke

_SMOKE = {"width": 0.125, "color_width": 0.125, "backbone": None}

XU = ModelCard(
    name="xu2020",
    title="Stylization-Based Architecture for Fast Deep Exemplar Colorization",
    paper="https://openaccess.thecvf.com/content_CVPR_2020/html/"
    "Xu_Stylization-Based_Architecture_for_Fast_Deep_Exemplar_Colorization_CVPR_2020_paper.html",
    year=2020,
    summary="Colors a photo with the colors of a reference picture. The paper's networks.",
    task="colorzoo.zoo.xu2020.task:Xu2020",
    parameters=42_746_274,
    aliases=("stylization",),
    guidance=("exemplar", "points"),
    config="xu2020/color.yaml",
    smoke=Smoke(hparams=_SMOKE),
)

XU_SMALL = replace(
    XU,
    name="xu2020_small",
    summary="The same at a quarter of the width, over zhang2017_local_small; ships inside the package.",
    parameters=2_704_916,
    aliases=(),
    hparams={
        "width": 0.25,
        "color_width": 0.25,
        "hint_attention": True,
        "backbone": "zhang2017_local_small",
    },
    config="xu2020/small_exposure.yaml",
    default_for=("exemplar",),
)

CARDS = (XU, XU_SMALL)
