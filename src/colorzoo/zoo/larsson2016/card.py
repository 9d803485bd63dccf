"""Model card of Larsson et al. 2016."""

from __future__ import annotations

from colorzoo.card import ContractTestConfig, ModelCard

CARDS = (
    ModelCard(
        name="larsson2016",
        title="Learning Representations for Automatic Colorization",
        paper="https://arxiv.org/abs/1603.06668",
        year=2016,
        summary="Colorizes an image by predicted hue and chroma histograms at each position.",
        task="colorzoo.zoo.larsson2016.task:Larsson2016",
        model="colorzoo.zoo.larsson2016.model:HypercolumnColorization",
        parameters=147_041_024,
        aliases=("autocolorize",),
        config="larsson2016/paper.yaml",
        uses={"automatic": "Ranked above zhang2017_local in Zhang et al. 2017."},
        # the expectation, because the median is discontinuous between bins
        contract_test=ContractTestConfig(
            hparams={"width": 0.0625, "dropout": 0.0, "chroma": "expectation", "margin": 4, "places": 32},
            size=64,
        ),
    ),
)
