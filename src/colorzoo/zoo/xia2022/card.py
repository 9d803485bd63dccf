"""Card of Xia et al. 2022."""

from __future__ import annotations

from colorzoo.card import ModelCard, Quality, Score, Smoke, Weights

_COCO = "COCO, protocol not stated there; the weights for a colorfulness of 0.2"

FULL = ModelCard(
    name="xia2022",
    title="Disentangled Image Colorization via Global Anchors",
    paper="https://doi.org/10.1145/3550454.3555432",
    year=2022,
    summary="Colors a photo from a few anchors that it chooses, or that points set.",
    task="colorzoo.zoo.xia2022.task:Xia2022",
    model="colorzoo.zoo.xia2022.model:AnchorColorization",
    parameters=43_063_739,
    aliases=("disco",),
    guidance=("points",),
    weights={
        "published": Weights(
            sha256=None,  # not stated
            size=499_000_000,  # computed, not stated: the network, and Adam's two moments of what is trained
            license="MIT (the repository's)",
            code_license="MIT",
            urls=("https://drive.google.com/uc?export=download&id=1J4vB6kG4xBLUUKpXr5IhnSSa4maXgRvQ",),
            published=True,
            trained_on="ImageNet, by the authors (disco-beta.pth.tar).",
        )
    },
    config="xia2022/paper.yaml",
    quality=(
        Quality(
            "automatic",
            47,
            "Full network; only FID is stated, under a protocol that is not.",
            stated=(Score("FID", 10.47, "lower", _COCO, "README of the authors' code"),),
        ),
    ),
    # the perceptual loss needs a VGG-19 that is not here
    smoke=Smoke(
        hparams={"width": 0.125, "dropout": 0.0, "perceptual_weight": 0.0, "pixel_weight": 1.0},
        scales={"model.network.refinement.leave.weight": 0.02},
    ),
    limits=("export",),
)

CARDS = (FULL,)
