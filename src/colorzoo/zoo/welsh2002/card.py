"""Model card of Welsh et al. 2002."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

WELSH = ModelCard(
    name="welsh2002",
    title="Transferring Color to Greyscale Images",
    paper="https://doi.org/10.1145/566570.566576",
    year=2002,
    summary="Colorizes an image from a reference by matching lightness statistics.",
    task="colorzoo.zoo.welsh2002.task:Welsh2002",
    model="colorzoo.zoo.welsh2002.model:ColorTransfer",
    parameters=0,
    guidance=("exemplar",),
    contract_test=ContractTestConfig(hparams={"samples": 9}),
    limits=("training", "gradient"),
)

CARDS = (WELSH,)
