"""Model card of Gupta et al. 2012."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

GUPTA = ModelCard(
    name="gupta2012",
    title="Image Colorization Using Similar Images",
    paper="https://doi.org/10.1145/2393347.2393402",
    year=2012,
    summary="Matches superpixels with a reference by texture features and propagates their colors.",
    task="colorzoo.zoo.gupta2012.task:Gupta2012",
    model="colorzoo.zoo.gupta2012.model:SuperpixelColorization",
    parameters=0,
    guidance=("exemplar",),
    contract_test=ContractTestConfig(hparams={"pixels": 60}),
    limits=("training", "export", "gradient"),
)

CARDS = (GUPTA,)
