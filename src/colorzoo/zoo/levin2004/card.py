"""Model card of Levin et al. 2004."""

from __future__ import annotations

from colorzoo.card import ModelCard

LEVIN = ModelCard(
    name="levin2004",
    title="Colorization using Optimization",
    paper="https://doi.org/10.1145/1015706.1015780",
    year=2004,
    summary="Propagates color points to pixels of similar lightness; gray without points.",
    task="colorzoo.zoo.levin2004.task:Levin2004",
    model="colorzoo.zoo.levin2004.model:ColorizationByOptimization",
    parameters=0,
    aliases=("edit_propagation",),
    guidance=("points",),
    limits=("training", "export", "gradient"),
)

CARDS = (LEVIN,)
