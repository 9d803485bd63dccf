"""Model card of the gray baseline."""

from __future__ import annotations

from colorzoo.card import ModelCard

GRAY = ModelCard(
    name="gray",
    title="The baseline of Colorful Image Colorization that predicts gray",
    paper="https://arxiv.org/abs/1603.08511",
    year=2016,
    summary="Predicts gray for every pixel: the baseline of evaluations.",
    task="colorzoo.zoo.gray.task:Gray",
    model="colorzoo.zoo.gray.model:GrayModel",
    parameters=0,
    limits=("training", "gradient"),
)

CARDS = (GRAY,)
