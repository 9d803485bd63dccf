"""Model card of Pierre et al. 2015."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

PIERRE = ModelCard(
    name="pierre2015",
    title="Luminance-Chrominance Model for Image Colorization",
    paper="https://hal.science/hal-01051308",
    year=2015,
    summary="Colorizes an image from a reference by patch matching and coupled total variation.",
    task="colorzoo.zoo.pierre2015.task:Pierre2015",
    model="colorzoo.zoo.pierre2015.model:CoupledVariation",
    parameters=0,
    guidance=("exemplar",),
    contract_test=ContractTestConfig(hparams={"step": 4, "iterations": 10}),
    limits=("training", "export", "gradient"),
)

CARDS = (PIERRE,)
