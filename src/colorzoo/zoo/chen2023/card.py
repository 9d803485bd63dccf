"""Cards of Chen et al. 2023."""

from __future__ import annotations

from dataclasses import replace

from colorzoo.card import ModelCard, Smoke

_TRIAL = {
    "features": "zhang2016_small",
    "segmenter": "clusters",
    "width": 0.125,
    "color_width": 0.125,
    "discriminator_width": 0.125,
    "discriminator_layers": 4,
}

FULL = ModelCard(
    name="chen2023",
    title="SPColor: Semantic Prior Guided Exemplar-based Image Colorization",
    paper="https://arxiv.org/abs/2304.06255",
    year=2023,
    summary="Colors a photo like a reference; colors travel only between things of the same kind. The paper's network.",
    task="colorzoo.zoo.chen2023.task:Chen2023",
    parameters=0,
    aliases=("spcolor",),
    guidance=("exemplar", "classes"),
    config="chen2023/paper.yaml",
    smoke=Smoke(hparams=_TRIAL, size=64),
    limits=("export",),
)

SMALL = replace(
    FULL,
    name="chen2023_small",
    summary="The same method over the layers of zhang2016_small, with clusters of their features for classes; ships "
    "inside the package.",
    parameters=0,
    aliases=(),
    hparams={
        "features": "zhang2016_small",
        "segmenter": "clusters",
        "width": 0.1875,
        "color_width": 0.14,
        "unrelated": "automatic",
        "discriminator_width": 0.25,
        "discriminator_layers": 4,
    },
    config="chen2023/small.yaml",
)

CARDS = (FULL, SMALL)
