"""Model card of global feature matching."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

MATCH = ModelCard(
    name="feature_match",
    title="Global feature matching",
    paper="https://arxiv.org/abs/1807.06587",
    year=2018,
    summary="Gives each cell the color of the reference cell with the most similar features. A baseline.",
    task="colorzoo.zoo.feature_match.task:FeatureMatch",
    model="colorzoo.zoo.feature_match.model:FeatureMatching",
    parameters=0,
    aliases=("nearest_features",),
    guidance=("exemplar",),
    hparams={"encoder": "xu2020_small"},
    contract_test=ContractTestConfig(hparams={"encoder": None}),
    limits=("training", "gradient"),
)

CARDS = (MATCH,)
