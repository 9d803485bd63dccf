"""Cards of Ci et al. 2018."""

from __future__ import annotations

from colorzoo.card import ModelCard, Smoke

SMALL = ModelCard(
    name="ci2018_small",
    title="User-Guided Deep Anime Line Art Colorization with Conditional Adversarial Networks",
    paper="https://arxiv.org/abs/1808.03240",
    year=2018,
    summary="Colors a sketch; obeys color points. AlacGAN's stroke model, small; a baseline, to be trained.",
    task="colorzoo.zoo.ci2018.task:Ci2018",
    model="colorzoo.zoo.ci2018.model:StrokePainter",
    parameters=730_199,
    aliases=("alacgan_small",),
    guidance=("points",),
    input="sketch",
    output="rgb",
    hparams={"width": 0.1875, "blocks": (4, 2, 2, 1)},
    config="ci2018/small.yaml",
    smoke=Smoke(hparams={"width": 0.125, "blocks": (1, 1, 1, 1)}, size=32),
)

CARDS = (SMALL,)
